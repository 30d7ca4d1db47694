#include "nfs_server/fs/file_data.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#include "nfs_server/fs/block_map.hpp"

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

// `first`: the file's block that the run's first is.
Outcome<void> write_new_run(Operation& op, const Inode& inode, std::span<const MappedBlock> run, std::uint64_t first,
                            std::uint64_t offset, std::span<const std::byte> bytes) {
    std::vector<BlockBuffer> contents;
    contents.reserve(run.size());
    for (std::size_t i = 0; i < run.size(); ++i) {
        const BlockPart part = part_in(first + i, offset, bytes.size());
        BlockBuffer& content =
            contents.emplace_back(part.length == block_bytes ? BlockBuffer::uninitialised() : BlockBuffer::zeroed());
        std::memcpy(content.mutable_data() + part.within, bytes.data() + part.position, part.length);
    }
    return op.write_new_blocks(inode, run.front().block, contents);
}

Outcome<void> write_blocks(Operation& op, Inode& inode, std::uint64_t offset, std::span<const std::byte> bytes) {
    const std::uint64_t first = offset / block_bytes;
    std::vector<MappedBlock> mapped(blocks_for(offset + bytes.size()) - first);
    LOCKSTEP_TRY(map_blocks(op, inode, first, mapped));
    for (std::size_t i = 0; i < mapped.size(); ++i) {
        if (const std::size_t length = new_run_at(mapped, i); length >= new_run_blocks_minimum) {
            LOCKSTEP_TRY(write_new_run(op, inode, std::span(mapped).subspan(i, length), first + i, offset, bytes));
            i += length - 1;
            continue;
        }
        const BlockPart part = part_in(first + i, offset, bytes.size());
        const auto source = bytes.subspan(part.position, part.length);
        if (part.length == block_bytes) {
            LOCKSTEP_TRY(op.write_block(inode, mapped[i].block, BlockBuffer::copy_of(source)));
        } else if (mapped[i].fresh) {
            BlockBuffer buffer = BlockBuffer::zeroed();
            std::memcpy(buffer.mutable_data() + part.within, source.data(), source.size());
            LOCKSTEP_TRY(op.write_block(inode, mapped[i].block, std::move(buffer)));
        } else {
            LOCKSTEP_TRY(op.write(inode, mapped[i].block, part.within, source));
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
    return write_blocks(op, inode, 0, std::as_bytes(std::span(payload)).first(inode->size));
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

Outcome<void> write_bytes(Operation& op, Inode& inode, std::uint64_t offset, std::span<const std::byte> bytes) {
    if (bytes.empty()) return {};
    if (offset > max_file_bytes || bytes.size() > max_file_bytes - offset) return fail(Error(Error::file_too_big));
    const std::uint64_t end = offset + bytes.size();
    if (end > inode->size && inode.is_shrinking()) return fail(op.must_shrink_first(inode));
    if (inode.is_inline() && end <= payload_bytes) {
        std::memcpy(inode.change().payload.data() + offset, bytes.data(), bytes.size());
    } else {
        if (inode.is_inline()) {
            LOCKSTEP_TRY(leave_inode(op, inode));
        }
        LOCKSTEP_TRY(write_blocks(op, inode, offset, bytes));
    }
    inode.change().size = std::max(inode->size, end);
    return {};
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
