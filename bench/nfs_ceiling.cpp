// nfs_ceiling: an NFS server that does nothing. Each call gets a fixed reply of the right shape and length: what
// remains is the clients, the sockets and the scheduler: about what any server on the same machine and sockets can
// reach. Two system calls a call, a thread a connection, no event loop. For a client that knows (nfs_load): it looks at
// no credential, keeps nothing, and a file that it "makes" is always the same.
//
//   nfs_ceiling --port 4049 [--spin-us N]
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <span>
#include <thread>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;
using Words = std::vector<std::uint32_t>;

constexpr std::uint32_t last_fragment = 0x80000000;
constexpr std::uint32_t nfs_program = 100003;
constexpr std::uint32_t handle_bytes = 32;

void append(Words& to, const Words& from) {
    to.insert(to.end(), from.begin(), from.end());
}

// The pieces that replies are made of, as RFC 1813 has them.
Words handle() {
    Words words{handle_bytes};
    words.resize(1 + handle_bytes / 4, 0x5ca1ab1e);
    return words;
}
Words attributes(std::uint32_t type) {
    Words words{type, 0644, 1, 0, 0};  // type, mode, nlink, uid, gid
    words.resize(21);                  // size, used, rdev, fsid, fileid, atime, mtime, ctime
    return words;
}
Words post_op_attributes() {
    Words words{1};
    append(words, attributes(1));
    return words;
}
Words wcc() {
    Words words{1, 0, 0, 0, 0, 0, 0};  // size, mtime, ctime before
    append(words, post_op_attributes());
    return words;
}
Words made() {
    Words words{0, 1};
    append(words, handle());
    append(words, post_op_attributes());
    append(words, wcc());
    return words;
}

// What follows the head of the reply to a procedure.
Words results(std::uint32_t program, std::uint32_t procedure) {
    if (program != nfs_program) {  // MNT: the root's handle, and that AUTH_SYS is taken
        Words words{0};
        append(words, handle());
        append(words, {1, 1});
        return words;
    }
    Words words{0};
    switch (procedure) {
        case 0:  // NULL
            return {};
        case 1:  // GETATTR
            append(words, attributes(1));
            return words;
        case 3:  // LOOKUP
            append(words, handle());
            append(words, post_op_attributes());
            append(words, post_op_attributes());
            return words;
        case 7:  // WRITE of 100 bytes, unstable
            append(words, wcc());
            append(words, {100, 0, 1, 1});
            return words;
        case 8:  // CREATE
        case 9:  // MKDIR
            return made();
        case 21:  // COMMIT
            append(words, wcc());
            append(words, {1, 1});
            return words;
        default:  // REMOVE
            append(words, wcc());
            return words;
    }
}

// Whole replies by procedure: mark, number, REPLY, MSG_ACCEPTED, AUTH_NONE, SUCCESS, results. Only the number is to be
// filled in.
class Replies {
 public:
    explicit Replies(std::uint32_t program) {
        for (std::uint32_t procedure = 0; procedure < replies_.size(); ++procedure) {
            Words reply{0, 0, 1, 0, 0, 0, 0};
            append(reply, results(program, procedure));
            reply[0] = last_fragment | static_cast<std::uint32_t>((reply.size() - 1) * 4);
            for (std::uint32_t& word : reply) word = htonl(word);
            replies_[procedure] = reply;
        }
    }
    Words& of(std::uint32_t procedure) { return replies_[std::min<std::size_t>(procedure, replies_.size() - 1)]; }

 private:
    std::array<Words, 22> replies_;
};

// Bytes of the socket; 0: its end. Asks again and again for `spin`, whoever wants the processor going first, and sleeps
// then.
std::size_t receive(int socket, std::span<std::uint32_t> into, std::chrono::microseconds spin) {
    if (spin.count() > 0) {
        const auto until = Clock::now() + spin;
        do {
            const ssize_t got = recv(socket, into.data(), into.size_bytes(), MSG_DONTWAIT);
            if (got >= 0) return static_cast<std::size_t>(got);
            if (errno != EAGAIN) return 0;
            sched_yield();
        } while (Clock::now() < until);
    }
    return static_cast<std::size_t>(std::max<ssize_t>(0, recv(socket, into.data(), into.size_bytes(), 0)));
}

// A client sends one call at a time: what is received is one call.
void serve(int socket, std::chrono::microseconds spin) {
    Replies nfs(nfs_program);
    Replies mount(0);
    std::array<std::uint32_t, 1024> call{};
    while (receive(socket, call, spin) >= 7 * sizeof call[0]) {
        Replies& replies = ntohl(call[4]) == nfs_program ? nfs : mount;
        Words& reply = replies.of(ntohl(call[6]));
        reply[1] = call[1];
        if (send(socket, reply.data(), reply.size() * sizeof reply[0], MSG_NOSIGNAL) < 0) break;
    }
    close(socket);
}

int listen_on(std::uint16_t port) {
    const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int on = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 || listen(listener, SOMAXCONN) != 0)
        return -1;
    return listener;
}

}  // namespace

int main(int argc, char** argv) {
    std::uint16_t port = 0;
    unsigned spin_us = 0;
    CLI::App app{"An NFS server on the loopback interface that does nothing: the ceiling of all.", "nfs_ceiling"};
    app.add_option("--port", port, "TCP, of NFS and MOUNT")->required();
    app.add_option("--spin-us", spin_us, "asks a socket for so long before it sleeps; 0: sleeps at once")
        ->capture_default_str();
    CLI11_PARSE(app, argc, argv);
    const int listener = listen_on(port);
    if (listener < 0) {
        std::perror("nfs_ceiling: can't listen");
        return 2;
    }
    for (;;) {
        const int socket = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
        if (socket < 0) continue;
        const int on = 1;
        setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        std::thread(serve, socket, std::chrono::microseconds(spin_us)).detach();
    }
}
