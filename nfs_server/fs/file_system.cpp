#include "nfs_server/fs/file_system.hpp"

#include <fmt/format.h>
#include <sodium.h>

#include <algorithm>
#include <array>

#include "nfs_server/fs/end_record.hpp"
#include "nfs_server/fs/reaper.hpp"

namespace lockstep::server::fs {
namespace {

// The log's room for one WRITE: its data, and what else the transaction logs (inode, bitmap words, map blocks): at most
// a tenth of the data and 64 KiB. Where the log is small that is counted closely: one block more than the data fills,
// and of each level of the map a block on the old way and one on the new.
std::uint32_t write_limit(std::uint64_t max_transaction_bytes) {
    constexpr std::uint64_t ample_overhead = 64 * 1024;
    constexpr std::uint64_t least_overhead = (2 * max_map_height + 2) * block_bytes + 1024;
    constexpr std::uint64_t largest = 1 << 20;
    const std::uint64_t overhead = std::clamp(max_transaction_bytes / 2, least_overhead, ample_overhead);
    const std::uint64_t room = max_transaction_bytes > overhead ? max_transaction_bytes - overhead : 0;
    const std::uint64_t bytes = std::clamp(room - room / 10, block_bytes, largest);
    return static_cast<std::uint32_t>(bytes / block_bytes * block_bytes);
}

}  // namespace

FileSystem::FileSystem(txn::TransactionManager& transactions, const Clock& clock, const Superblock& superblock)
    : transactions_(transactions),
      clock_(clock),
      volume_(superblock),
      max_write_bytes_(write_limit(transactions.max_transaction_bytes())) {
    reaper_ = std::make_unique<Reaper>(
        [this](std::uint64_t inode) { return run(0, [inode](Operation& op) { return reap_some(op, inode); }).result; });
    volume_.orphan_made = [this](std::uint64_t inode) { reaper_->add(inode); };
}

// The reaper's thread uses everything else: it ends first.
FileSystem::~FileSystem() {
    reaper_.reset();
}

Result<std::unique_ptr<FileSystem>, StorageFailure> FileSystem::mount(txn::TransactionManager& transactions,
                                                                      const Clock& clock, bool background_reaper) {
    if (sodium_init() < 0) return fail(StorageFailure{StorageError::io, "the system gives no random numbers"});
    LOCKSTEP_TRY(const Superblock superblock, read_superblock(transactions));
    LOCKSTEP_TRY(check_bitmaps(transactions, superblock));
    std::unique_ptr<FileSystem> fs(new FileSystem(transactions, clock, superblock));
    LOCKSTEP_TRY(fs->load_bitmaps());
    auto root = fs->run(0, [](Operation& op) -> Outcome<FileIdentity> {
        LOCKSTEP_TRY(const Inode* inode, op.lock_inode(root_inode, txn::LockMode::shared));
        return inode->identity();
    });
    if (!root.result) return fail(StorageFailure{StorageError::corrupt, "the root directory can't be read"});
    fs->root_ = *root.result;
    if (background_reaper) fs->reaper_->start_thread();
    return fs;
}

Result<std::unique_ptr<FileSystem>, StorageFailure> FileSystem::mount_or_format(txn::TransactionManager& transactions,
                                                                                const Clock& clock,
                                                                                const FormatOptions& options,
                                                                                bool background_reaper) {
    const auto superblock = read_superblock(transactions);
    if (!superblock) {
        if (superblock.error().code != StorageError::blank) return fail(superblock.error());
        LOCKSTEP_TRY(format(transactions, options, static_cast<std::uint64_t>(clock.real_time_ns())));
    }
    return mount(transactions, clock, background_reaper);
}

Result<void, StorageFailure> FileSystem::load_bitmaps() {
    txn::Transaction txn = transactions_.begin(0);
    const Superblock& sb = volume_.superblock;
    auto for_each_word = [&](std::uint64_t start, std::uint64_t bits, auto visit) -> Result<void, StorageFailure> {
        const std::uint64_t words = (bits + bits_per_word - 1) / bits_per_word;
        std::array<std::uint64_t, words_per_block> values;
        for (std::uint64_t first = 0; first < words; first += words_per_block) {
            auto read = txn.read(start + first / words_per_block, 0, std::as_writable_bytes(std::span(values)));
            if (!read)
                return fail(
                    StorageFailure{read.error(), fmt::format("a bitmap can't be read: {}", to_string(read.error()))});
            for (std::uint64_t at = 0; at < std::min(words_per_block, words - first); ++at)
                if (values[at] != 0) visit(first + at, values[at]);
        }
        return {};
    };
    LOCKSTEP_TRY(for_each_word(sb.block_bitmap_start, sb.total_blocks - sb.data_start,
                               [&](std::uint64_t word, std::uint64_t used) { volume_.free_blocks.load(word, used); }));
    LOCKSTEP_TRY(for_each_word(sb.inode_bitmap_start, sb.inode_count,
                               [&](std::uint64_t word, std::uint64_t used) { volume_.free_inodes.load(word, used); }));
    return for_each_word(sb.orphan_bitmap_start, sb.inode_count, [&](std::uint64_t word, std::uint64_t orphans) {
        for (unsigned bit = 0; bit < bits_per_word; ++bit)
            if ((orphans >> bit & 1) != 0) reaper_->add(word * bits_per_word + bit);
    });
}

Outcome<void> FileSystem::wait_durable(Sequence sequence, std::uint64_t request_id) {
    LOCKSTEP_TRY(transactions_.wait_durable(sequence, request_id));
    return {};
}

Outcome<FileIdentity> FileSystem::decode(std::span<const std::byte> handle) const {
    LOCKSTEP_TRY(const DecodedHandle decoded, volume_.handles.decode(handle));
    return decoded.file;
}

Outcome<FileIdentity> FileSystem::resolve(std::span<const std::byte> handle, std::uint64_t request_id) {
    LOCKSTEP_TRY(const FileIdentity file, decode(handle));
    return run(request_id,
               [&](Operation& op) -> Outcome<FileIdentity> {
                   LOCKSTEP_TRY(const Inode* inode, op.lock_file(file, txn::LockMode::shared));
                   return inode->identity();
               })
        .result;
}

Usage FileSystem::usage() const {
    return {volume_.free_blocks.size() * block_bytes, volume_.free_blocks.free_count() * block_bytes,
            volume_.free_inodes.size(), volume_.free_inodes.free_count()};
}

Outcome<void> FileSystem::reap() {
    LOCKSTEP_TRY(reaper_->drain());
    return {};
}

void FileSystem::found_damage() {
    if (volume_.is_damaged.exchange(true)) return;
    std::lock_guard hold(tell_mutex_);
    if (!tell_damage_ || std::exchange(has_told_damage_, true)) return;
    tell_damage_();
}

void FileSystem::when_damaged(std::function<void()> tell) {
    std::lock_guard hold(tell_mutex_);
    tell_damage_ = std::move(tell);
    if (!volume_.is_damaged || std::exchange(has_told_damage_, true)) return;
    tell_damage_();
}

// True when the operation should be tried again: a cut-off tail was in its way, or space that waited for the reaper is
// free now.
bool FileSystem::free_space_for_retry(Error error, const Operation& op, bool& has_reaped) {
    if (is_damaged()) return false;
    if (error == Error::shrinking) return reaper_->finish(op.shrinking_inode()).has_value();
    if (error != Error::no_space || has_reaped) return false;
    has_reaped = true;
    const Outcome<bool> worked = reaper_->drain();
    return worked && *worked;
}

}  // namespace lockstep::server::fs
