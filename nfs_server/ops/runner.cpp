#include "nfs_server/ops/runner.hpp"

#include <cstring>
#include <string>

#include "nfs_server/base/faults.hpp"
#include "nfs_server/ops/operation_counts.hpp"
#include "tracepoints/nfs3.tp"

namespace lockstep::server::ops {
namespace {

Fault reply_before_commit{"reply_before_commit",
                          "NFS replies that promise stable storage leave before the commit record is durable"};

}  // namespace

void operation_began(const CallContext& call) {
    lttng_ust_tracepoint(nfs3, operation_began, call.request_id, call.procedure);
}

void operation_done(const CallContext& call, wire::nfsstat3 status, bool promises_stable) {
    count_operation(call.procedure, status == wire::NFS3_OK);
    lttng_ust_tracepoint(nfs3, operation_done, call.request_id, call.procedure, static_cast<std::uint32_t>(status),
                         static_cast<std::uint8_t>(promises_stable));
}

bool is_recording() {
    return lttng_ust_tracepoint_enabled(nfs3, operation_recorded);
}

void record(const CallContext& call, std::uint32_t uid, const std::string& call_text, const std::string& reply_text) {
    lttng_ust_do_tracepoint(nfs3, operation_recorded, call.request_id, uid, call_text.c_str(), reply_text.c_str());
}

void record_start(const fs::FileSystem& file_system) {
    const fs::Usage usage = file_system.usage();
    const std::string files = std::to_string(usage.total_files - usage.free_files + 1);
    if (is_recording()) lttng_ust_do_tracepoint(nfs3, operation_recorded, 0, 0, "start", files.c_str());
}

std::span<const std::byte> gather(Arena& arena, const std::vector<iovec>& pieces, std::size_t size_bytes) {
    if (pieces.size() == 1) return {static_cast<const std::byte*>(pieces.front().iov_base), pieces.front().iov_len};
    const auto all = arena.bytes(size_bytes);
    std::size_t at = 0;
    for (const iovec& piece : pieces) {
        std::memcpy(all.data() + at, piece.iov_base, piece.iov_len);
        at += piece.iov_len;
    }
    return all;
}

Outcome<void> keep_promise(const Service& service, const CallContext& call, Sequence sequence) {
    if (reply_before_commit.strikes()) return {};
    return service.file_system.wait_durable(sequence, call.request_id);
}

}  // namespace lockstep::server::ops
