#include "monitors/live/relay_probe.hpp"

#include <endian.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>
#include <optional>
#include <stdexcept>
#include <vector>

#include "monitors/live/relay_address.hpp"

namespace lockstep::monitors {
namespace {

enum Command : std::uint32_t {
    connect_viewer = 1,
    list_sessions = 2,
    attach = 3,
    get_metadata = 6,
    create_session = 8
};

constexpr std::uint32_t protocol_major = 2, protocol_minor = 4;
constexpr std::uint32_t client_command = 1;  // the kind of connection
constexpr std::uint32_t seek_beginning = 1;
constexpr std::uint32_t status_ok = 1;
constexpr std::size_t host_size = 64, name_size = 255, path_size = 4096;
// No session has more; a relay that says so is not one.
constexpr std::uint32_t most_items = 10'000;
constexpr std::uint64_t most_metadata_bytes = 64 << 20;

struct ProbeFailed : std::runtime_error {
    using std::runtime_error::runtime_error;
};

class Payload {
 public:
    Payload& u32(std::uint32_t value) { return add(htobe32(value)); }
    Payload& u64(std::uint64_t value) { return add(htobe64(value)); }
    const std::string& bytes() const { return bytes_; }

 private:
    template <class T>
    Payload& add(T value) {
        bytes_.append(reinterpret_cast<const char*>(&value), sizeof value);
        return *this;
    }
    std::string bytes_;
};

class Connection {
 public:
    Connection(const std::string& viewer_url, std::chrono::milliseconds limit)
        : fd_(connect_to_relay(viewer_url, limit)) {
        if (fd_ < 0) throw ProbeFailed("no connection");
        const timeval patience{static_cast<time_t>(limit.count() / 1000), (limit.count() % 1000) * 1000};
        setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    }
    ~Connection() { close(fd_); }
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

    void request(Command command, const Payload& payload) {
        const std::string all = Payload().u64(payload.bytes().size()).u32(command).u32(0).bytes() + payload.bytes();
        if (send(fd_, all.data(), all.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(all.size()))
            throw ProbeFailed("send");
    }
    std::uint32_t u32() { return be32toh(receive<std::uint32_t>()); }
    std::uint64_t u64() { return be64toh(receive<std::uint64_t>()); }
    std::string text(std::size_t size) {
        std::string bytes(size, '\0');
        receive(bytes.data(), size);
        return bytes;
    }

 private:
    template <class T>
    T receive() {
        T value;
        receive(&value, sizeof value);
        return value;
    }
    void receive(void* place, std::size_t size) {
        if (size > 0 && recv(fd_, place, size, MSG_WAITALL) != static_cast<ssize_t>(size)) throw ProbeFailed("receive");
    }

    const int fd_;
};

std::string until_nul(const std::string& field) {
    return field.c_str();
}

void say_hello(Connection& relay) {
    relay.request(connect_viewer, Payload().u64(0).u32(protocol_major).u32(protocol_minor).u32(client_command));
    relay.u64(), relay.u32(), relay.u32(), relay.u32();
    relay.request(create_session, Payload());
    if (relay.u32() != status_ok) throw ProbeFailed("no viewer session");
}

std::optional<std::uint64_t> find_session(Connection& relay, const std::string& name) {
    relay.request(list_sessions, Payload());
    const std::uint32_t count = relay.u32();
    if (count > most_items) throw ProbeFailed("sessions");
    std::optional<std::uint64_t> found;
    for (std::uint32_t i = 0; i < count; ++i) {
        const std::uint64_t id = relay.u64();
        relay.u32(), relay.u32(), relay.u32();  // live timer, clients, streams
        relay.text(host_size);
        if (until_nul(relay.text(name_size)) == name) found = id;
    }
    return found;
}

// The metadata streams of a session that was attached to.
std::vector<std::uint64_t> attach_to(Connection& relay, std::uint64_t session) {
    relay.request(attach, Payload().u64(session).u64(0).u32(seek_beginning));
    if (relay.u32() != status_ok) throw ProbeFailed("attach");
    const std::uint32_t count = relay.u32();
    if (count > most_items) throw ProbeFailed("streams");
    std::vector<std::uint64_t> metadata;
    for (std::uint32_t i = 0; i < count; ++i) {
        const std::uint64_t id = relay.u64();
        relay.u64();  // trace
        if (relay.u32() != 0) metadata.push_back(id);
        relay.text(path_size + name_size);
    }
    return metadata;
}

std::string read_metadata(Connection& relay, std::uint64_t stream) {
    std::string all;
    for (;;) {
        relay.request(get_metadata, Payload().u64(stream));
        const std::uint64_t size = relay.u64();
        const std::uint32_t status = relay.u32();
        if (status != status_ok || size > most_metadata_bytes) return all;
        all += relay.text(size);
    }
}

}  // namespace

bool metadata_has_event(const std::string& viewer_url, const std::string& session, const std::string& event,
                        std::chrono::milliseconds limit) {
    try {
        Connection relay(viewer_url, limit);
        say_hello(relay);
        const auto id = find_session(relay, session);
        if (!id) return false;
        for (const std::uint64_t stream : attach_to(relay, *id)) {
            const std::string metadata = read_metadata(relay, stream);
            const std::size_t name = metadata.find("\"" + event + "\"");
            // A declaration ends with a closing brace at the beginning of a line.
            if (name != std::string::npos && metadata.find("\n};", name) != std::string::npos) return true;
        }
    } catch (const ProbeFailed&) {
    }
    return false;
}

}  // namespace lockstep::monitors
