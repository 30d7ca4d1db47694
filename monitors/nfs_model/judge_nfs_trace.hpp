// The answers of an NFS server in a recorded trace, judged by the reference model of NFS version 3: operations are
// atomic, so in the order in which their transactions ended each must have had the reply of a sequential program.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "monitors/offline/offline_verifier.hpp"
#include "monitors/runtime/monitor.hpp"

namespace lockstep::monitors {

// As nfs_server/model/README.md writes them.
struct RecordedNfsCall {
    std::uint32_t uid = 0;
    std::string call;
    std::string reply;
};

struct NfsModelResult {
    OfflineResult reading;
    Verdict verdict = Verdict::inconclusive;
    std::vector<std::string> reasons;                        // why it is inconclusive
    std::uint64_t judged = 0;                                // calls that were compared with the model
    std::map<std::string, std::uint64_t> judged_procedures;  // the same by procedure, named as in the recorded text
    std::uint64_t skipped = 0;                               // calls that the model says nothing of
    std::string difference;              // the first reply that is not the model's; empty when there is none
    std::vector<RecordedNfsCall> calls;  // all of them, in the order that was judged
};

// Needs nfs3:operation_recorded, txn:committed and txn:aborted of one server process from its start on an empty file
// system. Violated when a reply differs from the model's. Else inconclusive when events were lost or could not be
// decoded, the trace is damaged, lacks one of the tracepoints or its beginning, has several servers, or data too large
// to be recorded. Throws TraceError when there is no trace that can be opened. Memory: all calls of the trace are kept
// until they are judged.
NfsModelResult judge_nfs_replies(const std::filesystem::path& directory);

}  // namespace lockstep::monitors
