#include "nfs_server/fs/block_map.hpp"

#include <algorithm>
#include <array>
#include <cstring>

#include "nfs_server/fs/map_node.hpp"

namespace lockstep::server::fs {
namespace {

// From so many blocks on a file leaves those beside it alone. Many small ones share words instead.
constexpr std::uint64_t large_file_blocks = 16;

// Blocks of the file that one pointer covers, at a distance of `level` map blocks above the data.
constexpr std::uint64_t covered(unsigned level) {
    return std::uint64_t{1} << (9 * level);
}

bool has_checksums(Operation& op) {
    return (op.volume().superblock.features & feature_map_checksums) != 0;
}

// As a directory's nodes: content is checked when it is first met, and the block remembers for whom it was sound.
Outcome<Pointers> load(Operation& op, std::uint64_t owner, std::uint64_t block) {
    op.count_node();
    LOCKSTEP_TRY(const BlockBuffer buffer, op.read_block(block));
    if (has_checksums(op) && buffer.checked_as() != owner) {
        if (!is_sound_map_node(buffer.span(), owner)) return fail(Error(Error::corrupt));
        buffer.set_checked_as(owner);
    }
    return pointers_of(buffer.span());
}

Pointers stored_form(Operation& op, const Inode& inode, const Pointers& pointers) {
    return has_checksums(op) ? sealed(pointers, inode.number()) : pointers;
}

Outcome<void> store_new(Operation& op, const Inode& inode, std::uint64_t block, const Pointers& pointers) {
    const Pointers stored = stored_form(op, inode, pointers);
    return op.write_block(inode, block, BlockBuffer::copy_of(std::as_bytes(std::span(stored))));
}

// Logs the pointers from `low` up to `high`, which have changed, and the checksum.
Outcome<void> store(Operation& op, const Inode& inode, std::uint64_t block, const Pointers& pointers, std::size_t low,
                    std::size_t high) {
    const Pointers stored = stored_form(op, inode, pointers);
    const auto write = [&](std::size_t first, std::size_t end) {
        const auto words = std::span(stored).subspan(first, end - first);
        return op.write(inode, block, static_cast<std::uint32_t>(first * 8), std::as_bytes(words));
    };
    if (has_checksums(op)) {
        if (low <= map_checksum_words) return write(0, std::max(high, map_checksum_words));
        LOCKSTEP_TRY(write(0, map_checksum_words));
    }
    return write(low, high);
}

// --- Finding ---------------------------------------------------------------------------------------------------------

// `first` counts from the first file block that `pointers` covers.
Outcome<void> find_below(Operation& op, std::uint64_t owner, std::span<const std::uint64_t> pointers, unsigned level,
                         std::uint64_t first, std::span<std::uint64_t> out) {
    if (level == 0) {
        std::copy_n(pointers.begin() + static_cast<std::ptrdiff_t>(first), out.size(), out.begin());
        return {};
    }
    while (!out.empty()) {
        const std::uint64_t within = first % covered(level);
        const std::uint64_t count = std::min<std::uint64_t>(out.size(), covered(level) - within);
        if (const std::uint64_t child = pointers[first / covered(level)]; child == 0) {
            std::fill_n(out.begin(), count, 0);
        } else {
            LOCKSTEP_TRY(const Pointers below, load(op, owner, child));
            LOCKSTEP_TRY(find_below(op, owner, below, level - 1, within, out.first(count)));
        }
        out = out.subspan(count);
        first += count;
    }
    return {};
}

std::array<std::uint64_t, payload_slots> slots_of(const Inode& inode) {
    std::array<std::uint64_t, payload_slots> slots;
    for (std::size_t i = 0; i < payload_slots; ++i) slots[i] = inode.slot(i);
    return slots;
}

// --- Mapping ---------------------------------------------------------------------------------------------------------

// A file lies in one place as far as it can. Its next block is near its last one, or behind what that map block leads
// to.
void go_on_behind_last(Operation& op, std::span<const std::uint64_t> pointers, bool apart) {
    const auto last = std::find_if(pointers.rbegin(), pointers.rend(), [](std::uint64_t block) { return block != 0; });
    if (last != pointers.rend()) op.go_on_behind(*last, apart);
}

// Raises the map until it covers block `last`: the 16 pointers move into a new block that the first of them points to.
Outcome<void> grow(Operation& op, Inode& inode, std::uint64_t last) {
    while (last / covered(inode->height) >= payload_slots) {
        const auto slots = slots_of(inode);
        if (std::any_of(slots.begin(), slots.end(), [](std::uint64_t slot) { return slot != 0; })) {
            go_on_behind_last(op, slots, false);
            LOCKSTEP_TRY(const std::uint64_t node, op.allocate_block(inode));
            Pointers pointers{};
            std::ranges::copy(slots, pointers.begin());
            LOCKSTEP_TRY(store_new(op, inode, node, pointers));
            inode.change().payload = {};
            inode.set_slot(0, node);
        }
        ++inode.change().height;
    }
    return {};
}

class Mapper {
 public:
    Mapper(Operation& op, Inode& inode) : op_(op), inode_(inode) {}

    // Fills `out` and completes `pointers`, which the caller stores. True when a pointer changed.
    Outcome<bool> map_below(std::span<std::uint64_t> pointers, unsigned level, std::uint64_t first,
                            std::span<MappedBlock> out) {
        return level == 0 ? map_data(pointers, first, out) : map_nodes(pointers, level, first, out);
    }

 private:
    Outcome<bool> map_data(std::span<std::uint64_t> pointers, std::size_t first, std::span<MappedBlock> out) {
        bool changed = false;
        for (std::size_t i = 0; i < out.size(); ++i) {
            std::uint64_t& pointer = pointers[first + i];
            const bool fresh = pointer == 0;
            if (fresh) {
                go_on_behind_last(op_, pointers.first(first + i), inode_->blocks >= large_file_blocks);
                LOCKSTEP_TRY(pointer, op_.allocate_block(inode_));
                changed = true;
            }
            out[i] = {pointer, fresh};
        }
        return changed;
    }

    Outcome<bool> map_nodes(std::span<std::uint64_t> pointers, unsigned level, std::uint64_t first,
                            std::span<MappedBlock> out) {
        bool changed = false;
        while (!out.empty()) {
            const std::uint64_t within = first % covered(level);
            const std::uint64_t count = std::min<std::uint64_t>(out.size(), covered(level) - within);
            std::uint64_t& child = pointers[first / covered(level)];
            const bool fresh = child == 0;
            if (fresh) {
                go_on_behind_last(op_, pointers.first(first / covered(level)), false);
                LOCKSTEP_TRY(child, op_.allocate_block(inode_));
                changed = true;
            }
            LOCKSTEP_TRY(map_child(child, fresh, level - 1, within, out.first(count)));
            out = out.subspan(count);
            first += count;
        }
        return changed;
    }

    Outcome<void> map_child(std::uint64_t block, bool fresh, unsigned level, std::uint64_t first,
                            std::span<MappedBlock> out) {
        Pointers pointers{};
        if (!fresh) {
            LOCKSTEP_TRY(pointers, load(op_, inode_.number(), block));
        }
        LOCKSTEP_TRY(const bool changed, map_below(pointers, level, first, out));
        if (fresh) return store_new(op_, inode_, block, pointers);
        if (!changed) return {};
        const std::uint64_t last = (first + out.size() - 1) / covered(level);
        return store(op_, inode_, block, pointers, first / covered(level), last + 1);
    }

    Operation& op_;
    Inode& inode_;
};

// --- Unmapping -------------------------------------------------------------------------------------------------------

class Unmapper {
 public:
    Unmapper(Operation& op, Inode& inode, std::uint64_t& budget) : op_(op), inode_(inode), budget_(budget) {}

    // Frees what `pointers` reach at or above `first`, last pointer first, and clears the pointers that are done with.
    // False when the budget ended before.
    Outcome<bool> unmap_below(std::span<std::uint64_t> pointers, unsigned level, std::uint64_t first) {
        const std::uint64_t low = first / covered(level);
        for (std::uint64_t index = pointers.size(); index-- > low;) {
            if (pointers[index] == 0) continue;
            const std::uint64_t within = index == low ? first % covered(level) : 0;
            LOCKSTEP_TRY(const bool done, unmap_pointer(pointers[index], level, within));
            if (!done) return false;
        }
        return true;
    }

 private:
    Outcome<bool> unmap_pointer(std::uint64_t& pointer, unsigned level, std::uint64_t first) {
        if (budget_ == 0) return false;
        if (level > 0) {
            LOCKSTEP_TRY(const bool done, unmap_node(pointer, level - 1, first));
            if (!done || budget_ == 0) return false;
            if (first > 0) return true;  // the node keeps what lies below
        }
        LOCKSTEP_TRY(op_.free_block(inode_, pointer));
        pointer = 0;
        --budget_;
        return true;
    }

    // A node that will be freed as a whole need not be written.
    Outcome<bool> unmap_node(std::uint64_t block, unsigned level, std::uint64_t first) {
        LOCKSTEP_TRY(Pointers pointers, load(op_, inode_.number(), block));
        const Pointers before = pointers;
        LOCKSTEP_TRY(const bool done, unmap_below(pointers, level, first));
        if (done && first == 0 && budget_ > 0) return true;
        LOCKSTEP_TRY(write_cleared(block, before, pointers));
        return done;
    }

    Outcome<void> write_cleared(std::uint64_t block, const Pointers& before, const Pointers& after) {
        std::size_t low = 0;
        while (low < after.size() && before[low] == after[low]) ++low;
        std::size_t high = after.size();
        while (high > low && before[high - 1] == after[high - 1]) --high;
        return low == high ? Outcome<void>() : store(op_, inode_, block, after, low, high);
    }

    Operation& op_;
    Inode& inode_;
    std::uint64_t& budget_;
};

}  // namespace

Outcome<void> find_blocks(Operation& op, const Inode& inode, std::uint64_t first, std::span<std::uint64_t> out) {
    const std::uint64_t limit = payload_slots * covered(inode->height);
    const std::uint64_t within = first >= limit ? 0 : std::min<std::uint64_t>(out.size(), limit - first);
    std::fill(out.begin() + static_cast<std::ptrdiff_t>(within), out.end(), 0);
    if (within == 0) return {};
    const auto slots = slots_of(inode);
    return find_below(op, inode.number(), slots, inode->height, first, out.first(within));
}

Outcome<void> map_blocks(Operation& op, Inode& inode, std::uint64_t first, std::span<MappedBlock> out) {
    if (out.empty()) return {};
    LOCKSTEP_TRY(grow(op, inode, first + out.size() - 1));
    auto slots = slots_of(inode);
    LOCKSTEP_TRY(const bool changed, Mapper(op, inode).map_below(slots, inode->height, first, out));
    if (changed) std::memcpy(inode.change().payload.data(), slots.data(), payload_bytes);
    return {};
}

Outcome<bool> unmap_blocks(Operation& op, Inode& inode, std::uint64_t first, std::uint64_t& budget) {
    if (first >= payload_slots * covered(inode->height)) return true;
    auto slots = slots_of(inode);
    const Outcome<bool> done = Unmapper(op, inode, budget).unmap_below(slots, inode->height, first);
    std::memcpy(inode.change().payload.data(), slots.data(), payload_bytes);
    if (done && *done && inode->blocks == 0) inode.change().height = 0;
    return done;
}

}  // namespace lockstep::server::fs
