#include "monitors/live/relay_proxy.hpp"

#include <endian.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#include "monitors/live/relay_address.hpp"
#include "monitors/trace/event_source.hpp"

namespace lockstep::monitors {
namespace {

// Integers on the wire are big-endian, structures packed.
struct Request {
    std::uint64_t payload_size;
    std::uint32_t command;
    std::uint32_t version;
} __attribute__((packed));

struct Index {
    std::uint64_t offset, packet_size, content_size, timestamp_begin, timestamp_end, events_discarded, stream_id;
    std::uint32_t status, flags;
} __attribute__((packed));

constexpr std::uint32_t get_next_index = 4;
constexpr std::uint32_t index_ok = 1, index_inactive = 5;
constexpr std::uint64_t largest_request = 64 << 10;  // libbabeltrace2's are below 1 KiB
constexpr std::size_t answer_part = 256 << 10;

bool receive(int socket, void* place, std::size_t size) {
    return size == 0 || recv(socket, place, size, MSG_WAITALL) == static_cast<ssize_t>(size);
}

bool send_all(int socket, const char* bytes, std::size_t size) {
    while (size > 0) {
        const ssize_t sent = send(socket, bytes, size, MSG_NOSIGNAL);
        if (sent <= 0) return false;
        bytes += sent;
        size -= static_cast<std::size_t>(sent);
    }
    return true;
}

// The relay sends an answer in two writes, the second only when the first was acknowledged: some 40 ms later, else.
void acknowledge_at_once(int socket) {
    const int on = 1;
    setsockopt(socket, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof on);
}

void send_at_once(int socket) {
    const int on = 1;
    setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

int listen_on_loopback() {
    const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 && listen(listener, 1) == 0)
        return listener;
    const std::string why = std::strerror(errno);
    close(listener);
    throw TraceError("live reading: listening on loopback: " + why);
}

}  // namespace

RelayProxy::RelayProxy(const std::string& viewer_url, std::chrono::nanoseconds slack, std::chrono::milliseconds limit)
    : slack_ns_(static_cast<std::uint64_t>(slack.count())), relay_(connect_to_relay(viewer_url, limit)) {
    if (relay_ < 0) throw TraceError("live reading: no relay answers at " + viewer_url);
    send_at_once(relay_);
    try {
        listener_ = listen_on_loopback();
        thread_ = std::thread([this] { serve(); });
    } catch (...) {
        close(relay_);
        if (listener_ >= 0) close(listener_);
        throw;
    }
}

RelayProxy::~RelayProxy() {
    ending_ = true;
    shutdown(listener_, SHUT_RDWR);  // wakes accept()
    shutdown(relay_, SHUT_RDWR);
    if (const int viewer = viewer_; viewer >= 0) shutdown(viewer, SHUT_RDWR);
    thread_.join();
    if (viewer_ >= 0) close(viewer_);
    close(listener_);
    close(relay_);
}

std::string RelayProxy::viewer_url() const {
    sockaddr_in address{};
    socklen_t size = sizeof address;
    getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    return "net://127.0.0.1:" + std::to_string(ntohs(address.sin_port));
}

void RelayProxy::serve() {
    viewer_ = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (viewer_ < 0 || ending_) return;
    send_at_once(viewer_);
    for (bool going_on = true; going_on;) {
        std::array<pollfd, 2> ready{{{viewer_, POLLIN, 0}, {relay_, POLLIN, 0}}};
        if (poll(ready.data(), ready.size(), -1) < 0) break;
        going_on = ready[1].revents != 0 ? pass_answer_on() : pass_request_on();
    }
    shutdown(viewer_, SHUT_RDWR);
    shutdown(relay_, SHUT_RDWR);
}

bool RelayProxy::pass_request_on() {
    Request request{};
    if (!receive(viewer_, &request, sizeof request)) return false;
    const std::uint64_t size = be64toh(request.payload_size);
    if (size > largest_request) return false;
    std::vector<char> all(sizeof request + size);
    std::memcpy(all.data(), &request, sizeof request);
    if (!receive(viewer_, all.data() + sizeof request, size) || !send_all(relay_, all.data(), all.size())) return false;
    acknowledge_at_once(relay_);
    std::uint64_t stream = 0;
    if (be32toh(request.command) != get_next_index || size < sizeof stream) return true;
    std::memcpy(&stream, all.data() + sizeof request, sizeof stream);
    return pass_index_on(stream);
}

// The first time that is told of a stream stays as it is: others may have been told so far already.
bool RelayProxy::pass_index_on(std::uint64_t stream) {
    Index index{};
    if (!receive(relay_, &index, sizeof index)) return false;
    const std::uint32_t status = be32toh(index.status);
    if (status == index_ok || status == index_inactive) {
        const std::uint64_t time_ns = be64toh(index.timestamp_end);
        const auto [told, first] = told_ns_.try_emplace(stream, time_ns);
        const std::uint64_t older = status == index_ok ? time_ns : time_ns - std::min(time_ns, slack_ns_);
        if (!first) told->second = std::max(told->second, older);
        if (status == index_inactive) index.timestamp_end = htobe64(told->second);
    }
    return send_all(viewer_, reinterpret_cast<const char*>(&index), sizeof index);
}

bool RelayProxy::pass_answer_on() {
    std::vector<char> part(answer_part);
    const ssize_t size = recv(relay_, part.data(), part.size(), 0);
    if (size <= 0) return false;
    acknowledge_at_once(relay_);
    return send_all(viewer_, part.data(), static_cast<std::size_t>(size));
}

}  // namespace lockstep::monitors
