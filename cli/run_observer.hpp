// Watches a run with monitors: properties attached live through a private LTTng, and in-process through the servers'
// agents.
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "monitors/agent/agent_client.hpp"
#include "monitors/live/live_verifier.hpp"
#include "monitors/lttng/private_lttng.hpp"
#include "monitors/nfs_model/judge_nfs_trace.hpp"
#include "monitors/runtime/monitor.hpp"
#include "netns_harness/observer.hpp"

namespace lockstep::cli {

// Made outside the sandbox, which finds out what is missing before anything starts; used inside.
class RunObserver : public harness::Observer {
 public:
    // `scratch`: a directory inside the sandbox, for sockets and the daemons' files. Borrows the scenario. Throws
    // MonitorError when one of its properties is not there, and harness::Error when the agent is not.
    RunObserver(const harness::Scenario& scenario, std::filesystem::path scratch);

    std::vector<std::string> begin() override;
    harness::Environment server_environment(const harness::ServerPlan& server) override;
    harness::Environment client_environment() override;
    std::string server_gate(const harness::ServerPlan& server) override;
    void server_started(const harness::ServerPlan& server) override;
    void server_will_be_killed(const harness::ServerPlan& server) override;
    void server_has_ended(const harness::ServerPlan& server) override;
    void server_is_suspended(const harness::ServerPlan& server, bool suspended) override;
    std::uint64_t occurrences(const std::string& tracepoint) override;
    // Where LTTng's relay wrote the events that were judged: folders with a trace each; none when no property is live.
    const std::vector<std::filesystem::path>& traces() const { return traces_; }
    bool listens_to_clients() const override { return live_ != nullptr || unjudged_.verifier != nullptr; }
    void trace_unjudged(bool on) override;
    // The calls that were recorded and judged ok, a line each: call, tab, reply; for the workload recorded_run.
    std::string recorded_calls() const;
    harness::ObservedProgress progress() override;
    std::vector<harness::PropertyResult> end(const harness::FiredCounts& fired, harness::Counting counting,
                                             std::vector<std::string>& remarks) override;

 private:
    struct Property {
        const harness::PropertyPlan& plan;
        std::filesystem::path file;
        std::string automaton{};                       // its text
        std::unique_ptr<monitors::Monitor> monitor{};  // live ones only, from begin() on
    };
    // A server's agent, and what those of its former lives said last, added up: a long run has many.
    struct Agent {
        std::string server;
        unsigned life = 0;
        bool suspended = false;
        std::unique_ptr<monitors::AgentClient> client{};          // none: the server is down
        nlohmann::json latest{};                                  // of this life
        std::map<std::string, harness::PropertyResult> former{};  // by property
        harness::ObservedProgress former_progress{};
        std::vector<std::string> doubts{};  // former lives of which something is not known
    };

    std::vector<std::string> start_live(const std::vector<monitors::Monitor*>& live);
    monitors::LiveSessionOptions live_options() const;
    void try_live(const std::vector<monitors::Monitor*>& live, const std::filesystem::path& directory);
    bool attaches_to(const std::string& server) const;
    std::string stem_of(const Agent& agent) const;
    Agent& agent_of(const std::string& server);
    // Keeps the last words of a life that is over.
    void keep(Agent& agent, const nlohmann::json& status) const;
    void take_last_words(const harness::ServerPlan& server, const std::function<nlohmann::json(Agent&)>& ask);
    harness::ObservedProgress ask_agents();
    std::vector<std::string> finish_live(const harness::FiredCounts& fired, harness::Counting counting,
                                         std::vector<std::string>& remarks);
    monitors::LiveResult judge_again(const monitors::LiveResult& seen);
    harness::PropertyResult result_of(Property& property, const std::vector<std::string>& live_doubts);
    harness::PropertyResult live_result(Property& property, const std::vector<std::string>& live_doubts);
    harness::PropertyResult in_process_result(const Property& property);
    harness::PropertyResult judge_calls(const std::vector<std::string>& live_doubts);
    void add_life(harness::PropertyResult& result, const nlohmann::json& status) const;

    const harness::Scenario& scenario_;
    std::filesystem::path scratch_;
    std::filesystem::path agent_library_;
    std::map<std::string, std::filesystem::path> thread_locks_library_;  // of servers whose threads' locks are judged
    std::filesystem::path trace_;
    std::vector<std::filesystem::path> traces_;
    std::vector<monitors::RecordedNfsCall> calls_;
    std::vector<Property> properties_;
    std::vector<std::string> triggers_;  // tracepoints that faults wait for
    std::unique_ptr<monitors::PrivateLttng> lttng_;
    std::unique_ptr<monitors::LiveVerifier> live_;
    // What is read to measure its cost; the monitors outlive the verifier.
    struct Unjudged {
        std::vector<std::unique_ptr<monitors::Monitor>> monitors{};
        std::unique_ptr<monitors::LiveVerifier> verifier{};
    } unjudged_;
    std::vector<Agent> agents_;
    harness::ObservedProgress in_agents_;
    std::chrono::steady_clock::time_point agents_asked_{};
};

}  // namespace lockstep::cli
