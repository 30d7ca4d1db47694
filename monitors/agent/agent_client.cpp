#include "monitors/agent/agent_client.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <nlohmann/json.hpp>
#include <thread>

namespace lockstep::monitors {
namespace {

using Clock = std::chrono::steady_clock;

// Waits for the socket; false when the time is over.
bool wait_for(int socket, short events, Clock::time_point until) {
    for (;;) {
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - Clock::now()).count();
        if (left <= 0) return false;
        pollfd waiting{socket, events, 0};
        const int ready = poll(&waiting, 1, static_cast<int>(left));
        if (ready > 0) return true;
        if (ready < 0 && errno != EINTR) return false;
    }
}

nlohmann::json options_json(const InstanceOptions& options) {
    return {{"contexts", options.contexts},
            {"blocks", options.blocks},
            {"history_records", options.history_records},
            {"precise_time", options.precise_time}};
}

}  // namespace

AgentClient::AgentClient(const std::filesystem::path& socket_path, std::chrono::milliseconds time_limit)
    : time_limit_(time_limit) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (socket_path.native().size() >= sizeof(address.sun_path))
        throw AgentError(fmt::format("the socket's path is too long: {}", socket_path.string()));
    std::strcpy(address.sun_path, socket_path.c_str());

    const auto until = Clock::now() + time_limit_;
    for (;;) {
        socket_ = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (socket_ < 0) throw AgentError(fmt::format("cannot make a socket: {}", std::strerror(errno)));
        if (connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0) return;
        const int error = errno;
        close(socket_);
        socket_ = -1;
        const bool may_come = error == ENOENT || error == ECONNREFUSED || error == EAGAIN;
        if (!may_come || Clock::now() >= until)
            throw AgentError(fmt::format("no agent listens at {}: {}", socket_path.string(), std::strerror(error)));
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
}

AgentClient::~AgentClient() {
    if (socket_ >= 0) close(socket_);
}

std::string AgentClient::attach(const std::filesystem::path& file, const AttachOptions& options) {
    return request({{"do", "attach"},
                    {"file", file.string()},
                    {"options", options_json(options.instance)},
                    {"reactors", options.reactors},
                    {"group", options.group}})
        .at("property");
}

nlohmann::json AgentClient::detach(const std::string& property) {
    return request({{"do", "detach"}, {"property", property}}).at("summary");
}

void AgentClient::pause(const std::string& property) {
    request({{"do", "pause"}, {"property", property}});
}

void AgentClient::resume(const std::string& property) {
    request({{"do", "resume"}, {"property", property}});
}

void AgentClient::react(const std::string& property, const std::vector<std::string>& reactors) {
    request({{"do", "react"}, {"property", property}, {"reactors", reactors}});
}

nlohmann::json AgentClient::freeze() {
    return request({{"do", "freeze"}});
}

nlohmann::json AgentClient::status() {
    return request({{"do", "status"}});
}

nlohmann::json AgentClient::request(const nlohmann::json& request) {
    send_line(request.dump() + "\n");
    auto answer = nlohmann::json::parse(receive_line(), nullptr, false);
    if (!answer.is_object() || !answer.contains("ok")) throw AgentError("the agent's answer makes no sense");
    if (!answer["ok"].get<bool>()) throw AgentError(answer.value("error", "the agent refused without a reason"));
    answer.erase("ok");
    return answer;
}

void AgentClient::send_line(const std::string& line) {
    const auto until = Clock::now() + time_limit_;
    for (std::size_t sent = 0; sent < line.size();) {
        if (!wait_for(socket_, POLLOUT, until)) throw AgentError("the agent takes no request");
        const ssize_t part = send(socket_, line.data() + sent, line.size() - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (part < 0 && errno != EAGAIN && errno != EINTR)
            throw AgentError(fmt::format("the agent is gone: {}", std::strerror(errno)));
        if (part > 0) sent += static_cast<std::size_t>(part);
    }
}

std::string AgentClient::receive_line() {
    const auto until = Clock::now() + time_limit_;
    for (;;) {
        if (const std::size_t end = received_.find('\n'); end != std::string::npos) {
            std::string line = received_.substr(0, end);
            received_.erase(0, end + 1);
            return line;
        }
        if (!wait_for(socket_, POLLIN, until)) throw AgentError("the agent does not answer in time");
        char buffer[65536];
        const ssize_t part = recv(socket_, buffer, sizeof(buffer), MSG_DONTWAIT);
        if (part == 0) throw AgentError("the agent is gone: the process has ended or closed the connection");
        if (part < 0 && errno != EAGAIN && errno != EINTR)
            throw AgentError(fmt::format("the agent is gone: {}", std::strerror(errno)));
        if (part > 0) received_.append(buffer, static_cast<std::size_t>(part));
    }
}

std::filesystem::path default_agent_socket(int pid) {
    const char* runtime = std::getenv("XDG_RUNTIME_DIR");
    const std::filesystem::path folder = runtime != nullptr && *runtime != 0
                                             ? std::filesystem::path(runtime) / "lockstep"
                                             : std::filesystem::path(fmt::format("/tmp/lockstep-{}", getuid()));
    return folder / fmt::format("agent-{}.sock", pid);
}

}  // namespace lockstep::monitors
