#include "nfs_server/fs/end_record.hpp"

#include <cstring>

#include "nfs_server/fs/checksum.hpp"
#include "nfs_server/fs/file_system.hpp"

namespace lockstep::server::fs {
namespace {

constexpr EndRecord killed{};
const txn::LockAddress guard(txn::LockKind::superblock, 0);

std::uint32_t checksum_of(EndRecord record) {
    record.checksum = 0;
    return crc32c(std::as_bytes(std::span(&record, 1)));
}

bool has_record(const FileSystem& file_system) {
    return (file_system.superblock().features & feature_replies) != 0;
}

// Reads the record, and replaces it by `next` when it differs. Durable when this returns.
Outcome<EndRecord> exchange(FileSystem& file_system, const EndRecord& next) {
    auto outcome = file_system.transactions().run(0, [&](txn::Transaction& txn) -> Result<EndRecord, StorageError> {
        EndRecord last;
        LOCKSTEP_TRY(txn.lock(guard, txn::LockMode::exclusive));
        LOCKSTEP_TRY(txn.read(0, end_record_offset, std::as_writable_bytes(std::span(&last, 1))));
        if (std::memcmp(&last, &next, sizeof last) != 0)
            LOCKSTEP_TRY(txn.write(guard, 0, end_record_offset, std::as_bytes(std::span(&next, 1))));
        return last;
    });
    if (!outcome) return fail(Error(outcome.error()));
    if (!outcome->result) return fail(Error(outcome->result.error()));
    LOCKSTEP_TRY(file_system.wait_durable(outcome->sequence, 0));
    return *outcome->result;
}

}  // namespace

bool is_sound(const EndRecord& record) {
    return std::memcmp(&record, &killed, sizeof record) == 0 || record.checksum == checksum_of(record);
}

Outcome<std::optional<std::uint64_t>> take_end_record(FileSystem& file_system) {
    if (!has_record(file_system)) return std::optional<std::uint64_t>();
    LOCKSTEP_TRY(const EndRecord last, exchange(file_system, killed));
    if (std::memcmp(&last, &killed, sizeof last) == 0 || !is_sound(last)) return std::optional<std::uint64_t>();
    return std::optional(last.write_verifier);
}

Outcome<void> leave_end_record(FileSystem& file_system, std::uint64_t write_verifier) {
    if (!has_record(file_system)) return {};
    if (file_system.is_damaged()) return fail(Error(Error::read_only));
    EndRecord record{0, 0, write_verifier};
    record.checksum = checksum_of(record);
    LOCKSTEP_TRY(exchange(file_system, record));
    return {};
}

}  // namespace lockstep::server::fs
