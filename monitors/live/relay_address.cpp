#include "monitors/live/relay_address.hpp"

#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <string_view>

namespace lockstep::monitors {

int connect_to_relay(const std::string& viewer_url, std::chrono::milliseconds limit) {
    constexpr std::string_view scheme = "net://";
    const std::size_t colon = viewer_url.rfind(':');
    if (!viewer_url.starts_with(scheme) || colon < scheme.size()) return -1;
    std::string host = viewer_url.substr(scheme.size(), colon - scheme.size());
    if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
    addrinfo hints{}, *found = nullptr;
    hints.ai_socktype = SOCK_STREAM;
    if (getaddrinfo(host.c_str(), viewer_url.substr(colon + 1).c_str(), &hints, &found) != 0) return -1;
    const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owned(found, freeaddrinfo);
    for (const addrinfo* address = found; address != nullptr; address = address->ai_next) {
        const int connection = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (connection < 0) continue;
        const timeval patience{static_cast<time_t>(limit.count() / 1000), (limit.count() % 1000) * 1000};
        setsockopt(connection, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
        if (connect(connection, address->ai_addr, address->ai_addrlen) == 0) return connection;
        close(connection);
    }
    return -1;
}

}  // namespace lockstep::monitors
