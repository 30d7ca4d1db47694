// What a scenario's [[fault]] says: what is done to whom, when, and for how long. README.md documents every key.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "netns_harness/link_rules.hpp"
#include "netns_harness/system.hpp"
#include "netns_harness/toml_reader.hpp"

namespace lockstep::harness {

// A `kind` of fault of a scenario (not one of the server's own, which --fault turns on).
struct FaultKind {
    const char* name;
    const char* meaning;
    enum class Part : std::uint8_t { process, link, connections, shim } part = Part::process;
    bool befalls_servers = true;
    bool befalls_clients = true;
    bool needs_disk = false;                    // a disk that is a file
    bool has_end = true;                        // may have a `for`: it is over by itself after that time
    LinkRule::Kind rule = LinkRule::Kind::cut;  // of links
};
const std::vector<FaultKind>& fault_kinds();

// Whether a fault of this kind needs a relay in the link of the host that it befalls.
bool needs_relay(const std::string& kind);

// Who can be hit: the hosts in the order of the file, and what a scenario may call several of them.
struct FaultTargets {
    std::vector<std::string> servers;
    std::vector<std::string> clients;
    struct Group {
        std::string name;
        std::vector<std::string> hosts;
    };
    std::vector<Group> groups;  // "client" with count = 3: client1, client2, client3
};

// What a shim in a program is told (shim/control.hpp).
struct ShimFault {
    unsigned failing_percent = 0;
    bool full = false;
    nanoseconds delay{0};
    bool only_barriers = false;  // the delay is theirs alone
    nanoseconds clock_offset{0};
};

struct FaultPlan {
    std::string kind;
    std::vector<std::string> on;  // hosts
    bool pick_one = false;        // one of them, at random each time; else all
    // Exactly one of these three says when. Times count from the clients' start.
    std::optional<milliseconds> at;
    std::optional<milliseconds> every;  // on average: gaps of half to one and a half times as much, from the seed
    std::string after;                  // a tracepoint "provider:name"; with `occurrences`, every so many of them
    std::uint64_t occurrences = 1;
    std::uint64_t times = 1;            // at most; 0: no limit
    std::optional<milliseconds> lasts;  // `for`; without it until the end of the work
    std::vector<std::string> from;      // of a link, or connections: with these hosts alone; empty: with all
    LinkRule link{};                    // of a link, or "vanish": without its peers
    ShimFault shim{};                   // of a disk, or a clock
    const FaultKind& what() const;
    std::string text() const;  // "kill of server", for people
};

// Reads one [[fault]]; what is wrong goes to the table's findings.
FaultPlan read_fault(TableReader& table, const FaultTargets& targets);

}  // namespace lockstep::harness
