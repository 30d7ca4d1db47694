// How many operations of each procedure were answered, and how, for metrics. Layer: ops.
#pragma once

#include <array>
#include <cstdint>

namespace lockstep::server::ops {

constexpr std::uint32_t nfs3_procedures = 22;

struct ProcedureCount {
    std::uint64_t succeeded = 0;
    std::uint64_t failed = 0;  ///< with any status but OK
};
using OperationCounts = std::array<ProcedureCount, nfs3_procedures>;

/// Counts one. Threads rarely share the memory that they count in. Any thread.
void count_operation(std::uint32_t procedure, bool has_succeeded);
/// Since the process started. Any thread.
OperationCounts operation_counts();

}  // namespace lockstep::server::ops
