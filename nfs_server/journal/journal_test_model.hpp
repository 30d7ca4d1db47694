// What a journal must hold after each commit: the model that the crash tests compare with.
#pragma once

#include <cstring>
#include <memory>
#include <random>
#include <vector>

#include "nfs_server/disk/block_buffer.hpp"
#include "nfs_server/journal/block_cache.hpp"
#include "nfs_server/journal/change_set.hpp"

namespace lockstep::server::journal {

/// The content of all data blocks; copies share what did not change. An empty buffer: the block is free, and what it
/// holds does not matter.
using ModelState = std::vector<BlockBuffer>;

inline ModelState blank_state(uint64_t blocks) {
    return ModelState(blocks, BlockBuffer::zeroed());
}

/// Draws a few changes and makes them both in `changes` and in `state`. Several changes may hit one block.
inline void draw_changes(std::mt19937_64& random, BlockCache& cache, ChangeSet& changes, ModelState& state) {
    const uint64_t count = 1 + random() % 4;
    for (uint64_t i = 0; i < count; ++i) {
        const uint64_t block = random() % state.size();
        const bool replaces = random() % 4 == 0;
        if (!state[block] && !replaces) continue;
        if (!state[block]) state[block] = BlockBuffer::zeroed();
        size_t index = changes.find(block);
        if (index == ChangeSet::none) {
            auto pinned = replaces ? cache.pin_unread(block) : cache.pin(block);
            index = changes.add(std::move(*pinned));
        }
        BlockBuffer& model = state[block];
        model.make_unique();
        if (replaces) {
            const auto fill = static_cast<int>(random());
            std::memset(model.mutable_data(), fill, block_size_bytes);
            changes.replace(index, BlockBuffer::copy_of(model.span()));
        } else if (random() % 3 == 0) {
            const auto bit = static_cast<uint32_t>(random() % (block_size_bytes * 8));
            const bool value = (random() & 1) != 0;
            std::byte& byte = model.mutable_data()[bit / 8];
            const std::byte mask{static_cast<uint8_t>(1u << bit % 8)};
            byte = value ? byte | mask : byte & ~mask;
            changes.write_bit(index, bit, value);
        } else {
            const auto size = static_cast<uint32_t>(1 + random() % 700);
            const auto offset = static_cast<uint32_t>(random() % (block_size_bytes - size));
            std::vector<std::byte> bytes(size);
            for (std::byte& byte : bytes) byte = static_cast<std::byte>(random());
            std::memcpy(model.mutable_data() + offset, bytes.data(), size);
            changes.write_bytes(index, offset, bytes);
        }
    }
}

/// The first block in which the journal's committed content differs from the state; -1: none does.
inline int64_t first_difference(BlockCache& cache, const ModelState& state) {
    for (uint64_t block = 0; block < state.size(); ++block) {
        if (!state[block]) continue;
        const auto content = cache.snapshot(block);
        if (!content || std::memcmp(content->data(), state[block].data(), block_size_bytes) != 0)
            return static_cast<int64_t>(block);
    }
    return -1;
}

}  // namespace lockstep::server::journal
