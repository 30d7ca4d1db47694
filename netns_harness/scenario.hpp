// A scenario: what a run is made of. Read from a TOML file by read_scenario(); every key is documented in README.md.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "netns_harness/fault_plan.hpp"
#include "netns_harness/system.hpp"

namespace lockstep::harness {

// One nfs_server on a host of its own.
struct ServerPlan {
    std::string name;
    std::string disk;
    std::string export_path;
    int port = 0;
    int mount_port = 0;
    int nlm_port = 0;
    std::vector<std::string> arguments;  // further ones, as they are
};

// Lock contention: byte_range_locks by the program lock_client, or dlm_locks by dlm_node, which needs no server.
struct LockWorkloadPlan {
    std::string name;
    std::string kind;
    std::string server;  // a ServerPlan's name; of dlm_locks: empty
    unsigned owners = 0;
    unsigned files = 0;          // of dlm_locks: resources
    unsigned region = 0;         // bytes
    unsigned longest_range = 0;  // bytes
    unsigned wait_ms = 0;        // for a lock that others have
    std::string recording = {};  // of recorded_run: a file of calls
    unsigned leak_check_ms = 0;  // afterwards every file must be lockable whole, after so long of denials; 0: not checked
};

// A `kind` of workload, and what its clients do.
struct WorkloadKind {
    const char* name;
    const char* meaning;
    bool on_files = false;  // the program file_client does it
};
const std::vector<WorkloadKind>& workload_kinds();

// Throws Error when there is no such kind.
const WorkloadKind& workload_kind(const std::string& name);

inline constexpr const char* recorded_run = "recorded_run";  // the one kind that needs a recording
inline constexpr const char* dlm_locks = "dlm_locks";        // the one kind whose clients serve each other

// One client on a host of its own.
struct ClientPlan {
    std::string name;
    std::string workload;            // a LockWorkloadPlan's name; empty: it runs `command`
    std::string command;             // for a shell
    std::string server;              // of a command: the ServerPlan whose address it is told
    std::string kernel = {};         // of a command that runs in a guest: "uml"; empty: on the host
    std::string image = {};          // of a guest: which root file system
    std::string mount_options = {};  // of a guest: how it mounts the server
};

enum class Attach { live, in_process };

// A property to verify, and how.
struct PropertyPlan {
    std::string name;
    Attach attach = Attach::live;
    std::string to;  // in-process: a ServerPlan's name; live: empty, it sees every process of the run
};

struct Scenario {
    std::string name;
    std::string description;
    milliseconds duration{0};
    std::optional<std::uint64_t> seed;
    std::string subnet;
    bool record_calls = false;  // the server's NFS calls and replies are recorded, judged, and kept to be repeated
    std::vector<ServerPlan> servers;
    std::vector<ClientPlan> clients;
    std::vector<LockWorkloadPlan> workloads;
    std::vector<PropertyPlan> properties;
    std::vector<FaultPlan> faults;
    std::string source;  // the file's text

    const ServerPlan& server(const std::string& name_of_server) const;
    const LockWorkloadPlan& workload(const std::string& name_of_workload) const;
};

// A scenario file that says something that can't be meant. what() holds every finding, a line each, "FILE:LINE:COLUMN:
// …".
class ScenarioError : public Error {
    using Error::Error;
};

// Reads and checks a scenario. `file_name` is for messages. Throws ScenarioError.
Scenario parse_scenario(const std::string& text, const std::string& file_name);

// The same from a file. Throws Error when it can't be read.
Scenario read_scenario(const std::filesystem::path& file);

// "3s", "500ms", "2m". Throws Error that says what is allowed.
milliseconds parse_duration(const std::string& text);

// "3 s", "1.5 s", "500 ms".
std::string to_text(milliseconds duration);

}  // namespace lockstep::harness
