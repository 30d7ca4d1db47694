// The agent's socket: who may speak, what a line is, and what happens to those who send garbage. What requests mean is
// the agent's business.
#pragma once

#include <filesystem>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

namespace lockstep::monitors {

// A unix stream socket with mode 0600; peers of another user than the process's (or root) are turned away. One JSON
// object a line, at most 1 MiB; what is no such line gets an error and the connection is closed. Up to 16 clients,
// served request by request.
class ControlServer {
 public:
    using Answer = std::function<nlohmann::json(const nlohmann::json& request)>;

    // Listens. A dead process's socket at `path` is replaced; a living one's is left alone, and ".PID" is appended to
    // the path. Throws std::runtime_error.
    explicit ControlServer(std::filesystem::path path);
    ~ControlServer();
    ControlServer(const ControlServer&) = delete;
    ControlServer& operator=(const ControlServer&) = delete;

    const std::filesystem::path& path() const { return path_; }

    // Serves until stop(). `answer` gives the reply to a request; what it throws becomes {"ok": false, "error": …}.
    void serve(const Answer& answer);

    // From any thread.
    void stop();

 private:
    struct Client {
        int socket = -1;
        std::string received;
    };

    bool listen_at(const std::filesystem::path& path);
    void accept_client();
    bool read_client(Client& client, const Answer& answer);

    std::filesystem::path path_;
    int listener_ = -1;
    int stop_event_ = -1;
    std::vector<Client> clients_;
};

}  // namespace lockstep::monitors
