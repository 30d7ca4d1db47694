// The procedures of NLM version 4. Nlm layer.
#pragma once

#include <cstddef>
#include <span>

#include "nfs_server/fs/error.hpp"
#include "nfs_server/fs/file_handle.hpp"
#include "nfs_server/nlm/lock_owner.hpp"
#include "nfs_server/nlm/lock_table.hpp"
#include "nfs_server/rpc/program.hpp"

namespace lockstep::server::nlm {

// From a client's file handle to the file. The file system behind it, or a test's. Any thread.
class FileResolver {
 public:
    virtual ~FileResolver() = default;

    // The file, if it still exists. Errors: bad_handle, stale, io, corrupt.
    virtual fs::Outcome<fs::FileIdentity> resolve(std::span<const std::byte> handle, uint64_t request_id) = 0;
    // The file that the handle was made for, whether or not it still exists. Errors: bad_handle, stale (foreign).
    virtual fs::Outcome<fs::FileIdentity> decode(std::span<const std::byte> handle) = 0;
};

// The lock manager's state.
struct LockManager {
    LockTable table;
    LockOwners owners;
    FileResolver& files;

    explicit LockManager(FileResolver& resolver, const LockLimits& limits = {}) : table(limits), files(resolver) {}
};

// NULL, TEST, LOCK, CANCEL, UNLOCK, NM_LOCK, GRANTED and FREE_ALL; README.md says what becomes of the others.
// The manager must outlive the program.
rpc::Program nlm_program(LockManager& manager);

}  // namespace lockstep::server::nlm
