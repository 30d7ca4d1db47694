#include "nfs_server/fs/inode.hpp"

#include <algorithm>
#include <cstring>

#include "nfs_server/fs/checksum.hpp"

namespace lockstep::server::fs {

std::uint64_t Inode::slot(std::size_t index) const {
    std::uint64_t block;
    std::memcpy(&block, record_.payload.data() + index * 8, 8);
    return block;
}

void Inode::set_slot(std::size_t index, std::uint64_t block) {
    std::memcpy(record_.payload.data() + index * 8, &block, 8);
}

std::uint32_t checksum_of(const InodeRecord& record) {
    InodeRecord copy = record;
    copy.checksum = 0;
    return crc32c(std::as_bytes(std::span(&copy, 1)));
}

bool is_sound(const InodeRecord& record) {
    static constexpr InodeRecord never_used{};
    if (std::memcmp(&record, &never_used, sizeof record) == 0) return true;
    return record.checksum == checksum_of(record) && record.type <= FileType::fifo && record.height <= max_map_height &&
           record.size <= max_file_bytes && (record.flags & ~(inode_flag_inline | inode_flag_shrinking)) == 0 &&
           ((record.flags & inode_flag_inline) == 0 || record.size <= payload_bytes);
}

}  // namespace lockstep::server::fs
