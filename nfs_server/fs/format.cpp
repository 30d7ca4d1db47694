#include "nfs_server/fs/format.hpp"

#include <fmt/format.h>
#include <sodium.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "nfs_server/fs/checksum.hpp"
#include "nfs_server/fs/inode.hpp"
#include "nfs_server/fs/volume.hpp"

namespace lockstep::server::fs {
namespace {

using Failure = StorageFailure;

std::uint64_t divide_up(std::uint64_t value, std::uint64_t by) {
    return (value + by - 1) / by;
}

// Room for what clients may send again: a 256th of the disk, 16 MiB at most.
std::uint32_t usual_reply_blocks(std::uint64_t total_blocks) {
    return static_cast<std::uint32_t>(std::clamp<std::uint64_t>(total_blocks / 256, 4, 4096));
}

// Where everything lies on a disk of this size.
Superblock lay_out(std::uint64_t total_blocks, std::uint64_t inode_count, std::uint32_t reply_blocks) {
    Superblock sb{};
    sb.magic = superblock_magic;
    sb.version = format_version;
    sb.features = feature_map_checksums | (reply_blocks == 0 ? 0 : feature_replies);
    sb.reply_blocks = reply_blocks;
    sb.total_blocks = total_blocks;
    if (inode_count == 0) inode_count = std::max<std::uint64_t>(64, total_blocks / 2);
    sb.inode_count = divide_up(inode_count, bits_per_word) * bits_per_word;
    sb.block_bitmap_start = 1;
    sb.inode_bitmap_start = sb.block_bitmap_start + divide_up(total_blocks, bits_per_block);
    sb.orphan_bitmap_start = sb.inode_bitmap_start + divide_up(sb.inode_count, bits_per_block);
    sb.inode_table_start = sb.orphan_bitmap_start + divide_up(sb.inode_count, bits_per_block);
    sb.data_start = sb.inode_table_start + divide_up(sb.inode_count, inodes_per_block) + reply_blocks;
    return sb;
}

void fill_random(void* out, std::size_t size, const std::optional<std::uint64_t>& seed, unsigned char purpose) {
    if (!seed) return randombytes_buf(out, size);
    unsigned char expanded[randombytes_SEEDBYTES] = {purpose};
    std::memcpy(expanded + 8, &*seed, sizeof *seed);
    randombytes_buf_deterministic(out, size, expanded);
}

InodeRecord make_root(const FormatOptions& options, std::uint64_t now_ns) {
    InodeRecord root{};
    root.type = FileType::directory;
    root.mode = static_cast<std::uint16_t>(options.root_mode & 07777);
    root.nlink = 2;
    root.uid = options.root_uid;
    root.gid = options.root_gid;
    root.generation = 1;
    root.parent = root_inode;
    root.atime_ns = root.mtime_ns = root.ctime_ns = now_ns;
    root.checksum = checksum_of(root);
    return root;
}

Result<void, StorageError> write_format(txn::Transaction& txn, const Superblock& sb, const InodeRecord& root) {
    using txn::LockAddress;
    using txn::LockMode;
    const LockAddress superblock_lock(txn::LockKind::superblock, 0);
    const Volume volume(sb);
    const auto bit_lock = Volume::word_lock(Bitmap::inodes, root_inode);
    const std::uint64_t root_bit = std::uint64_t{1} << root_inode;
    LOCKSTEP_TRY(txn.lock(LockAddress::inode(root_inode), LockMode::exclusive));
    LOCKSTEP_TRY(txn.lock(bit_lock, LockMode::exclusive));
    LOCKSTEP_TRY(txn.lock(superblock_lock, LockMode::exclusive));
    LOCKSTEP_TRY(txn.write(LockAddress::inode(root_inode), volume.inode_block(root_inode),
                           Volume::inode_offset(root_inode), std::as_bytes(std::span(&root, 1))));
    LOCKSTEP_TRY(txn.write(bit_lock, sb.inode_bitmap_start, 0, std::as_bytes(std::span(&root_bit, 1))));
    LOCKSTEP_TRY(txn.write(superblock_lock, 0, 0, std::as_bytes(std::span(&sb, 1))));
    return {};
}

Failure explain_format_error(StorageError error) {
    if (error == StorageError::unknown_format)
        return {error, "the disk is not empty: it holds data where a new file system would lie; left unchanged"};
    return {error, fmt::format("making the file system failed: {}", to_string(error))};
}

}  // namespace

std::uint32_t checksum_of(const Superblock& superblock) {
    return crc32c(std::as_bytes(std::span(&superblock, 1)).first(offsetof(Superblock, checksum)));
}

Result<void, Failure> format(txn::TransactionManager& transactions, const FormatOptions& options,
                             std::uint64_t now_ns) {
    if (sodium_init() < 0) return fail(Failure{StorageError::io, "the system gives no random numbers"});
    const std::uint64_t size_blocks = transactions.size_blocks();
    Superblock sb =
        lay_out(size_blocks, options.inode_count, options.reply_blocks.value_or(usual_reply_blocks(size_blocks)));
    if (sb.data_start + 16 > sb.total_blocks)
        return fail(Failure{StorageError::no_space, "the disk is too small for a file system"});
    sb.name_hash_bits = options.name_hash_bits;
    sb.created_ns = now_ns;
    fill_random(&sb.file_system_id, sizeof sb.file_system_id, options.seed, 1);
    fill_random(sb.handle_key.data(), sb.handle_key.size(), options.seed, 2);
    fill_random(sb.name_key.data(), sb.name_key.size(), options.seed, 3);
    sb.checksum = checksum_of(sb);

    const auto zero = transactions.is_zero(0, sb.data_start);
    if (!zero) return fail(explain_format_error(zero.error()));
    if (!*zero) return fail(explain_format_error(StorageError::unknown_format));
    const InodeRecord root = make_root(options, now_ns);
    auto outcome = transactions.run(
        0, [&](txn::Transaction& txn) -> Result<void, StorageError> { return write_format(txn, sb, root); });
    if (!outcome) return fail(explain_format_error(outcome.error()));
    if (!outcome->result) return fail(explain_format_error(outcome->result.error()));
    if (auto durable = transactions.wait_durable(outcome->sequence, 0); !durable)
        return fail(explain_format_error(durable.error()));
    return {};
}

Result<void, Failure> judge_superblock(const Superblock& sb, std::uint64_t size_blocks) {
    static constexpr Superblock zeros{};
    if (std::memcmp(&sb, &zeros, sizeof sb) == 0)
        return fail(Failure{StorageError::blank, "the disk holds no file system"});
    if (sb.magic != superblock_magic)
        return fail(
            Failure{StorageError::unknown_format, "the disk holds something that is not a Lockstep file system"});
    if (sb.version != format_version || (sb.features & ~known_features) != 0)
        return fail(Failure{StorageError::unknown_format,
                            fmt::format("the file system has version {} and features {:#x}; this program knows version "
                                        "{} and features {:#x}",
                                        sb.version, sb.features, format_version, known_features)});
    if (sb.checksum != checksum_of(sb))
        return fail(Failure{StorageError::corrupt, "the file system's superblock contradicts its checksum"});
    const Superblock expected = lay_out(sb.total_blocks, sb.inode_count, sb.reply_blocks);
    const auto places = [](const Superblock& of) { return of.features & feature_replies; };
    const bool fits = places(expected) == places(sb) && expected.inode_count == sb.inode_count &&
                      expected.block_bitmap_start == sb.block_bitmap_start &&
                      expected.inode_bitmap_start == sb.inode_bitmap_start &&
                      expected.orphan_bitmap_start == sb.orphan_bitmap_start &&
                      expected.inode_table_start == sb.inode_table_start && expected.data_start == sb.data_start &&
                      sb.data_start < sb.total_blocks && sb.name_hash_bits >= 1 && sb.name_hash_bits <= 55;
    if (!fits) return fail(Failure{StorageError::corrupt, "the file system's superblock contradicts itself"});
    if (sb.total_blocks > size_blocks)
        return fail(Failure{StorageError::corrupt, fmt::format("the file system has {} blocks, the disk only {}",
                                                               sb.total_blocks, size_blocks)});
    return {};
}

Result<Superblock, Failure> read_superblock(txn::TransactionManager& transactions) {
    Superblock sb;
    txn::Transaction txn = transactions.begin(0);
    if (auto read = txn.read(0, 0, std::as_writable_bytes(std::span(&sb, 1))); !read)
        return fail(Failure{read.error(), fmt::format("the superblock can't be read: {}", to_string(read.error()))});
    LOCKSTEP_TRY(judge_superblock(sb, transactions.size_blocks()));
    return sb;
}

}  // namespace lockstep::server::fs
