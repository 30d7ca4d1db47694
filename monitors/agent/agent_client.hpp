// The other end of an agent's control socket: what `lockstep attach`, `status` and the harness use to steer the
// monitors inside a running process. One request at a time; the agent serves each client in turn.
//
// Protocol: a unix stream socket, one JSON object a line. Request: {"do": "attach", …}; answer: {"ok": true, …} or
// {"ok": false, "error": "one sentence"}. See monitors/README.md.
#pragma once

#include <chrono>
#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <stdexcept>
#include <string>
#include <vector>

#include "monitors/runtime/descriptor.hpp"

namespace lockstep::monitors {

// No agent there, no answer in time, or an answer that says no; what() is one sentence.
class AgentError : public std::runtime_error {
    using std::runtime_error::runtime_error;
};

struct AttachOptions {
    InstanceOptions instance;
    std::vector<std::string> reactors = {"log"};  // of reactors/; they run in this order
    std::string group = {};                       // that the property is attached as a part of; empty: none
};

// A connection to one agent. Not thread-safe. Every call throws AgentError, and none waits longer than the time limit.
class AgentClient {
 public:
    // Waits until the agent listens, up to the time limit: a process just started needs some milliseconds.
    explicit AgentClient(const std::filesystem::path& socket,
                         std::chrono::milliseconds time_limit = std::chrono::seconds(10));
    ~AgentClient();
    AgentClient(const AgentClient&) = delete;
    AgentClient& operator=(const AgentClient&) = delete;

    // Loads a compiled property into the process and registers its probes. `file`: an absolute path as the process sees
    // it. When it returns, every later event is seen. Answers the property's name.
    std::string attach(const std::filesystem::path& file, const AttachOptions& options = {});

    // Unregisters the probes, waits until no thread is inside one, and answers the property's last summary (see
    // status).
    nlohmann::json detach(const std::string& property);

    // Probes stay registered and return at once; contexts are forgotten, so that resuming waits for start events.
    void pause(const std::string& property);
    void resume(const std::string& property);

    // Replaces the reactors of an attached property.
    void react(const std::string& property, const std::vector<std::string>& reactors);

    // {"pid", "properties": [{"name", "verdict", "reasons", "counters": {…}, "edges": […], "states": […],
    //  "unseen_events", "pending", "reactors", "paused", "group", "changed_source", "reports": [report…]}]}; "reports"
    //  are the last violations (at most 16) of each property.
    nlohmann::json status();

    // For a process that is about to be killed: no thread of it gets past a tracepoint of an attached property any
    // more. Answers the last status: nothing that the process does afterwards is missing in it. Nothing undoes this.
    nlohmann::json freeze();

    // One raw exchange; the answer without its "ok".
    nlohmann::json request(const nlohmann::json& request);

 private:
    void send_line(const std::string& line);
    std::string receive_line();

    int socket_ = -1;
    std::chrono::milliseconds time_limit_;
    std::string received_;
};

// Where the agent of a process listens when LOCKSTEP_AGENT_SOCKET does not say otherwise.
std::filesystem::path default_agent_socket(int pid);

}  // namespace lockstep::monitors
