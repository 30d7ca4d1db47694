#include "nfs_server/fs/end_record.hpp"

#include <fmt/format.h>

#include <cstring>

#include "nfs_server/fs/checksum.hpp"
#include "nfs_server/fs/file_system.hpp"

namespace lockstep::server::fs {
namespace {

constexpr EndRecord killed{};
const txn::LockAddress guard(txn::LockKind::superblock, 0);

template <class Record>
std::uint32_t checksum_of(Record record) {
    record.checksum = 0;
    return crc32c(std::as_bytes(std::span(&record, 1)));
}

template <class Record>
bool is_blank_or_sound(const Record& record) {
    constexpr Record blank{};
    return std::memcmp(&record, &blank, sizeof record) == 0 || record.checksum == checksum_of(record);
}

// They lie one after the other, between the superblock and the inodes.
Result<std::uint32_t, StorageError> checksum_of_bitmaps(txn::Transaction& txn, const Superblock& superblock) {
    std::uint32_t checksum = 0;
    for (std::uint64_t block = superblock.block_bitmap_start; block < superblock.inode_table_start; ++block) {
        LOCKSTEP_TRY(const BlockBuffer bitmap, txn.read_block(block));
        checksum = crc32c(bitmap.span(), checksum);
    }
    return checksum;
}

// What else commits meanwhile makes the record say nothing.
Result<BitmapRecord, StorageError> record_of_bitmaps(const FileSystem& file_system,
                                                     txn::TransactionManager& transactions) {
    BitmapRecord record{0, 0, transactions.last_sequence().value};
    txn::Transaction txn = transactions.begin(0);
    LOCKSTEP_TRY(record.bitmaps_checksum, checksum_of_bitmaps(txn, file_system.superblock()));
    record.checksum = checksum_of(record);
    return record;
}

bool has_record(const FileSystem& file_system) {
    return (file_system.superblock().features & feature_replies) != 0;
}

// Reads the record, and replaces it by `next` when it differs, with `bitmaps` behind it, if any. Durable when this
// returns.
Outcome<EndRecord> exchange(FileSystem& file_system, const EndRecord& next, const BitmapRecord* bitmaps = nullptr) {
    auto outcome = file_system.transactions().run(0, [&](txn::Transaction& txn) -> Result<EndRecord, StorageError> {
        EndRecord last;
        LOCKSTEP_TRY(txn.lock(guard, txn::LockMode::exclusive));
        LOCKSTEP_TRY(txn.read(0, end_record_offset, std::as_writable_bytes(std::span(&last, 1))));
        if (!is_sound(last)) return fail(StorageError::corrupt);
        if (std::memcmp(&last, &next, sizeof last) != 0)
            LOCKSTEP_TRY(txn.write(guard, 0, end_record_offset, std::as_bytes(std::span(&next, 1))));
        if (bitmaps != nullptr)
            LOCKSTEP_TRY(txn.write(guard, 0, bitmap_record_offset, std::as_bytes(std::span(bitmaps, 1))));
        return last;
    });
    if (!outcome) return fail(Error(outcome.error()));
    if (!outcome->result) return fail(Error(outcome->result.error()));
    LOCKSTEP_TRY(file_system.wait_durable(outcome->sequence, 0));
    return *outcome->result;
}

}  // namespace

bool is_sound(const EndRecord& record) {
    return is_blank_or_sound(record);
}

bool is_sound(const BitmapRecord& record) {
    return is_blank_or_sound(record);
}

Result<void, StorageFailure> check_bitmaps(txn::TransactionManager& transactions, const Superblock& superblock) {
    const auto failed = [](StorageError error) {
        return fail(StorageFailure{error, error == StorageError::corrupt
                                              ? "the bitmaps are not as the server left them when it stopped; "
                                                "nfs_server fsck IMAGE says what is wrong"
                                              : fmt::format("the bitmaps can't be read: {}", to_string(error))});
    };
    if ((superblock.features & feature_replies) == 0) return {};
    BitmapRecord record;
    txn::Transaction txn = transactions.begin(0);
    if (const auto read = txn.read(0, bitmap_record_offset, std::as_writable_bytes(std::span(&record, 1))); !read)
        return failed(read.error());
    if (!is_sound(record))
        return fail(
            StorageFailure{StorageError::corrupt, "the record of what the bitmaps were contradicts its checksum"});
    if (record.checksum == 0 || record.sequence + 1 != transactions.last_sequence().value) return {};
    const auto found = checksum_of_bitmaps(txn, superblock);
    if (!found) return failed(found.error());
    return *found == record.bitmaps_checksum ? Result<void, StorageFailure>() : failed(StorageError::corrupt);
}

Outcome<std::optional<std::uint64_t>> take_end_record(FileSystem& file_system) {
    if (!has_record(file_system)) return std::optional<std::uint64_t>();
    LOCKSTEP_TRY(const EndRecord last, exchange(file_system, killed));
    if (std::memcmp(&last, &killed, sizeof last) == 0) return std::optional<std::uint64_t>();
    return std::optional(last.write_verifier);
}

Outcome<void> leave_end_record(FileSystem& file_system, std::uint64_t write_verifier) {
    if (!has_record(file_system)) return {};
    if (file_system.is_damaged()) return fail(Error(Error::read_only));
    EndRecord record{0, 0, write_verifier};
    record.checksum = checksum_of(record);
    const auto bitmaps = record_of_bitmaps(file_system, file_system.transactions());
    if (!bitmaps) return fail(Error(bitmaps.error()));
    LOCKSTEP_TRY(exchange(file_system, record, &*bitmaps));
    return {};
}

}  // namespace lockstep::server::fs
