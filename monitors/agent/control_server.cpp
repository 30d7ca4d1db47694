#include "monitors/agent/control_server.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "tracepoints/high_descriptor.hpp"

namespace lockstep::monitors {
namespace {

using nlohmann::json;

constexpr std::size_t longest_line = 1 << 20;
constexpr std::size_t most_clients = 16;

sockaddr_un address_of(const std::filesystem::path& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.native().size() >= sizeof(address.sun_path))
        throw std::runtime_error(fmt::format("the path of the agent's socket is too long: {}", path.string()));
    std::strcpy(address.sun_path, path.c_str());
    return address;
}

bool somebody_listens_at(const std::filesystem::path& path) {
    const sockaddr_un address = address_of(path);
    const int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    const bool answered =
        connect(probe, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0 || errno == EAGAIN;
    close(probe);
    return answered;
}

bool may_speak(int socket) {
    ucred peer{};
    socklen_t size = sizeof(peer);
    return getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && (peer.uid == geteuid() || peer.uid == 0);
}

// A client that does not read its answers loses its connection: the socket has a time limit for sending.
bool send_line(int socket, const json& object) {
    const std::string line = object.dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
    for (std::size_t sent = 0; sent < line.size();) {
        const ssize_t part = send(socket, line.data() + sent, line.size() - sent, MSG_NOSIGNAL);
        if (part <= 0) return false;
        sent += static_cast<std::size_t>(part);
    }
    return true;
}

json failure(const std::string& error) {
    return {{"ok", false}, {"error", error}};
}

json answer_line(const std::string& line, const ControlServer::Answer& answer, bool& sound) {
    const json request = json::parse(line, nullptr, false);
    sound = request.is_object();
    if (!sound) return failure("a request is one JSON object on one line");
    try {
        json reply = answer(request);
        reply["ok"] = true;
        return reply;
    } catch (const std::exception& error) {
        return failure(error.what());
    }
}

}  // namespace

ControlServer::ControlServer(std::filesystem::path path) : path_(std::move(path)) {
    stop_event_ = high_descriptor(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!listen_at(path_)) {
        path_ += fmt::format(".{}", getpid());
        if (!listen_at(path_)) {
            close(stop_event_);
            throw std::runtime_error(fmt::format("the agent cannot listen at {}: another one does", path_.string()));
        }
    }
}

ControlServer::~ControlServer() {
    for (const Client& client : clients_) close(client.socket);
    close(listener_);
    close(stop_event_);
    std::error_code ignored;
    std::filesystem::remove(path_, ignored);
}

// The mode of a socket's file is that of the socket when it is bound: nobody else can ever open it.
bool ControlServer::listen_at(const std::filesystem::path& path) {
    const sockaddr_un address = address_of(path);
    if (somebody_listens_at(path)) return false;
    unlink(path.c_str());
    listener_ = high_descriptor(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (listener_ >= 0 && fchmod(listener_, 0600) == 0 &&
        bind(listener_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0 &&
        listen(listener_, static_cast<int>(most_clients)) == 0)
        return true;
    const int error = errno;
    if (listener_ >= 0) close(listener_);
    listener_ = -1;
    if (error == EADDRINUSE) return false;
    throw std::runtime_error(fmt::format("the agent cannot listen at {}: {}", path.string(), std::strerror(error)));
}

void ControlServer::serve(const Answer& answer) {
    for (;;) {
        std::vector<pollfd> waiting = {{stop_event_, POLLIN, 0}, {listener_, POLLIN, 0}};
        for (const Client& client : clients_) waiting.push_back({client.socket, POLLIN, 0});
        if (poll(waiting.data(), waiting.size(), -1) < 0 && errno != EINTR) return;
        // Programs that become daemons close all descriptors, ours too: nobody can reach us any more.
        if (waiting[0].revents != 0 || (waiting[1].revents & POLLNVAL) != 0) return;
        std::vector<Client> kept;
        for (std::size_t i = 0; i < clients_.size(); ++i) {
            if (waiting[i + 2].revents == 0 || read_client(clients_[i], answer))
                kept.push_back(std::move(clients_[i]));
            else
                close(clients_[i].socket);
        }
        clients_ = std::move(kept);
        if (waiting[1].revents != 0) accept_client();
    }
}

void ControlServer::stop() {
    const std::uint64_t one = 1;
    (void)!write(stop_event_, &one, sizeof(one));
}

void ControlServer::accept_client() {
    const int socket = high_descriptor(accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC));
    if (socket < 0) return;
    const timeval send_limit{2, 0};
    setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &send_limit, sizeof(send_limit));
    if (!may_speak(socket)) {
        send_line(socket, failure("only the process's own user may speak to its agent"));
        close(socket);
    } else if (clients_.size() >= most_clients) {
        send_line(socket, failure("the agent has too many clients"));
        close(socket);
    } else {
        clients_.push_back({socket, {}});
    }
}

// False: the connection is to be closed.
bool ControlServer::read_client(Client& client, const Answer& answer) {
    char buffer[4096];
    const ssize_t size = recv(client.socket, buffer, sizeof(buffer), MSG_DONTWAIT);
    if (size < 0) return errno == EAGAIN || errno == EINTR;
    if (size == 0) return false;
    client.received.append(buffer, static_cast<std::size_t>(size));
    std::size_t begin = 0;
    for (std::size_t end; (end = client.received.find('\n', begin)) != std::string::npos; begin = end + 1) {
        bool sound = true;
        const json reply = answer_line(client.received.substr(begin, end - begin), answer, sound);
        if (!send_line(client.socket, reply) || !sound) return false;
    }
    client.received.erase(0, begin);
    if (client.received.size() <= longest_line) return true;
    send_line(client.socket, failure("a request has at most 1 MiB"));
    return false;
}

}  // namespace lockstep::monitors
