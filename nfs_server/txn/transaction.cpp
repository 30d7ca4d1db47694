#include "nfs_server/txn/transaction.hpp"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <thread>

#include "nfs_server/base/check.hpp"
#include "nfs_server/base/faults.hpp"
#include "nfs_server/base/unique_ids.hpp"
#include "nfs_server/journal/journal.hpp"
#include "nfs_server/txn/lock_table.hpp"
#include "tracepoints/txn.tp"

namespace lockstep::server::txn {
namespace {

Fault release_lock_early{"release_lock_early", "a transaction gives a lock up for a moment before it takes another"};
Fault write_without_lock{"write_without_lock", "a transaction believes that it took a lock, and writes without it"};
Fault wait_out_of_order{"wait_out_of_order", "a transaction waits a while for a lock below one that it holds", 2};
Fault dawdle{"dawdle", "a transaction is left open for six seconds before it commits", 4096};

constexpr auto longest_wait_out_of_order = std::chrono::milliseconds(20);
constexpr auto dawdling_time = std::chrono::seconds(6);

constexpr uint32_t bits_per_byte = 8;

bool within_block(uint32_t offset, size_t size) {
    return offset <= block_size_bytes && size <= block_size_bytes - offset;
}

struct HeldLock {
    LockAddress address;
    LockMode mode = LockMode::shared;
    bool tried = false;      // by try_lock: a restart does not ask for it again
    bool pretended = false;  // by the fault write_without_lock: not in the table
};

}  // namespace

struct TransactionManager::Impl {
    explicit Impl(journal::Journal& journal_of_all) : journal(journal_of_all) {}
    journal::Journal& journal;
    LockTable locks;
};

// What a transaction knows. Reused from transaction to transaction, so that its lists keep their memory.
class TransactionState {
 public:
    void start(TransactionManager::Impl& manager, uint64_t txn_id, uint64_t request_id) {
        manager_ = &manager;
        txn_id_ = txn_id;
        request_id_ = request_id;
        conflicted_ = false;
        tell_ = nullptr;
    }

    uint64_t txn_id() const { return txn_id_; }
    uint64_t request_id() const { return request_id_; }
    bool conflicted() const { return conflicted_; }
    bool ended() const { return manager_ == nullptr; }
    journal::ChangeSet& changes() { return changes_; }
    journal::BlockCache& cache() { return manager_->journal.cache(); }
    journal::Journal& journal() { return manager_->journal; }

    Result<void, StorageError> lock(LockAddress address, LockMode mode);
    bool try_lock(LockAddress address, LockMode mode);
    bool holds(LockAddress address, LockMode mode) const {
        const auto place = find(address);
        return is_at(place, address) && place->mode >= mode;
    }

    // Adds all locks that were asked for, the one that conflicted included, to `wishes`.
    void add_wishes(LockWishes& wishes) const;

    // The place of a block's changes, the block read in if `needs_content`.
    Result<size_t, StorageError> change_of(uint64_t block, bool needs_content);
    void at_commit(void (*tell)(void*), void* context) {
        tell_ = tell;
        tell_context_ = context;
    }
    void tell_committed() const {
        if (tell_ != nullptr) tell_(tell_context_);
    }
    void check_guard(LockAddress guard) const {
        check(holds(guard, LockMode::exclusive), "a change is made under a lock that is held exclusively");
    }

    // Forgets the changes, then releases the locks: strict two-phase locking's one moment.
    void end();

 private:
    using Place = std::vector<HeldLock>::const_iterator;
    Place find(LockAddress address) const { return std::ranges::lower_bound(held_, address, {}, &HeldLock::address); }
    bool is_at(Place place, LockAddress address) const { return place != held_.end() && place->address == address; }

    Result<void, StorageError> upgrade(HeldLock& held);
    bool acquire(LockAddress address, LockMode mode);
    void release_for_a_moment();
    Result<void, StorageError> conflict(LockAddress address, LockMode mode);

    TransactionManager::Impl* manager_ = nullptr;
    uint64_t txn_id_ = 0;
    uint64_t request_id_ = 0;
    std::vector<HeldLock> held_;  // by address
    bool conflicted_ = false;
    LockWish failed_wish_{};  // when conflicted
    void (*tell_)(void*) = nullptr;
    void* tell_context_ = nullptr;
    journal::ChangeSet changes_;
};

Result<void, StorageError> TransactionState::conflict(LockAddress address, LockMode mode) {
    conflicted_ = true;
    failed_wish_ = {address, mode};
    return fail(StorageError::conflict);
}

Result<void, StorageError> TransactionState::upgrade(HeldLock& held) {
    // Two holders that both wait to become exclusive would wait for each other: an upgrade is only tried.
    if (!manager_->locks.try_upgrade(txn_id_, held.address)) return conflict(held.address, LockMode::exclusive);
    held.mode = LockMode::exclusive;
    return {};
}

// In ascending order it waits: whoever it waits for waits, if at all, for something higher still. Out of order it
// tries.
bool TransactionState::acquire(LockAddress address, LockMode mode) {
    if (held_.empty() || held_.back().address < address) {
        manager_->locks.acquire(txn_id_, address, mode);
        return true;
    }
    if (manager_->locks.try_acquire(txn_id_, address, mode)) return true;
    // The fault gives up in the end, as a server that finds deadlocks by a time limit would.
    return wait_out_of_order.strikes() &&
           manager_->locks.acquire_within(txn_id_, address, mode, longest_wait_out_of_order);
}

// The fault: the highest lock is free for a moment. Taking it back is in order, so that nothing deadlocks.
void TransactionState::release_for_a_moment() {
    const HeldLock& highest = held_.back();
    if (highest.pretended) return;
    manager_->locks.release(txn_id_, highest.address);
    manager_->locks.acquire(txn_id_, highest.address, highest.mode);
}

Result<void, StorageError> TransactionState::lock(LockAddress address, LockMode mode) {
    if (conflicted_) return fail(StorageError::conflict);
    const auto place = find(address);
    if (is_at(place, address)) {
        HeldLock& held = held_[static_cast<size_t>(place - held_.begin())];
        if (held.mode < mode) return upgrade(held);
        return {};
    }
    if (!held_.empty() && release_lock_early.strikes()) release_for_a_moment();
    const bool pretended = mode == LockMode::exclusive && write_without_lock.strikes();
    if (!pretended && !acquire(address, mode)) return conflict(address, mode);
    held_.insert(place, {.address = address, .mode = mode, .pretended = pretended});
    return {};
}

bool TransactionState::try_lock(LockAddress address, LockMode mode) {
    const auto place = find(address);
    if (is_at(place, address)) {
        HeldLock& held = held_[static_cast<size_t>(place - held_.begin())];
        if (held.mode >= mode) return true;
        if (held.pretended || !manager_->locks.try_upgrade(txn_id_, address)) return false;
        held.mode = mode;
        return true;
    }
    if (!manager_->locks.try_acquire(txn_id_, address, mode)) return false;
    held_.insert(place, {.address = address, .mode = mode, .tried = true});
    return true;
}

void TransactionState::add_wishes(LockWishes& wishes) const {
    for (const HeldLock& held : held_)
        if (!held.tried) wishes.push_back({held.address, held.mode});
    wishes.push_back(failed_wish_);
    // Each address once, in its stronger mode.
    std::ranges::sort(wishes, [](const LockWish& a, const LockWish& b) {
        return a.address != b.address ? a.address < b.address : a.mode > b.mode;
    });
    const auto rest = std::ranges::unique(wishes, {}, &LockWish::address);
    wishes.erase(rest.begin(), rest.end());
}

Result<size_t, StorageError> TransactionState::change_of(uint64_t block, bool needs_content) {
    if (const size_t index = changes_.find(block); index != journal::ChangeSet::none) return index;
    LOCKSTEP_TRY(journal::PinnedBlock pinned, needs_content ? cache().pin(block) : cache().pin_unread(block));
    return changes_.add(std::move(pinned));
}

void TransactionState::end() {
    changes_.clear();
    for (const HeldLock& held : held_)
        if (!held.pretended) manager_->locks.release(txn_id_, held.address);
    held_.clear();
    manager_ = nullptr;
}

namespace {

// A thread keeps a few states for its next transactions.
class SpareStates {
 public:
    std::unique_ptr<TransactionState> take() {
        if (states_.empty()) return std::make_unique<TransactionState>();
        auto state = std::move(states_.back());
        states_.pop_back();
        return state;
    }
    void give(std::unique_ptr<TransactionState> state) {
        if (states_.size() < limit) states_.push_back(std::move(state));
    }

 private:
    static constexpr size_t limit = 4;
    std::vector<std::unique_ptr<TransactionState>> states_;
};

thread_local SpareStates spare_states;

}  // namespace

Transaction::Transaction(std::unique_ptr<TransactionState> state) : state_(std::move(state)) {}
Transaction::Transaction(Transaction&&) noexcept = default;

Transaction& Transaction::operator=(Transaction&& other) noexcept {
    std::swap(state_, other.state_);  // ours ends with `other`
    return *this;
}

Transaction::~Transaction() {
    if (state_ == nullptr) return;
    abort();
    spare_states.give(std::move(state_));
}

uint64_t Transaction::id() const {
    return state_->txn_id();
}
uint64_t Transaction::request_id() const {
    return state_->request_id();
}
bool Transaction::conflicted() const {
    return state_->conflicted();
}
uint64_t Transaction::size_bytes() const {
    return state_->changes().record_bytes() + state_->changes().replaced_blocks() * block_size_bytes;
}

bool Transaction::has_changes() const {
    return !state_->changes().empty();
}

Result<void, StorageError> Transaction::lock(LockAddress address, LockMode mode) {
    return state_->lock(address, mode);
}
bool Transaction::try_lock(LockAddress address, LockMode mode) {
    return state_->try_lock(address, mode);
}
bool Transaction::holds(LockAddress address, LockMode mode) const {
    return state_->holds(address, mode);
}

Result<void, StorageError> Transaction::read(uint64_t block, uint32_t offset, std::span<std::byte> out) {
    if (!within_block(offset, out.size())) return fail(StorageError::out_of_range);
    const size_t own = state_->changes().find(block);
    const bool has_own = own != journal::ChangeSet::none;
    if (!has_own || !state_->changes().replaces(own)) LOCKSTEP_TRY(state_->cache().read(block, offset, out));
    if (has_own) state_->changes().overlay(own, offset, out);
    lttng_ust_tracepoint(txn, read, id(), block, offset, static_cast<uint32_t>(out.size()));
    return {};
}

Result<BlockBuffer, StorageError> Transaction::read_block(uint64_t block) {
    const size_t own = state_->changes().find(block);
    const bool has_own = own != journal::ChangeSet::none;
    if (has_own && state_->changes().replaces(own)) return BlockBuffer(state_->changes().whole(own));
    LOCKSTEP_TRY(BlockBuffer content, state_->cache().snapshot(block));
    lttng_ust_tracepoint(txn, read, id(), block, 0, block_size_bytes);
    if (!has_own) return content;
    content.make_unique();
    state_->changes().overlay(own, 0, content.mutable_span());
    return content;
}

Result<bool, StorageError> Transaction::read_bit(uint64_t block, uint32_t bit) {
    std::byte byte{};
    LOCKSTEP_TRY(read(block, bit / bits_per_byte, {&byte, 1}));
    return (byte & std::byte{static_cast<uint8_t>(1u << bit % bits_per_byte)}) != std::byte{0};
}

Result<void, StorageError> Transaction::write(LockAddress guard, uint64_t block, uint32_t offset,
                                              std::span<const std::byte> bytes) {
    state_->check_guard(guard);
    if (!within_block(offset, bytes.size())) return fail(StorageError::out_of_range);
    if (bytes.empty()) return {};
    if (bytes.size() == block_size_bytes) return write_block(guard, block, BlockBuffer::copy_of(bytes));
    LOCKSTEP_TRY(const size_t index, state_->change_of(block, true));
    state_->changes().write_bytes(index, offset, bytes);
    lttng_ust_tracepoint(txn, written, id(), guard.value(), block, offset, static_cast<uint32_t>(bytes.size()));
    return {};
}

Result<void, StorageError> Transaction::write_block(LockAddress guard, uint64_t block, BlockBuffer data) {
    state_->check_guard(guard);
    check(static_cast<bool>(data), "a block is replaced by a block");
    LOCKSTEP_TRY(const size_t index, state_->change_of(block, false));
    state_->changes().replace(index, std::move(data));
    lttng_ust_tracepoint(txn, written, id(), guard.value(), block, 0, block_size_bytes);
    return {};
}

Result<void, StorageError> Transaction::write_new_blocks(LockAddress guard, uint64_t first,
                                                         std::span<BlockBuffer> contents, uint64_t freed_sequence) {
    state_->check_guard(guard);
    std::vector<journal::PinnedBlock> pins;
    bool goes_home = state_->journal().may_place(freed_sequence);
    if (goes_home) {
        pins.reserve(contents.size());
        LOCKSTEP_TRY(goes_home, state_->cache().pin_for_home(first, contents.size(), pins));
    }
    if (!goes_home) {
        for (size_t i = 0; i < contents.size(); ++i)
            LOCKSTEP_TRY(write_block(guard, first + i, std::move(contents[i])));
        return {};
    }
    state_->changes().place(std::move(pins), contents, freed_sequence);
    for (size_t i = 0; i < contents.size(); ++i)
        lttng_ust_tracepoint(txn, written, id(), guard.value(), first + i, 0, block_size_bytes);
    return {};
}

Result<void, StorageError> Transaction::write_bit(LockAddress guard, uint64_t block, uint32_t bit, bool value) {
    state_->check_guard(guard);
    if (bit >= block_size_bytes * bits_per_byte) return fail(StorageError::out_of_range);
    LOCKSTEP_TRY(const size_t index, state_->change_of(block, true));
    state_->changes().write_bit(index, bit, value);
    lttng_ust_tracepoint(txn, written, id(), guard.value(), block, bit / bits_per_byte, 1);
    return {};
}

Result<Sequence, StorageError> Transaction::commit() {
    check(!state_->ended() && !state_->conflicted(), "a transaction that conflicted or ended is not committed");
    const bool changed = !state_->changes().empty();
    if (dawdle.strikes()) std::this_thread::sleep_for(dawdling_time);
    auto sequence = state_->journal().commit(state_->changes(), id(), request_id());
    if (!sequence) {
        abort();
        return sequence;
    }
    lttng_ust_tracepoint(txn, committed, id(), request_id(), changed ? sequence->value : 0);
    state_->tell_committed();
    state_->end();
    return sequence;
}

void Transaction::at_commit(void (*tell)(void* context), void* context) {
    state_->at_commit(tell, context);
}

void Transaction::abort() {
    if (state_->ended()) return;
    lttng_ust_tracepoint(txn, aborted, id(), request_id());
    state_->end();
}

TransactionManager::TransactionManager(journal::Journal& journal) : impl_(std::make_unique<Impl>(journal)) {}

TransactionManager::~TransactionManager() {
    check(impl_->locks.size() == 0, "transactions end before their manager does");
}

Transaction TransactionManager::begin(uint64_t request_id) {
    auto state = spare_states.take();
    state->start(*impl_, next_unique_id<Transaction>(), request_id);
    lttng_ust_tracepoint(txn, began, state->txn_id(), request_id);
    return Transaction(std::move(state));
}

Transaction TransactionManager::begin_with(uint64_t request_id, const LockWishes& wishes) {
    Transaction txn = begin(request_id);
    // Ascending: each of them is waited for and none can conflict.
    for (const LockWish& wish : wishes)
        check(txn.lock(wish.address, wish.mode).has_value(), "locks in order don't conflict");
    return txn;
}

void TransactionManager::abort_into(Transaction& txn, LockWishes& wishes) {
    txn.state_->add_wishes(wishes);
    txn.abort();
}

Result<void, StorageError> TransactionManager::wait_durable(Sequence sequence, uint64_t request_id) {
    return impl_->journal.wait_durable(sequence, request_id);
}

Sequence TransactionManager::last_sequence() const {
    return impl_->journal.last_sequence();
}
void TransactionManager::note_freed(uint64_t blocks) {
    impl_->journal.note_freed(blocks);
}
Result<bool, StorageError> TransactionManager::is_zero(uint64_t first, uint64_t end) {
    return impl_->journal.cache().is_zero(first, end);
}
uint64_t TransactionManager::size_blocks() const {
    return impl_->journal.size_blocks();
}
uint64_t TransactionManager::max_transaction_bytes() const {
    return impl_->journal.max_record_bytes();
}

}  // namespace lockstep::server::txn
