// Transactions: atomic, isolated, and, once waited for, durable. The layer that the file system is written on.
//
//   manager.run(request_id, [&](Transaction& txn) -> Result<Reply, nfsstat3> {
//       LOCKSTEP_TRY(txn.lock(LockAddress::inode(7), LockMode::exclusive));   // growing phase
//       LOCKSTEP_TRY(txn.read(block, offset, bytes));                         // sees its own writes
//       LOCKSTEP_TRY(txn.write(LockAddress::inode(7), block, offset, bytes)); // kept in the transaction's buffer
//       return reply;
//   });                                     // commits: all changes become visible at once, then all locks are released
//   manager.wait_durable(sequence, request_id);
//
// Strict two-phase locking on logical addresses. A lock above all that the transaction holds is waited for; any other
// is only tried, and when it is busy the answer is `conflict`: the attempt must end, and `run` starts the body again
// after taking every lock that the failed attempt asked for, in ascending order. Nobody ever waits while holding
// something that the holder could be waiting for, so there is no deadlock, by construction.
//
// What a crash leaves: every transaction whose wait_durable returned success, whole; of the others a prefix of the
// commit order, each whole; of a transaction that did not commit, nothing.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include "nfs_server/base/result.hpp"
#include "nfs_server/disk/block_buffer.hpp"
#include "nfs_server/disk/storage_error.hpp"
#include "nfs_server/journal/sequence.hpp"
#include "nfs_server/txn/lock_address.hpp"

namespace lockstep::server::journal {
class Journal;
}

namespace lockstep::server::txn {

/// Any number of transactions hold a lock shared, or one holds it exclusively.
enum class LockMode : uint8_t { shared = 0, exclusive = 1 };

/// A lock that an attempt asked for. A list of them is sorted by address, each address once.
struct LockWish {
    LockAddress address;
    LockMode mode;
};
using LockWishes = std::vector<LockWish>;

class TransactionManager;
class TransactionState;

/// One transaction. Movable, not copyable; used by one thread at a time. Destroying it without commit() aborts it.
/// After commit() or abort() only id(), request_id() and destruction are allowed.
class Transaction {
 public:
    Transaction(Transaction&&) noexcept;
    Transaction& operator=(Transaction&&) noexcept;
    ~Transaction();

    /// Unique in the life of the process, never 0.
    uint64_t id() const;
    uint64_t request_id() const;

    /// Takes the lock, or strengthens shared to exclusive. Asking again for what is held costs little and does nothing.
    /// Waits, first come first served, when `address` is above everything held; else only tries.
    /// Errors: conflict (busy; the caller returns any error, the attempt is over).
    [[nodiscard]] Result<void, StorageError> lock(LockAddress address, LockMode mode);

    /// Takes the lock if nobody is in the way, never waits. False when busy; the transaction goes on.
    [[nodiscard]] bool try_lock(LockAddress address, LockMode mode);

    /// True when the transaction holds the lock at least in this mode.
    bool holds(LockAddress address, LockMode mode) const;

    /// Copies bytes [offset, offset + out.size()) of a block, with this transaction's own writes over them. Consistent
    /// with other transactions only under the lock that covers the bytes; without it a hint (a scan for a free bit).
    /// Errors: io, out_of_range.
    [[nodiscard]] Result<void, StorageError> read(uint64_t block, uint32_t offset, std::span<std::byte> out);

    /// A whole block, with own writes, as a snapshot that never changes; without copying where there are none.
    /// Errors: io, out_of_range.
    [[nodiscard]] Result<BlockBuffer, StorageError> read_block(uint64_t block);

    /// One bit of a block: bit n is bit n%8 (least significant first) of byte n/8. Errors: io, out_of_range.
    [[nodiscard]] Result<bool, StorageError> read_bit(uint64_t block, uint32_t bit);

    /// Changes bytes. `guard` is the lock that covers them: it must be held exclusively (else the process stops).
    /// Only these bytes are logged, so that others may change their part of the same block at the same time.
    /// Errors: io (the block could not be read in), out_of_range.
    [[nodiscard]] Result<void, StorageError> write(LockAddress guard, uint64_t block, uint32_t offset,
                                                   std::span<const std::byte> bytes);

    /// Replaces a whole block by `data`, which is kept, not copied; keep no other reference that could write to it.
    /// The block's old content is not read. Errors: out_of_range.
    [[nodiscard]] Result<void, StorageError> write_block(LockAddress guard, uint64_t block, BlockBuffer data);

    /// Gives contents to neighbouring blocks, from `first` on, that nothing refers to but this transaction, and that it
    /// has not written before. They go straight home, past the log, where that is safe, else through the log. Keeps the
    /// contents as write_block does. freed_sequence: of the newest commit that made one of them free; 0 when none did
    /// since the start. Errors: out_of_range.
    [[nodiscard]] Result<void, StorageError> write_new_blocks(LockAddress guard, uint64_t first,
                                                              std::span<BlockBuffer> contents, uint64_t freed_sequence);

    /// Changes one bit; numbered as in read_bit. Other bits of its byte may belong to other transactions.
    /// Errors: io, out_of_range.
    [[nodiscard]] Result<void, StorageError> write_bit(LockAddress guard, uint64_t block, uint32_t bit, bool value);

    /// The room in the log that the changes made so far will take. Keep it below
    /// TransactionManager::max_transaction_bytes(): large work is done in several transactions.
    uint64_t size_bytes() const;

    /// False: its commit will leave the disk as it is.
    bool has_changes() const;

    /// Makes all changes visible at once, gives them their place in the log, then releases all locks.
    /// Returns the sequence to wait for; of a transaction without changes, that of the last record so far.
    /// May wait for room in the log. Errors (the transaction is aborted): too_large, log_full, io (the disk has
    /// failed).
    [[nodiscard]] Result<Sequence, StorageError> commit();

    /// Calls `tell(context)` in commit(), after the changes are visible and have their place in the log, before the
    /// first lock is released: for tracepoints that state what has become true. It may not use the transaction.
    /// Replaces an earlier one.
    void at_commit(void (*tell)(void* context), void* context);

    /// Forgets all changes and releases all locks. Does nothing after the end of the transaction.
    void abort();

    /// True when lock() has answered `conflict`: the transaction can only be aborted.
    bool conflicted() const;

 private:
    friend class TransactionManager;
    explicit Transaction(std::unique_ptr<TransactionState> state);
    std::unique_ptr<TransactionState> state_;
};

/// What became of TransactionManager::run.
template <class R>
struct Outcome {
    R result;                ///< what the body returned
    Sequence sequence;       ///< to wait for before a promise of stable storage
    bool committed = false;  ///< false: the body returned an error, and the transaction was aborted
};

/// Begins, runs and waits for transactions. All members may be called by any thread.
class TransactionManager {
 public:
    /// The journal must outlive the manager.
    explicit TransactionManager(journal::Journal& journal);
    ~TransactionManager();
    TransactionManager(const TransactionManager&) = delete;
    TransactionManager& operator=(const TransactionManager&) = delete;

    /// A transaction that holds no lock. request_id (0: none) is only carried into tracepoints.
    [[nodiscard]] Transaction begin(uint64_t request_id);

    /// Runs `body(Transaction&)`, then commits; runs it again when a lock conflicted. The body may run several times,
    /// so its only effects are on the transaction and on what it returns. When it returns an expected that holds an
    /// error, the transaction is aborted and the outcome says so. Errors: those of commit().
    template <class Body>
    [[nodiscard]] auto run(uint64_t request_id, Body&& body)
        -> Result<Outcome<std::invoke_result_t<Body&, Transaction&>>, StorageError>;

    /// Returns when everything up to `sequence` is on stable storage, and fires journal:commit_durable for
    /// `request_id`. One barrier serves all that wait. Errors: io (nothing may be promised, now or later).
    [[nodiscard]] Result<void, StorageError> wait_durable(Sequence sequence, uint64_t request_id);

    /// The sequence of the last committed transaction: what a COMMIT, or an empty transaction, has to wait for.
    Sequence last_sequence() const;

    /// Tells that a committed transaction freed so many blocks: when there are many, the journal is made ready to take
    /// new content for them straight home.
    void note_freed(uint64_t blocks);

    /// True when the blocks from first up to end hold nothing but zeros, as committed; holes of a sparse disk cost
    /// nothing. For a disk that nobody changes meanwhile: it takes no lock. Errors: io, out_of_range.
    [[nodiscard]] Result<bool, StorageError> is_zero(uint64_t first, uint64_t end);

    /// Blocks that transactions can address: 0 to size_blocks() - 1.
    uint64_t size_blocks() const;

    /// The most that Transaction::size_bytes() may reach.
    uint64_t max_transaction_bytes() const;

 private:
    friend class Transaction;
    friend class TransactionState;

    // Begins with `wishes` held, taken in ascending order.
    [[nodiscard]] Transaction begin_with(uint64_t request_id, const LockWishes& wishes);
    // Aborts `txn`, whose lock() conflicted, and adds all that it had asked for to `wishes`.
    static void abort_into(Transaction& txn, LockWishes& wishes);

    struct Impl;
    std::unique_ptr<Impl> impl_;
};

namespace detail {
template <class R>
concept HoldsError = requires(const R& result) {
    { result.has_value() } -> std::convertible_to<bool>;
    result.error();
};
template <class R>
bool succeeded(const R& result) {
    if constexpr (HoldsError<R>) return result.has_value();
    return true;
}
}  // namespace detail

template <class Body>
auto TransactionManager::run(uint64_t request_id, Body&& body)
    -> Result<Outcome<std::invoke_result_t<Body&, Transaction&>>, StorageError> {
    using R = std::invoke_result_t<Body&, Transaction&>;
    static_assert(!std::is_void_v<R>, "the body returns its result, for example Result<void, StorageError>");
    LockWishes wishes;
    for (;;) {
        Transaction txn = begin_with(request_id, wishes);
        R result = body(txn);
        if (txn.conflicted()) {
            abort_into(txn, wishes);
            continue;
        }
        if (!detail::succeeded(result)) {
            txn.abort();
            return Outcome<R>{std::move(result), last_sequence(), false};
        }
        Result<Sequence, StorageError> sequence = txn.commit();
        if (!sequence) return fail(sequence.error());
        return Outcome<R>{std::move(result), *sequence, true};
    }
}

}  // namespace lockstep::server::txn
