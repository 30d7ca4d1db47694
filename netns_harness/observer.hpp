// Who watches a run. The harness knows no monitor: it tells an observer what happens, in this order, from one thread,
// and asks for the results at the end. cli/ implements it with monitors; tests with a double.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "netns_harness/process.hpp"
#include "netns_harness/result.hpp"
#include "netns_harness/scenario.hpp"

namespace lockstep::harness {

// What is known of how many events the clients fired.
enum class Counting {
    exact,     // each client told its counts
    at_least,  // so did some; commands of the user's may have fired more
    unknown    // a client that should have told did not
};

// A tracepoint's name, "provider:name", and how often the clients say that they fired it.
using FiredCounts = std::map<std::string, std::uint64_t>;

// Sums over all properties, for the progress line.
struct ObservedProgress {
    std::uint64_t events = 0;
    std::uint64_t contexts = 0;
    std::uint64_t violations = 0;
};

// Exceptions end the run as "could not run".
class Observer {
 public:
    virtual ~Observer() = default;

    // In the sandbox, its network made, before any program starts. Returns remarks: what the reader of the result
    // should know although it changes no verdict.
    virtual std::vector<std::string> begin() = 0;
    // What the server's, or a client's, environment needs.
    virtual Environment server_environment(const ServerPlan& server) = 0;
    virtual Environment client_environment() = 0;
    // The name of a variable in the server's environment that shall hold the number of a descriptor, which becomes
    // readable when the server may begin; empty: it begins at once.
    virtual std::string server_gate(const ServerPlan& server) = 0;
    // The server's process exists, at its gate if it has one. Called again when it was ended and started again, with a
    // new server_environment() before.
    virtual void server_started(const ServerPlan& server) = 0;
    // It is killed after this call returns: what was seen of it has to be asked for now.
    virtual void server_will_be_killed(const ServerPlan& server) = 0;
    // It was told to end, and has.
    virtual void server_has_ended(const ServerPlan& server) = 0;
    // It answers nothing from now on; it does again.
    virtual void server_is_suspended(const ServerPlan& server, bool suspended) = 0;
    // How often the tracepoint "provider:name", one of the scenario's FaultPlan::after, was seen so far.
    virtual std::uint64_t occurrences(const std::string& tracepoint) = 0;
    // Whether clients should begin only when somebody records their tracepoints.
    virtual bool listens_to_clients() const = 0;
    // At any time between begin() and end().
    virtual ObservedProgress progress() = 0;
    // After end(): whether what the live properties listen to is traced and read again, as before, but not judged.
    virtual void trace_unjudged(bool on) = 0;
    // The clients have ended, the servers still run. `remarks`: as begin() returns; more may be added.
    virtual std::vector<PropertyResult> end(const FiredCounts& fired, Counting counting,
                                            std::vector<std::string>& remarks) = 0;
};

}  // namespace lockstep::harness
