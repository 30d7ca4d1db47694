// Workloads on files and directories, each with an oracle of its own: what a server promises whatever other clients do
// at the same time, and whatever happens to the network, to the clients or to the server in between. They need no
// monitor to notice a promise that is broken.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "netns_harness/workloads/random.hpp"
#include "netns_harness/workloads/remote_tree.hpp"

namespace lockstep::workloads {

// One worker of one client. All workers of a workload share its directory.
struct Worker {
    std::string name;  // unique in the run: "client1-2"
    Random random;
    std::function<void(const std::string&)> failed;  // the oracle's finding, a sentence
    std::string recording = {};                      // of recorded_run: the file of calls
    std::uint64_t reads = 0;
    std::uint64_t writes = 0;
};

// A worker's part of a workload.
class FileWorkload {
 public:
    virtual ~FileWorkload() = default;
    // Throws NoAnswer and Refused; what the call that failed did is unknown then, and the next turn takes that into
    // account.
    virtual void take_turn(RemoteTree& tree) = 0;
};

struct FileWorkloadKind {
    const char* name;
    const char* promise;  // that the oracle checks
    std::unique_ptr<FileWorkload> (*make)(Worker&);
};
const std::vector<FileWorkloadKind>& file_workload_kinds();

}  // namespace lockstep::workloads
