#include "nfs_server/fs/file_data.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#include "nfs_server/fs/block_map.hpp"
#include "nfs_server/journal/format.hpp"

namespace lockstep::server::fs {
namespace {

std::uint64_t blocks_for(std::uint64_t bytes) {
    return (bytes + block_bytes - 1) / block_bytes;
}

// The part of [offset, offset + size) that lies in file block `index`.
struct BlockPart {
    std::uint32_t within;    // where in the block it begins
    std::uint32_t length;    // bytes
    std::uint64_t position;  // where in the caller's buffer it begins
};
BlockPart part_in(std::uint64_t index, std::uint64_t offset, std::uint64_t size) {
    const std::uint64_t start = std::max(offset, index * block_bytes);
    const std::uint64_t end = std::min(offset + size, (index + 1) * block_bytes);
    return {static_cast<std::uint32_t>(start % block_bytes), static_cast<std::uint32_t>(end - start), start - offset};
}

// Shorter runs go through the log: one write more, but one in one place, and it is the small files that share it.
constexpr std::size_t new_run_blocks_minimum = 4;

// How many blocks from this one on are new and neighbours on the disk.
std::size_t new_run_at(std::span<const MappedBlock> mapped, std::size_t index) {
    std::size_t length = 0;
    while (index + length < mapped.size() && mapped[index + length].fresh &&
           mapped[index + length].block == mapped[index].block + length)
        ++length;
    return length;
}

// A fresh block's content: the part, and zeros around it.
BlockBuffer fresh_content(const WriteData& data, std::size_t index) {
    if (const BlockBuffer* whole = data.whole(index)) return *whole;
    const WriteData::Part part = data.part(index);
    BlockBuffer content = BlockBuffer::zeroed();
    std::memcpy(content.mutable_data() + part.within, part.bytes.data(), part.bytes.size());
    return content;
}

Outcome<void> write_blocks(Operation& op, Inode& inode, const WriteData& data) {
    std::vector<MappedBlock> mapped(data.blocks_count());
    LOCKSTEP_TRY(map_blocks(op, inode, data.first_block(), mapped));
    std::vector<BlockBuffer> run;
    for (std::size_t i = 0; i < mapped.size(); ++i) {
        if (const std::size_t length = new_run_at(mapped, i); length >= new_run_blocks_minimum) {
            run.clear();
            for (std::size_t behind = i + length; i < behind; ++i) run.push_back(fresh_content(data, i));
            LOCKSTEP_TRY(op.write_new_blocks(inode, mapped[--i].block + 1 - length, run));
        } else if (mapped[i].fresh || data.whole(i)) {
            LOCKSTEP_TRY(op.write_block(inode, mapped[i].block, fresh_content(data, i)));
        } else {
            const WriteData::Part part = data.part(i);
            LOCKSTEP_TRY(op.write(inode, mapped[i].block, part.within, part.bytes));
        }
    }
    return {};
}

// Moves the bytes from the payload into a block, so that the payload can hold block pointers.
Outcome<void> leave_inode(Operation& op, Inode& inode) {
    const auto payload = inode->payload;
    inode.change().payload = {};
    inode.change().flags &= static_cast<std::uint8_t>(~inode_flag_inline);
    inode.change().height = 0;
    const bool all_zero = std::all_of(payload.begin(), payload.end(), [](std::uint8_t byte) { return byte == 0; });
    if (all_zero) return {};
    return write_blocks(op, inode, WriteData(0, std::as_bytes(std::span(payload)).first(inode->size)));
}

Outcome<void> zero_tail_of_block(Operation& op, Inode& inode, std::uint64_t size) {
    const auto within = static_cast<std::uint32_t>(size % block_bytes);
    if (within == 0) return {};
    std::uint64_t block = 0;
    LOCKSTEP_TRY(find_blocks(op, inode, size / block_bytes, std::span(&block, 1)));
    if (block == 0) return {};
    static constexpr std::array<std::byte, block_bytes> zeros{};
    return op.write(inode, block, within, std::span(zeros).subspan(within));
}

Outcome<void> shrink(Operation& op, Inode& inode, std::uint64_t size) {
    LOCKSTEP_TRY(zero_tail_of_block(op, inode, size));
    inode.change().size = size;
    const bool was_shrinking = inode.is_shrinking();
    LOCKSTEP_TRY(const bool done, free_tail(op, inode));
    if (!done && !was_shrinking) {
        inode.change().flags |= inode_flag_shrinking;
        op.set_orphan(inode, true);
    }
    return {};
}

}  // namespace

Outcome<std::uint64_t> read_bytes(Operation& op, const Inode& inode, std::uint64_t offset, std::span<std::byte> out) {
    if (offset >= inode->size) return 0;
    out = out.first(std::min<std::uint64_t>(out.size(), inode->size - offset));
    if (inode.is_inline()) {
        std::memcpy(out.data(), inode->payload.data() + offset, out.size());
        return out.size();
    }
    if (out.empty()) return 0;
    const std::uint64_t first = offset / block_bytes;
    std::vector<std::uint64_t> blocks(blocks_for(offset + out.size()) - first);
    LOCKSTEP_TRY(find_blocks(op, inode, first, blocks));
    for (std::size_t i = 0; i < blocks.size(); ++i) {
        const BlockPart part = part_in(first + i, offset, out.size());
        const auto target = out.subspan(part.position, part.length);
        if (blocks[i] == 0) {
            std::memset(target.data(), 0, target.size());
        } else {
            LOCKSTEP_TRY(op.read(blocks[i], part.within, target));
        }
    }
    return out.size();
}

// What reaches past the largest file is refused before anything is looked at.
bool WriteData::fits() const {
    return size_ > 0 && offset_ <= max_file_bytes && size_ <= max_file_bytes - offset_;
}

WriteData::WriteData(std::uint64_t offset, std::span<const std::byte> bytes)
    : offset_(offset), size_(bytes.size()), bytes_(bytes) {
    if (!fits()) return;
    blocks_.resize(blocks_for(end()) - first_block());
    for (std::size_t i = 0; i < blocks_.size(); ++i) {
        const Part whole = part(i);
        if (whole.bytes.size() != block_bytes) continue;
        blocks_[i] = BlockBuffer::copy_of(whole.bytes);
        (void)journal::hash_of(blocks_[i]);
    }
}

WriteData::WriteData(std::uint64_t offset, std::uint64_t size, std::span<const BlockBuffer> blocks)
    : offset_(offset), size_(size) {
    if (!fits()) return;
    blocks = blocks.first(blocks_for(end()) - first_block());
    blocks_.assign(blocks.begin(), blocks.end());
    for (std::size_t i = 0; i < blocks_.size(); ++i)
        if (const BlockBuffer* block = whole(i)) (void)journal::hash_of(*block);
}

WriteData::Part WriteData::part(std::size_t index) const {
    const BlockPart part = part_in(first_block() + index, offset_, size_);
    if (blocks_[index]) return {part.within, blocks_[index].span().subspan(part.within, part.length)};
    return {part.within, bytes_.subspan(part.position, part.length)};
}

const BlockBuffer* WriteData::whole(std::size_t index) const {
    const bool is_whole = part_in(first_block() + index, offset_, size_).length == block_bytes;
    return is_whole ? &blocks_[index] : nullptr;
}

Outcome<void> write_data(Operation& op, Inode& inode, const WriteData& data) {
    if (data.size() == 0) return {};
    if (data.offset() > max_file_bytes || data.size() > max_file_bytes - data.offset())
        return fail(Error(Error::file_too_big));
    const std::uint64_t end = data.end();
    if (end > inode->size && inode.is_shrinking()) return fail(op.must_shrink_first(inode));
    if (inode.is_inline() && end <= payload_bytes) {
        std::memcpy(inode.change().payload.data() + data.offset(), data.part(0).bytes.data(), data.size());
    } else {
        if (inode.is_inline()) {
            LOCKSTEP_TRY(leave_inode(op, inode));
        }
        LOCKSTEP_TRY(write_blocks(op, inode, data));
    }
    inode.change().size = std::max(inode->size, end);
    return {};
}

Outcome<void> write_bytes(Operation& op, Inode& inode, std::uint64_t offset, std::span<const std::byte> bytes) {
    return write_data(op, inode, WriteData(offset, bytes));
}

Outcome<void> set_size(Operation& op, Inode& inode, std::uint64_t size) {
    if (size > max_file_bytes) return fail(Error(Error::file_too_big));
    if (size == inode->size) return {};
    if (inode.is_inline()) {
        if (size <= payload_bytes) {
            auto& payload = inode.change().payload;
            std::fill(payload.begin() + static_cast<std::ptrdiff_t>(std::min(size, inode->size)), payload.end(), 0);
        } else {
            LOCKSTEP_TRY(leave_inode(op, inode));
        }
        inode.change().size = size;
        return {};
    }
    if (size < inode->size) return shrink(op, inode, size);
    if (inode.is_shrinking()) return fail(op.must_shrink_first(inode));
    inode.change().size = size;
    return {};
}

Outcome<bool> free_tail(Operation& op, Inode& inode) {
    std::uint64_t budget = unmap_budget_blocks;
    LOCKSTEP_TRY(const bool done, unmap_blocks(op, inode, blocks_for(inode->size), budget));
    if (!done) return false;
    if (inode.is_shrinking()) {
        inode.change().flags &= static_cast<std::uint8_t>(~inode_flag_shrinking);
        op.set_orphan(inode, false);
    }
    if (inode->size == 0 && inode->blocks == 0) inode.change().flags |= inode_flag_inline;
    return true;
}

}  // namespace lockstep::server::fs
