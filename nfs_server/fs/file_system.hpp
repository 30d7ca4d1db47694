// The mounted file system: runs operations as transactions, frees in the background what they cut off.
//
//   auto outcome = file_system.run(request_id, [&](Operation& op) -> Outcome<Reply> {
//       LOCKSTEP_TRY(Inode * directory, op.lock_file(identity, LockMode::shared));
//       ...
//   });
//   if (promises_stable) file_system.wait_durable(outcome.sequence, request_id);
//
// Layer: fs, the top of it.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

#include "nfs_server/base/clock.hpp"
#include "nfs_server/fs/error.hpp"
#include "nfs_server/fs/format.hpp"
#include "nfs_server/fs/operation.hpp"
#include "nfs_server/fs/volume.hpp"
#include "nfs_server/txn/transaction.hpp"

namespace lockstep::server::fs {

class Reaper;

/// What became of FileSystem::run.
template <class T>
struct Finished {
    Outcome<T> result;       ///< what the body returned, or why it could not be committed
    Sequence sequence;       ///< what a promise of stable storage has to wait for
    bool committed = false;  ///< false: nothing has changed
};

/// How full the file system is. A moment's view: reservations of operations under way count as used.
struct Usage {
    std::uint64_t total_bytes;
    std::uint64_t free_bytes;
    std::uint64_t total_files;
    std::uint64_t free_files;
};

class FileSystem {
 public:
    /// Reads the superblock and the bitmaps. `transactions` and `clock` outlive the file system.
    /// background_reaper: a thread frees what removals leave; without it, whoever wants that calls reap().
    /// Errors: blank (format() it first), unknown_format, corrupt, io.
    static Result<std::unique_ptr<FileSystem>, StorageFailure> mount(txn::TransactionManager& transactions,
                                                                     const Clock& clock, bool background_reaper = true);

    /// Mounts, after making a file system where the disk is blank. Errors: as of format() and mount().
    static Result<std::unique_ptr<FileSystem>, StorageFailure> mount_or_format(txn::TransactionManager& transactions,
                                                                               const Clock& clock,
                                                                               const FormatOptions& options = {},
                                                                               bool background_reaper = true);
    ~FileSystem();
    FileSystem(const FileSystem&) = delete;
    FileSystem& operator=(const FileSystem&) = delete;

    /// Runs `body(Operation&) -> Outcome<T>` as one transaction, again when locks conflicted, and commits it when it
    /// succeeded. The body may run several times: it must overwrite, not append to, what it fills outside. Any thread.
    template <class Body>
    auto run(std::uint64_t request_id, Body&& body)
        -> Finished<typename std::invoke_result_t<Body&, Operation&>::value_type>;

    /// Returns when everything up to `sequence` is on stable storage. Errors: io.
    Outcome<void> wait_durable(Sequence sequence, std::uint64_t request_id);
    Sequence last_sequence() const { return transactions_.last_sequence(); }

    /// The file of a handle, if it still exists. Errors: bad_handle, stale, io, corrupt. Any thread.
    Outcome<FileIdentity> resolve(std::span<const std::byte> handle, std::uint64_t request_id = 0);
    /// The same, where the handle's claim is enough (the file may be gone). Errors: bad_handle, stale (foreign).
    Outcome<FileIdentity> decode(std::span<const std::byte> handle) const;
    /// The same, with the number of its export.
    Outcome<DecodedHandle> decode_handle(std::span<const std::byte> handle) const {
        return volume_.handles.decode(handle);
    }
    FileHandle handle_of(FileIdentity file, std::uint32_t export_number = 0) const {
        return volume_.handles.encode(file, export_number);
    }

    FileIdentity root() const { return root_; }
    std::uint64_t id() const { return volume_.superblock.file_system_id; }
    Usage usage() const;
    const Clock& clock() const { return clock_; }
    /// The most bytes of one WRITE or symbolic link that a transaction can hold for certain (of a log of 24 blocks
    /// or more), and not above 1 MiB.
    std::uint32_t max_write_bytes() const { return max_write_bytes_; }
    Volume& volume() { return volume_; }
    const Superblock& superblock() const { return volume_.superblock; }
    txn::TransactionManager& transactions() { return transactions_; }

    /// Damage was found since the file system was mounted: it is read-only, and every change is answered read_only.
    bool is_damaged() const { return volume_.is_damaged; }
    /// Calls `tell` when damage is found, once and in the thread that found it; at once where it was found before.
    void when_damaged(std::function<void()> tell);

    /// Frees everything that waits for the reaper, in the calling thread. Errors: io, log_full, corrupt.
    Outcome<void> reap();

 private:
    FileSystem(txn::TransactionManager& transactions, const Clock& clock, const Superblock& superblock);
    Result<void, StorageFailure> load_bitmaps();
    std::uint64_t now_ns() const { return static_cast<std::uint64_t>(clock_.real_time_ns()); }
    void found_damage();
    bool free_space_for_retry(Error error, const Operation& op, bool& has_reaped);

    txn::TransactionManager& transactions_;
    const Clock& clock_;
    Volume volume_;
    FileIdentity root_;
    std::uint32_t max_write_bytes_;
    std::mutex tell_mutex_;  // over the two below
    std::function<void()> tell_damage_;
    bool has_told_damage_ = false;
    std::unique_ptr<Reaper> reaper_;
};

template <class Body>
auto FileSystem::run(std::uint64_t request_id, Body&& body)
    -> Finished<typename std::invoke_result_t<Body&, Operation&>::value_type> {
    using R = std::invoke_result_t<Body&, Operation&>;
    const std::uint64_t now = now_ns();
    bool has_reaped = false;
    for (;;) {
        std::optional<Operation> op;
        auto outcome = transactions_.run(request_id, [&](txn::Transaction& txn) -> R {
            op.emplace(volume_, txn, now);
            R result = body(*op);
            if (!result) return result;
            if (auto sealed = op->seal(); !sealed) return fail(sealed.error());
            return result;
        });
        const bool committed = outcome && outcome->committed;
        if (op && committed) {
            if (const std::uint64_t freed = op->finish(true, outcome->sequence); freed > 0)
                transactions_.note_freed(freed);
        } else if (op) {
            op->finish(false);
        }
        if (!outcome) return {fail(Error(outcome.error())), last_sequence(), false};
        if (!outcome->result && outcome->result.error() == Error::corrupt) found_damage();
        if (!committed && free_space_for_retry(outcome->result.error(), *op, has_reaped)) continue;
        if (!committed && outcome->result.error() == Error::shrinking && is_damaged())
            return {fail(Error(Error::read_only)), outcome->sequence, false};
        return {std::move(outcome->result), outcome->sequence, committed};
    }
}

}  // namespace lockstep::server::fs
