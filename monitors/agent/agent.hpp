// The agent: a guest in the watched process. Two threads of its own, one that listens to the control socket and
// attaches and detaches properties, one that runs reactors. No signal of the process is ever delivered to them.
#pragma once

#include <atomic>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <thread>
#include <vector>

#include "monitors/agent/attached_property.hpp"
#include "monitors/agent/control_server.hpp"

namespace lockstep::monitors {

class Agent {
 public:
    // Listens at `socket` from the return on. Throws std::runtime_error when it cannot.
    explicit Agent(const std::filesystem::path& socket);

    // Detaches everything and ends both threads.
    ~Agent();
    Agent(const Agent&) = delete;
    Agent& operator=(const Agent&) = delete;

    const std::filesystem::path& socket() const { return server_.path(); }

    // As the control socket answers "status", with every violation so far handled.
    nlohmann::json summary();

    // In a forked child, whose agent threads do not exist: every monitor of every agent of this process returns at once
    // from its probes. Async-signal-safe.
    static void silence_all() noexcept;

 private:
    nlohmann::json answer(const nlohmann::json& request);
    nlohmann::json attach(const nlohmann::json& request);
    nlohmann::json detach(const nlohmann::json& request);
    nlohmann::json status();
    nlohmann::json freeze();
    std::shared_ptr<AttachedProperty> property(const nlohmann::json& request);
    std::vector<std::shared_ptr<AttachedProperty>> properties();
    void react();

    const int wake_;
    std::atomic<bool> stopping_{false};
    alignas(64) std::atomic<std::uint64_t> time_ns_{0};  // what the probes take for the time; 0: they look themselves
    alignas(64) std::mutex mutex_;
    std::map<std::string, std::shared_ptr<AttachedProperty>> properties_;  // by name
    ControlServer server_;
    std::thread reaction_;
    std::thread control_;
};

// Starts a thread that receives no signals.
std::thread quiet_thread(const char* name, std::function<void()> body);

}  // namespace lockstep::monitors
