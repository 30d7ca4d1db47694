// What a run found: plain data, made by run_scenario() and its observer, written by the report_*.cpp.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "netns_harness/system.hpp"

namespace lockstep::harness {

enum class Verdict { ok, violated, inconclusive };

std::string to_text(Verdict verdict);

// A named value as text.
struct Field {
    std::string name;
    std::string value;
};

// An event that a context of a property took, or the one that it could not take.
struct ContextEvent {
    std::uint64_t time_ns = 0;  // CLOCK_MONOTONIC; 0 when unknown
    std::uint64_t net_ns = 0;   // inode of the network namespace; 0 when unknown
    std::uint32_t pid = 0;      // in its own PID namespace
    std::uint32_t tid = 0;
    std::string name;  // in the property's vocabulary
    std::vector<Field> fields;
    std::string from_state;
    std::string to_state;  // empty: it could not be taken
};

// A register's content before the violation; a row an entry.
struct RegisterContent {
    std::string name;
    std::string kind;  // "ranges", "map", …
    std::vector<std::vector<Field>> rows;
};

// One violation with what is needed to understand it.
struct Violation {
    std::vector<Field> keys;  // which context
    ContextEvent event;       // the offending one; from_state is the state it met
    std::string tracepoint;   // "provider:name"
    std::vector<std::string> allowed_events;
    bool event_is_guarded = false;  // the state has an edge for the event, whose guard did not hold
    std::vector<RegisterContent> registers;
    std::vector<ContextEvent> history;  // oldest first
    std::uint64_t history_omitted = 0;
    std::string dot_source;
};

// How often an edge of an automaton was taken.
struct EdgeTaken {
    std::string from_state;
    std::string event;
    std::string to_state;
    std::uint32_t line = 0;  // of the edge in the DOT file
    std::uint64_t taken = 0;
};

// What became of one property.
struct PropertyResult {
    std::string name;
    std::string attached;  // "live", "in-process: server"
    std::uint64_t contexts = 0;
    std::uint64_t events = 0;
    std::uint64_t lost = 0;
    std::uint64_t violation_count = 0;
    Verdict verdict = Verdict::inconclusive;
    std::vector<std::string> reasons;        // why inconclusive
    std::vector<Violation> violations;       // the first few
    std::vector<std::string> unseen_events;  // of its vocabulary
    std::vector<EdgeTaken> edges;            // all, in the automaton's order
    std::string automaton;                   // DOT, as its author wrote it
};

// How far the run was at a time.
struct Sample {
    milliseconds at{0};  // since the clients' start
    std::uint64_t events = 0;
    std::uint64_t contexts = 0;
    std::uint64_t violations = 0;
};

// The workloads' calls to servers that ended in an interval of the work.
struct CallInterval {
    std::uint64_t until_ms = 0;  // the interval's end, since the clients' start
    std::uint64_t width_ms = 0;
    std::uint64_t answered = 0;
    std::uint64_t unanswered = 0;
    double p50_us = 0;  // half of the answers took no longer; 0 when there was none
    double p99_us = 0;
};

// All of them: what the users of the servers saw. A user's command tells nothing of its calls.
struct CallSeries {
    std::uint64_t answered = 0;
    std::uint64_t unanswered = 0;
    double p50_us = 0;
    double p99_us = 0;
    std::vector<CallInterval> intervals;
};

// What a process holds.
struct Held {
    std::uint64_t resident_kib = 0;
    std::uint64_t descriptors = 0;
};

// All processes of the run, and the network namespaces that they are in.
struct Crowd {
    std::uint64_t processes = 0;
    std::uint64_t network_namespaces = 0;
};

// At a time of the work: who is "harness" or a server; each of a server's lives is a process of its own.
struct HeldSample {
    milliseconds at{0};
    std::string who;
    std::uint64_t life = 1;
    Held held;
};

// CPU time, in seconds: of servers, clients and what they start; of LTTng's daemons; of the harness, in which live
// properties are judged.
struct CpuUse {
    double programs_s = 0;
    double tracing_s = 0;
    double harness_s = 0;
};

// What live tracing costs the workload: after the judgement the clients work on for a while in slices, with and without
// it in turn, in which nothing is judged.
struct Overhead {
    struct Slice {
        bool traced = false;
        double calls_per_second = 0;
    };
    std::vector<Slice> slices;
    double median(bool traced) const;  // calls a second
    // How much slower the workload is when it is traced; negative when that is lost in the noise.
    double percent() const;
};

// What the run took from the machine while the clients worked.
struct Resources {
    std::vector<HeldSample> samples;  // the first at the clients' start, the last when all have ended
    Crowd at_start;
    Crowd at_end;
    CpuUse cpu;
};

// What one client did.
struct ClientResult {
    std::string name;
    std::uint64_t turns = 0;
    std::uint64_t reads = 0;
    std::uint64_t writes = 0;
    std::uint64_t events = 0;           // tracepoints that it fired
    bool has_oracle = true;             // it compares what it reads with what must be there
    std::uint64_t commands = 0;         // the user's, which its lives ran: their exit statuses are all they say
    std::uint64_t ended_commands = 0;   // so many went on until the run ended them: nothing is known of these
    std::uint64_t failed_commands = 0;  // so many exited with another status than 0, or by a signal
    std::uint64_t oracle_failures = 0;
    std::vector<std::string> first_oracle_failures;
};

// A deliberate fault that was turned on in a server, and what became of it.
struct ArmedFault {
    std::string name;
    std::string server;
    std::vector<std::uint64_t> strikes_ns;  // CLOCK_MONOTONIC of each time that it struck, in order
};

// A fault that the scenario brought about.
struct InjectedFault {
    std::string kind;
    std::vector<std::string> hosts;
    std::vector<std::string> from{};  // of a link's: the others of its packets; empty: all
    std::uint64_t begin_ns = 0;       // CLOCK_MONOTONIC
    std::uint64_t end_ns = 0;         // 0: not over when the run was
    std::uint64_t touched = 0;        // packets, or connections, that it did something to
    std::string text() const;         // "kill of server"
};

// A host, for those who read the events.
struct HostInfo {
    std::string name;
    std::string address;
    std::uint64_t net_ns = 0;
};

struct RunResult {
    std::string scenario;
    std::string description;
    std::uint64_t seed = 0;
    milliseconds asked_duration{0};
    milliseconds workload_duration{0};  // from the clients' start to the last one's end
    milliseconds whole_duration{0};     // with making and clearing away
    std::uint64_t start_ns = 0;         // CLOCK_MONOTONIC at the clients' start
    std::vector<ArmedFault> faults;
    std::vector<InjectedFault> injected_faults;  // in the order in which they began
    std::vector<HostInfo> hosts;
    std::vector<PropertyResult> properties;
    std::vector<ClientResult> clients;
    CallSeries calls;
    Resources resources;
    std::optional<Overhead> overhead;  // where it was measured
    std::vector<Sample> samples;       // some ten a second while the clients worked
    std::vector<std::string>
        problems;  // what makes the whole run inconclusive: a client that failed, an interruption, …
    std::vector<std::string> remarks;  // what the reader should know although it changes no verdict
    std::string kept_in;               // the directory with logs and results; empty when they were thrown away

    // A fault that was turned on and never struck is such a problem: the run did not show what it was made to show.
    // violated if a property or an oracle is; else inconclusive if one of them is or there are problems; else ok.
    Verdict verdict() const;
    std::uint64_t oracle_failures() const;
    std::uint64_t oracle_checks() const;
    // Of the workloads' oracles together; none when no client has one. One that compared nothing is inconclusive.
    std::optional<Verdict> oracle_verdict() const;
    // Of the user's commands; none when there was none. A failure may have many causes: it is inconclusive.
    std::optional<Verdict> commands_verdict() const;
};

// One JSON object, for programs; documented in README.md. Ends with a newline.
std::string to_json(const RunResult& result);

// For people: the table, then each violation with its counterexample. `columns`: the width to fill; `colour`: with ANSI
// colours.
std::string to_report(const RunResult& result, unsigned columns, bool colour);

}  // namespace lockstep::harness
