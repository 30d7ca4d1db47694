#include "cli/run_observer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "cli/agents.hpp"
#include "cli/edge_counts.hpp"
#include "cli/run_doubts.hpp"
#include "cli/run_violation.hpp"
#include "cli/started_program.hpp"

namespace lockstep::cli {
namespace {

using harness::Attach;
using harness::PropertyResult;
using harness::Verdict;
using nlohmann::json;

constexpr std::chrono::milliseconds lttng_limit{6'000};  // of any one call to LTTng

constexpr std::size_t violations_kept = 16;  // of a property, with their histories

// Less than the time between two samples of a run: between counts of different age a rate would be a matter of chance.
constexpr std::chrono::milliseconds agents_period{50};

Verdict verdict_of(std::string_view text) {
    return text == "ok" ? Verdict::ok : text == "violated" ? Verdict::violated : Verdict::inconclusive;
}

const json* find_property(const json& status, const std::string& name) {
    for (const json& property : status.at("properties"))
        if (property.at("name") == name) return &property;
    return nullptr;
}

void add(harness::ObservedProgress& sum, const json& counters) {
    sum.events += counters.at("events").get<std::uint64_t>();
    sum.contexts += counters.at("contexts_created").get<std::uint64_t>();
    sum.violations += counters.at("violations").get<std::uint64_t>();
}

// Whether it listens to what a library that is preloaded tells of a program's own locks.
bool is_about_threads(const monitors::Monitor& monitor) {
    return std::ranges::any_of(monitor.bindings(), [](const monitors::BindingDescriptor& binding) {
        return std::string_view(binding.provider) == "thread_locks";
    });
}

// A folder that has metadata is a trace.
std::vector<std::filesystem::path> traces_below(const std::filesystem::path& folder) {
    std::vector<std::filesystem::path> traces;
    if (folder.empty()) return traces;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder))
        if (entry.path().filename() == "metadata") traces.push_back(entry.path().parent_path());
    return traces;
}

// A verdict that is ok stays so only without doubts; a violation that was seen is one, whatever else was missed.
void doubt(PropertyResult& result, const std::vector<std::string>& reasons) {
    result.reasons.insert(result.reasons.end(), reasons.begin(), reasons.end());
    if (!reasons.empty() && result.verdict == Verdict::ok) result.verdict = Verdict::inconclusive;
}

// The worst verdict counts; a life in which nothing happened takes none of the others' away.
Verdict joined(Verdict one, Verdict other, bool one_saw, bool other_saw) {
    if (one == Verdict::violated || other == Verdict::violated) return Verdict::violated;
    if (!other_saw) return one;
    return one_saw && one != Verdict::ok ? one : other;
}

}  // namespace

RunObserver::RunObserver(const harness::Scenario& scenario, std::filesystem::path scratch)
    : scenario_(scenario), scratch_(std::move(scratch)) {
    for (const harness::PropertyPlan& plan : scenario.properties)
        properties_.push_back({plan, monitors::find_monitor(plan.name)});
    const bool needs_agent =
        std::ranges::any_of(scenario.properties, [](const auto& plan) { return plan.attach == Attach::in_process; });
    if (needs_agent) agent_library_ = library_beside_us("liblockstep_agent.so");
    for (Property& property : properties_) {
        const auto monitor = monitors::Monitor::load(property.file);
        property.automaton = monitor->dot_source();
        if (property.plan.attach == Attach::in_process && is_about_threads(*monitor))
            thread_locks_library_[property.plan.to] = library_beside_us("liblockstep_thread_locks.so");
    }
}

std::vector<std::string> RunObserver::begin() {
    std::vector<monitors::Monitor*> live;
    for (Property& property : properties_) {
        if (property.plan.attach != Attach::live) continue;
        property.monitor = monitors::Monitor::load(property.file, monitors::one_reader());
        live.push_back(property.monitor.get());
    }
    for (const harness::FaultPlan& fault : scenario_.faults)
        if (!fault.after.empty()) triggers_.push_back(fault.after);
    if (scenario_.record_calls)
        for (const char* event : {"txn:committed", "txn:aborted", "nfs3:operation_recorded"})
            triggers_.emplace_back(event);
    return live.empty() && triggers_.empty() ? std::vector<std::string>{} : start_live(live);
}

// LTTng's daemons sometimes hang while a session is made. Nothing was observed yet, so
// another try is no less honest. Returns what became of the tries before.
std::vector<std::string> RunObserver::start_live(const std::vector<monitors::Monitor*>& live) {
    constexpr unsigned tries = 3;
    std::vector<std::string> failures;
    for (unsigned attempt = 1;; ++attempt) {
        try {
            try_live(live, scratch_ / ("lttng-" + std::to_string(attempt)));
            return failures;
        } catch (const monitors::LttngError& error) {
            live_.reset();
            lttng_.reset();
            if (attempt == tries) throw;
            failures.push_back(fmt::format("LTTng did not start at try {} of {}: {}", attempt, tries, error.what()));
        }
    }
}

void RunObserver::try_live(const std::vector<monitors::Monitor*>& live, const std::filesystem::path& directory) {
    lttng_ = std::make_unique<monitors::PrivateLttng>(
        monitors::PrivateLttngOptions{.work_directory = directory, .limit = lttng_limit});
    live_ = std::make_unique<monitors::LiveVerifier>(live_options(), live, triggers_);
    trace_ = directory;
}

monitors::LiveSessionOptions RunObserver::live_options() const {
    monitors::LiveSessionOptions options;
    options.relay_url = lttng_->relay_url();
    options.viewer_url = lttng_->viewer_url();
    options.recorded_below = lttng_->trace_directory();
    options.limit = lttng_limit;
    // The live timer takes a part of the buffer at every tick, however little is in it: so many parts must outlast the
    // longest time for which a busy machine keeps the consumer daemon waiting. Here 128 ticks of 5 ms.
    options.live_timer = std::chrono::milliseconds(5);
    options.buffer_bytes = 64 << 10;
    options.buffer_count = 128;
    if (scenario_.record_calls) {  // a call with its data is one event
        options.buffer_bytes = 1 << 20;
        options.buffer_count = 16;
        options.keep_trace = true;
    }
    return options;
}

void RunObserver::trace_unjudged(bool on) {
    live_.reset();
    if (unjudged_.verifier) unjudged_.verifier->finish();
    unjudged_.verifier.reset();
    unjudged_.monitors.clear();
    if (!on) return;
    std::vector<monitors::Monitor*> live;
    for (const Property& property : properties_) {
        if (property.plan.attach != Attach::live) continue;
        unjudged_.monitors.push_back(monitors::Monitor::load(property.file, monitors::one_reader()));
        live.push_back(unjudged_.monitors.back().get());
    }
    unjudged_.verifier = std::make_unique<monitors::LiveVerifier>(live_options(), live, triggers_);
}

bool RunObserver::attaches_to(const std::string& server) const {
    return std::ranges::any_of(
        scenario_.properties, [&](const auto& plan) { return plan.attach == Attach::in_process && plan.to == server; });
}

harness::Environment RunObserver::client_environment() {
    harness::Environment environment;
    if (lttng_)
        for (const auto& [name, value] : monitors::traced_program_environment(false)) environment[name] = value;
    return environment;
}

// Each life has a socket and a report of its own.
std::string RunObserver::stem_of(const Agent& agent) const {
    return (scratch_ / (agent.server + "." + std::to_string(agent.life))).string();
}

RunObserver::Agent& RunObserver::agent_of(const std::string& server) {
    const auto found = std::ranges::find(agents_, server, &Agent::server);
    return found != agents_.end() ? *found : agents_.emplace_back(Agent{.server = server});
}

harness::Environment RunObserver::server_environment(const harness::ServerPlan& server) {
    harness::Environment environment = client_environment();
    if (!attaches_to(server.name)) return environment;
    Agent& agent = agent_of(server.name);
    ++agent.life;
    const auto thread_locks = thread_locks_library_.find(server.name);
    environment["LD_PRELOAD"] = thread_locks == thread_locks_library_.end()
                                    ? preload_list({agent_library_})
                                    : preload_list({thread_locks->second, agent_library_});
    environment["LOCKSTEP_AGENT_SOCKET"] = stem_of(agent) + ".agent";
    environment["LOCKSTEP_AGENT_REPORT"] = stem_of(agent) + ".report";
    return environment;
}

std::string RunObserver::server_gate(const harness::ServerPlan& server) {
    return attaches_to(server.name) ? "LOCKSTEP_AGENT_GATE" : "";
}

void RunObserver::server_started(const harness::ServerPlan& server) {
    if (!attaches_to(server.name)) return;
    Agent& agent = agent_of(server.name);
    agent.client = std::make_unique<monitors::AgentClient>(stem_of(agent) + ".agent");
    monitors::AttachOptions options;
    options.instance.precise_time = true;  // the report puts events of several processes on one line of time
    for (const Property& property : properties_)
        if (property.plan.attach == Attach::in_process && property.plan.to == server.name)
            agent.client->attach(property.file, options);
}

void RunObserver::keep(Agent& agent, const json& status) const {
    for (const Property& property : properties_) {
        if (property.plan.attach != Attach::in_process || property.plan.to != agent.server) continue;
        PropertyResult& result = agent.former[property.plan.name];
        result.name = property.plan.name;
        add_life(result, status);
        add(agent.former_progress, find_property(status, result.name)->at("counters"));
    }
}

void RunObserver::take_last_words(const harness::ServerPlan& server, const std::function<json(Agent&)>& ask) {
    if (!attaches_to(server.name)) return;
    Agent& agent = agent_of(server.name);
    try {
        keep(agent, ask(agent));
    } catch (const std::exception& error) {
        agent.doubts.push_back(fmt::format("what was seen in {} before its end number {} is not known: {}", server.name,
                                           agent.life, error.what()));
    }
    agent.client.reset();
}

void RunObserver::server_will_be_killed(const harness::ServerPlan& server) {
    take_last_words(server, [](Agent& agent) { return agent.client->freeze(); });
}

void RunObserver::server_has_ended(const harness::ServerPlan& server) {
    take_last_words(server,
                    [this](Agent& agent) { return json::parse(harness::read_file(stem_of(agent) + ".report")); });
}

void RunObserver::server_is_suspended(const harness::ServerPlan& server, bool suspended) {
    if (attaches_to(server.name)) agent_of(server.name).suspended = suspended;
}

std::uint64_t RunObserver::occurrences(const std::string& tracepoint) {
    return live_ ? live_->count_of(tracepoint) : 0;
}

harness::ObservedProgress RunObserver::ask_agents() {
    harness::ObservedProgress sum;
    for (Agent& agent : agents_) {
        if (agent.client && !agent.suspended) agent.latest = agent.client->status();
        sum.events += agent.former_progress.events;
        sum.contexts += agent.former_progress.contexts;
        sum.violations += agent.former_progress.violations;
        if (!agent.client || agent.latest.is_null()) continue;
        for (const json& property : agent.latest.at("properties")) add(sum, property.at("counters"));
    }
    return sum;
}

harness::ObservedProgress RunObserver::progress() {
    const auto now = std::chrono::steady_clock::now();
    if (now - agents_asked_ >= agents_period) {
        agents_asked_ = now;
        try {
            in_agents_ = ask_agents();
        } catch (const monitors::AgentError&) {
            agents_asked_ = now + std::chrono::hours(24);  // the end of the run will say what is the matter
        }
    }
    harness::ObservedProgress sum = in_agents_;
    for (const Property& property : properties_) {
        if (!property.monitor) continue;
        const monitors::Counters counters = property.monitor->counters();
        sum.events += counters.events;
        sum.contexts += counters.contexts_created;
        sum.violations += counters.violations;
    }
    return sum;
}

std::vector<std::string> RunObserver::finish_live(const harness::FiredCounts& fired, harness::Counting counting,
                                                  std::vector<std::string>& remarks) {
    if (!live_) return {};
    monitors::LiveResult seen = live_->finish();
    if (seen.recorded) seen = judge_again(seen);
    if (!seen.read_again_because.empty())
        remarks.push_back("the live properties' verdicts come from the recorded trace; live, " +
                          seen.read_again_because);
    std::vector<std::string> wanted = triggers_;
    for (const Property& property : properties_) {
        if (!property.monitor) continue;
        for (const monitors::BindingDescriptor& binding : property.monitor->bindings())
            wanted.push_back(std::string(binding.provider) + ":" + binding.tracepoint);
    }
    return doubts_of(seen, std::move(wanted), fired, counting);
}

monitors::LiveResult RunObserver::judge_again(const monitors::LiveResult& seen) {
    std::vector<std::unique_ptr<monitors::Monitor>> fresh;
    std::vector<monitors::Monitor*> borrowed;
    for (const Property& property : properties_) {
        if (!property.monitor) continue;
        fresh.push_back(property.monitor->another(monitors::one_reader()));
        borrowed.push_back(fresh.back().get());
    }
    monitors::LiveResult result = live_->judge_again(seen, borrowed);
    if (result.read_again_because.empty()) return result;
    auto next = fresh.begin();
    for (Property& property : properties_)
        if (property.monitor) property.monitor = std::move(*next++);
    return result;
}

PropertyResult RunObserver::live_result(Property& property, const std::vector<std::string>& live_doubts) {
    const monitors::Summary summary = property.monitor->summary();
    PropertyResult result;
    result.name = property.plan.name;
    result.attached = "live";
    result.contexts = summary.counters.contexts_created;
    result.events = summary.counters.events;
    result.lost = summary.counters.lost;
    result.violation_count = summary.counters.violations;
    result.verdict = verdict_of(monitors::to_string(summary.verdict));
    result.reasons = summary.reasons;
    result.unseen_events = summary.unseen_events;
    result.automaton = property.monitor->dot_source();
    for (const monitors::EdgeCoverage& edge : summary.edges)
        result.edges.push_back({edge.from_state, edge.event, edge.to_state, edge.line, edge.taken});
    for (const reactors::Report& report : property.monitor->take_violations())
        if (result.violations.size() < violations_kept) result.violations.push_back(violation_of(report));
    doubt(result, live_doubts);
    return result;
}

// What the property saw in one life of a server, added to the lives before.
void RunObserver::add_life(PropertyResult& result, const json& status) const {
    const json* answer = find_property(status, result.name);
    if (answer == nullptr) throw monitors::AgentError("the agent knows nothing of it");
    const json& counters = answer->at("counters");
    const std::uint64_t events = counters.at("events");
    const bool first = result.edges.empty();
    result.verdict = first ? verdict_of(answer->at("verdict").get<std::string>())
                           : joined(result.verdict, verdict_of(answer->at("verdict").get<std::string>()),
                                    result.events > 0, events > 0);
    result.contexts += counters.at("contexts_created").get<std::uint64_t>();
    result.events += events;
    result.lost += counters.at("lost").get<std::uint64_t>();
    result.violation_count += counters.at("violations").get<std::uint64_t>();
    const auto reasons = answer->at("reasons").get<std::vector<std::string>>();
    if (result.verdict != Verdict::inconclusive)
        result.reasons.clear();
    else if (!reasons.empty())
        result.reasons = reasons;
    const auto unseen = answer->at("unseen_events").get<std::vector<std::string>>();
    if (first) result.unseen_events = unseen;
    std::erase_if(result.unseen_events,
                  [&](const std::string& event) { return std::ranges::find(unseen, event) == unseen.end(); });
    std::size_t place = 0;
    for (const codegen::EdgeCount& edge : edge_counts_of(answer->at("edges"))) {
        if (first) result.edges.push_back({edge.from_state, edge.event, edge.to_state, edge.line, 0});
        result.edges.at(place++).taken += edge.taken;
    }
    for (const json& report : answer->at("reports"))
        if (result.violations.size() < violations_kept) result.violations.push_back(violation_of(report));
}

PropertyResult RunObserver::in_process_result(const Property& property) {
    const auto agent = std::ranges::find(agents_, property.plan.to, &Agent::server);
    PropertyResult result;
    if (agent != agents_.end() && agent->former.contains(property.plan.name))
        result = agent->former.at(property.plan.name);
    result.name = property.plan.name;
    result.attached = "in-process: " + property.plan.to;
    result.automaton = property.automaton;
    if (agent == agents_.end()) {
        result.reasons.push_back(property.plan.to + " was never started");
        return result;
    }
    std::vector<std::string> doubts = agent->doubts;
    try {
        if (agent->client) add_life(result, agent->client->status());
    } catch (const monitors::AgentError& error) {
        doubts.push_back(error.what());
    }
    doubt(result, doubts);
    return result;
}

PropertyResult RunObserver::result_of(Property& property, const std::vector<std::string>& live_doubts) {
    return property.monitor ? live_result(property, live_doubts) : in_process_result(property);
}

// By the reference model of NFS.
PropertyResult RunObserver::judge_calls(const std::vector<std::string>& live_doubts) {
    PropertyResult result;
    result.name = "nfs3";
    result.attached = "recorded calls";
    if (traces_.size() != 1) {
        result.reasons.push_back("there is no trace of the calls");
        return result;
    }
    monitors::NfsModelResult judged = monitors::judge_nfs_replies(traces_.front());
    result.events = judged.judged;
    result.lost = judged.reading.lost;
    result.verdict = verdict_of(monitors::to_string(judged.verdict));
    result.reasons = judged.reasons;
    result.violation_count = judged.difference.empty() ? 0 : 1;
    if (!judged.difference.empty()) result.reasons.push_back(judged.difference);
    doubt(result, live_doubts);
    if (result.verdict == Verdict::ok) calls_ = std::move(judged.calls);
    return result;
}

std::string RunObserver::recorded_calls() const {
    std::string text;
    for (const monitors::RecordedNfsCall& call : calls_) text += call.call + "\t" + call.reply + "\n";
    return text;
}

std::vector<PropertyResult> RunObserver::end(const harness::FiredCounts& fired, harness::Counting counting,
                                             std::vector<std::string>& remarks) {
    const std::vector<std::string> live_doubts = finish_live(fired, counting, remarks);
    traces_ = traces_below(trace_);
    std::vector<PropertyResult> results;
    for (Property& property : properties_) results.push_back(result_of(property, live_doubts));
    if (scenario_.record_calls) results.push_back(judge_calls(live_doubts));
    return results;
}

}  // namespace lockstep::cli
