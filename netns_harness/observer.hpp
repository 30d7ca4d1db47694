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
    // The server is ready to serve and has no clients yet.
    virtual void server_ready(const ServerPlan& server) = 0;
    // Whether clients should begin only when somebody records their tracepoints.
    virtual bool listens_to_clients() const = 0;
    // At any time between begin() and end().
    virtual ObservedProgress progress() = 0;
    // The clients have ended, the servers still run.
    virtual std::vector<PropertyResult> end(const FiredCounts& fired, Counting counting) = 0;
};

}  // namespace lockstep::harness
