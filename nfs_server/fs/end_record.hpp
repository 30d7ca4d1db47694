// How the server last ended, which decides whether its write verifier may be kept, and what the bitmaps were then: on
// the disk, beside the superblock. Bitmaps have no checksums of their own, since transactions change words of them side
// by side; this record stands in for them while no server runs. Layer: fs.
#pragma once

#include <cstdint>
#include <optional>

#include "nfs_server/fs/error.hpp"
#include "nfs_server/fs/layout.hpp"
#include "nfs_server/txn/transaction.hpp"

namespace lockstep::server::fs {

class FileSystem;

/// Behind the end record, written with it. It says something only while nothing was committed behind it.
struct BitmapRecord {
    std::uint32_t checksum;          // CRC-32C of the record with this field zero
    std::uint32_t bitmaps_checksum;  // CRC-32C of the blocks of the three bitmaps, one after the other
    std::uint64_t sequence;          // of the last transaction before the one that wrote the record
};
static_assert(sizeof(BitmapRecord) == 16 && std::is_trivially_copyable_v<BitmapRecord>);
constexpr std::uint32_t bitmap_record_offset = end_record_offset + sizeof(EndRecord);

/// True when the record could have been written by this program. Zeros are sound.
bool is_sound(const BitmapRecord& record);

/// For a file system that is about to be mounted: the bitmaps are as the last server left them, if that stopped with
/// everything durable and nothing was committed since; of another nothing is known. Errors: corrupt, io.
Result<void, StorageFailure> check_bitmaps(txn::TransactionManager& transactions, const Superblock& superblock);

/// True when the record could have been written by this program. Zeros are sound.
bool is_sound(const EndRecord& record);

/// For a server that starts: the write verifier of the last one, if that stopped with everything durable, else nothing.
/// From now on, durably, this server counts as killed until it has stopped, too. Errors: io, log_full, corrupt.
Outcome<std::optional<std::uint64_t>> take_end_record(FileSystem& file_system);

/// For a server that stops, after its last request: writes the record and waits until it is durable, and with it all
/// that was written before. Does nothing where the file system has no place for it. Errors: io, log_full,
/// read_only (damage was found).
Outcome<void> leave_end_record(FileSystem& file_system, std::uint64_t write_verifier);

}  // namespace lockstep::server::fs
