// Properties watched from outside, as long as `lockstep attach` runs: a thread that runs reactors, and a control socket
// that speaks the agent's protocol, so that status, detach, react, pause and resume work on both.
#pragma once

#include <atomic>
#include <condition_variable>
#include <filesystem>
#include <memory>
#include <mutex>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <thread>
#include <vector>

#include "monitors/agent/control_server.hpp"
#include "monitors/live/live_verifier.hpp"
#include "monitors/live/watched_property.hpp"

namespace lockstep::monitors {

class Watch {
 public:
    // `what`: what is watched, for the status ("process 12, process 14", a URL). Listens at `socket` from the return
    // on. Throws std::runtime_error when it cannot.
    Watch(std::vector<std::shared_ptr<WatchedProperty>> properties, std::string what,
          const std::filesystem::path& socket);
    // As finish().
    ~Watch();
    Watch(const Watch&) = delete;
    Watch& operator=(const Watch&) = delete;

    const std::filesystem::path& socket() const { return server_.path(); }
    bool all_detached() const;

    // Takes no more requests, and lets the reactors see every violation that there is.
    void finish();

 private:
    nlohmann::json answer(const nlohmann::json& request);
    std::shared_ptr<WatchedProperty> property(const nlohmann::json& request) const;
    void react();

    const std::vector<std::shared_ptr<WatchedProperty>> properties_;
    const std::string what_;
    ControlServer server_;
    std::mutex mutex_;
    std::condition_variable changed_;
    bool stopping_ = false;
    std::thread reaction_;
    std::thread control_;
};

// After `verifier` has finished with `seen`, and the watch as well: where live reading broke off and no property was
// paused or detached, fresh monitors judge all that the relay has recorded. Else `seen`.
LiveResult judge_again_if_broken_off(LiveVerifier& verifier, const LiveResult& seen,
                                     const std::vector<std::shared_ptr<WatchedProperty>>& properties);

}  // namespace lockstep::monitors
