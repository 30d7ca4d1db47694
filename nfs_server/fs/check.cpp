#include "nfs_server/fs/check.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <optional>
#include <unordered_set>

#include "nfs_server/fs/directory.hpp"
#include "nfs_server/fs/directory_node.hpp"
#include "nfs_server/fs/end_record.hpp"
#include "nfs_server/fs/format.hpp"
#include "nfs_server/fs/inode.hpp"
#include "nfs_server/fs/kept_reply.hpp"
#include "nfs_server/fs/map_node.hpp"
#include "nfs_server/fs/volume.hpp"
#include "nfs_server/txn/transaction.hpp"

namespace lockstep::server::fs {
namespace {

// What is known of an inode that is not free, after all have been read once.
struct Known {
    enum class Reach : std::uint8_t { unknown, on_path, reached };
    InodeRecord record{};
    std::uint64_t names = 0;           // entries that lead to it
    std::uint64_t subdirectories = 0;  // entries in it that lead to directories
    std::uint64_t named_in = no_inode;
    bool in_use = false;
    Reach reach = Reach::unknown;  // of a directory: whether its parents lead to the root
};

class Checker {
 public:
    Checker(const BlockReader& read, std::uint64_t size_blocks, std::size_t max_problems)
        : read_(read), size_blocks_(size_blocks), max_problems_(max_problems) {}

    CheckReport run() {
        if (!load_superblock()) return std::move(report_);
        load_bitmaps();
        check_inodes();
        check_links();
        check_reachable();
        check_blocks();
        check_replies();
        check_end_record();
        return std::move(report_);
    }

 private:
    template <class... Args>
    void problem(fmt::format_string<Args...> text, Args&&... args) {
        if (report_.problems.size() < max_problems_) {
            report_.problems.push_back(fmt::format(text, std::forward<Args>(args)...));
        } else {
            report_.truncated = true;
        }
    }

    std::optional<BlockBuffer> read(std::uint64_t block) {
        auto buffer = read_(block);
        if (buffer) return std::move(*buffer);
        problem("block {} can't be read: {}", block, to_string(buffer.error()));
        return std::nullopt;
    }

    bool load_superblock() {
        const auto buffer = read(0);
        if (!buffer) return false;
        std::memcpy(&superblock_, buffer->data(), sizeof superblock_);
        if (auto sound = judge_superblock(superblock_, size_blocks_); !sound) {
            problem("{}", sound.error().message);
            return false;
        }
        return true;
    }

    std::vector<bool> load_bitmap(std::uint64_t start, std::uint64_t bits, const char* name) {
        std::vector<bool> bitmap(bits);
        for (std::uint64_t first = 0; first < bits; first += bits_per_block) {
            const auto buffer = read(start + first / bits_per_block);
            if (!buffer) continue;
            for (std::uint64_t bit = 0; bit < bits_per_block; ++bit) {
                const auto byte = std::to_integer<unsigned>(buffer->data()[bit / 8]);
                if (byte == 0) bit |= 7;
                if ((byte >> (bit % 8) & 1) == 0) continue;
                if (first + bit < bits) {
                    bitmap[first + bit] = true;
                } else {
                    problem("the {} bitmap marks {}, which does not exist", name, first + bit);
                }
            }
        }
        return bitmap;
    }

    void load_bitmaps() {
        const std::uint64_t data_blocks = superblock_.total_blocks - superblock_.data_start;
        block_marked_ = load_bitmap(superblock_.block_bitmap_start, data_blocks, "block");
        inode_marked_ = load_bitmap(superblock_.inode_bitmap_start, superblock_.inode_count, "inode");
        orphan_marked_ = load_bitmap(superblock_.orphan_bitmap_start, superblock_.inode_count, "orphan");
        block_owned_.resize(data_blocks);
    }

    // --- Inodes ------------------------------------------------------------------------------------------------------

    // Of a large disk most inodes are free: these are looked at once, and not kept.
    void check_inodes() {
        for (std::uint64_t number = 0; number < superblock_.inode_count; number += inodes_per_block) {
            const auto buffer = read(superblock_.inode_table_start + number / inodes_per_block);
            if (!buffer) continue;
            for (std::uint64_t i = 0; i < inodes_per_block && number + i < superblock_.inode_count; ++i) {
                InodeRecord record;
                std::memcpy(&record, buffer->data() + i * inode_bytes, inode_bytes);
                load_inode(number + i, record);
            }
        }
        for (auto& [number, known] : inodes_)
            if (known.in_use) check_inode(number, known.record);
    }

    void load_inode(std::uint64_t number, const InodeRecord& record) {
        if (!is_sound(record)) {
            inodes_.emplace_hint(inodes_.end(), number, Known{.record = record});
            return problem("inode {} contradicts its checksum or its format", number);
        }
        const bool in_use = record.type != FileType::free;
        if (in_use != inode_marked_[number])
            problem("inode {} is {}, the bitmap says otherwise", number, in_use ? "in use" : "free");
        const bool shrinking = (record.flags & inode_flag_shrinking) != 0;
        if (shrinking != orphan_marked_[number])
            problem("inode {} is {}shrinking, the orphan bitmap says otherwise", number, shrinking ? "" : "not ");
        if (!in_use) return check_free(number, record);
        inodes_.emplace_hint(inodes_.end(), number, Known{.record = record, .in_use = true});
    }

    void check_inode(std::uint64_t number, const InodeRecord& record) {
        const bool shrinking = (record.flags & inode_flag_shrinking) != 0;
        const bool is_service_file = number == service_inode && record.type == FileType::regular;
        if (number < root_inode && !is_service_file) problem("inode {} is reserved, but in use", number);
        if (shrinking) ++report_.orphans;
        if (record.type == FileType::directory) {
            ++report_.directories;
            check_directory(number);
        } else {
            ++report_.files;
            check_file(number, record);
        }
    }

    void check_free(std::uint64_t number, const InodeRecord& record) {
        InodeRecord empty{};
        empty.generation = record.generation;
        empty.checksum = record.checksum;
        if (std::memcmp(&empty, &record, sizeof record) != 0) problem("inode {} is free, but not empty", number);
    }

    // True when the block exists and this is its first owner.
    bool claim(std::uint64_t block, std::uint64_t owner) {
        if (block < superblock_.data_start || block >= superblock_.total_blocks) {
            problem("inode {} points to block {}, which is not a data block", owner, block);
            return false;
        }
        if (block_owned_[block - superblock_.data_start]) {
            problem("block {} of inode {} has another owner, too", block, owner);
            return false;
        }
        block_owned_[block - superblock_.data_start] = true;
        ++report_.used_blocks;
        ++claimed_;
        return true;
    }

    static std::uint64_t slot(const InodeRecord& record, std::size_t index) {
        std::uint64_t block;
        std::memcpy(&block, record.payload.data() + index * 8, 8);
        return block;
    }

    // --- Files -------------------------------------------------------------------------------------------------------

    void check_file(std::uint64_t number, const InodeRecord& record) {
        const bool has_data = record.type == FileType::regular || record.type == FileType::symlink;
        if (!has_data && (record.size != 0 || record.blocks != 0)) problem("inode {} is special, but has data", number);
        if ((record.flags & inode_flag_inline) != 0) return check_inline(number, record);
        claimed_ = 0;
        last_mapped_.reset();
        for (std::size_t i = 0; i < payload_slots; ++i) {
            const std::uint64_t span = std::uint64_t{1} << (9 * record.height);
            walk_map(number, slot(record, i), record.height, i * span);
        }
        if (claimed_ != record.blocks)
            problem("inode {} owns {} blocks and counts {}", number, claimed_, record.blocks);
        const bool shrinking = (record.flags & inode_flag_shrinking) != 0;
        if (shrinking) return;
        const std::uint64_t end = (record.size + block_bytes - 1) / block_bytes;
        if (last_mapped_ && last_mapped_->index >= end)
            problem("inode {} of {} bytes has its block {} mapped", number, record.size, last_mapped_->index);
        check_zero_tail(number, record, end);
    }

    void check_inline(std::uint64_t number, const InodeRecord& record) {
        if (record.blocks != 0 || record.height != 0) problem("inode {} is inline, but owns blocks", number);
        if (!std::all_of(record.payload.begin() + static_cast<std::ptrdiff_t>(record.size), record.payload.end(),
                         [](std::uint8_t byte) { return byte == 0; }))
            problem("inode {} has bytes past its end that are not zero", number);
    }

    void walk_map(std::uint64_t owner, std::uint64_t block, unsigned level, std::uint64_t first_index) {
        if (block == 0 || !claim(block, owner)) return;
        if (level == 0) {
            last_mapped_ = {first_index, block};
            return;
        }
        const auto buffer = read(block);
        if (!buffer) return;
        const bool has_checksum = (superblock_.features & feature_map_checksums) != 0;
        if (has_checksum && !is_sound_map_node(buffer->span(), owner))
            return problem("block {} is not a sound block of pointers of inode {}", block, owner);
        const Pointers pointers = pointers_of(buffer->span());
        const std::uint64_t span = std::uint64_t{1} << (9 * (level - 1));
        for (std::size_t i = 0; i < pointers.size(); ++i)
            walk_map(owner, pointers[i], level - 1, first_index + i * span);
    }

    void check_zero_tail(std::uint64_t number, const InodeRecord& record, std::uint64_t end) {
        const std::uint64_t within = record.size % block_bytes;
        if (!last_mapped_ || within == 0 || last_mapped_->index + 1 != end) return;
        const auto buffer = read(last_mapped_->block);
        if (!buffer) return;
        const auto tail = buffer->span().subspan(within);
        if (!std::all_of(tail.begin(), tail.end(), [](std::byte byte) { return byte == std::byte{0}; }))
            problem("inode {} has bytes past its end that are not zero", number);
    }

    // --- Directories -------------------------------------------------------------------------------------------------

    struct DirectoryWalk {
        std::uint64_t number;
        std::uint64_t nodes = 0;
        std::uint64_t entries = 0;
        std::unordered_set<std::string> names_of_hash{};  // names that share the hash of the last entry
        std::uint64_t hash = 0;
    };

    void check_directory(std::uint64_t number) {
        const InodeRecord& record = inodes_.at(number).record;
        DirectoryWalk walk{number};
        claimed_ = 0;
        if ((record.flags & inode_flag_inline) != 0) problem("directory {} is marked inline", number);
        for (std::size_t i = 1; i < payload_slots; ++i)
            if (slot(record, i) != 0) problem("directory {} has more than one root", number);
        if (slot(record, 0) != 0) walk_tree(walk, slot(record, 0), record.height, first_entry_key, ~std::uint64_t{0});
        if (walk.entries != record.entries)
            problem("directory {} has {} entries and counts {}", number, walk.entries, record.entries);
        if (claimed_ != record.blocks)
            problem("directory {} owns {} blocks and counts {}", number, claimed_, record.blocks);
        if (record.size != record.blocks * block_bytes)
            problem("directory {} has a size that is not its tree's", number);
        if (record.nlink == 0) problem("directory {} has no link, but is in use", number);
    }

    // Keys of the subtree lie in [low, high).
    void walk_tree(DirectoryWalk& walk, std::uint64_t block, unsigned level, std::uint64_t low, std::uint64_t high) {
        if (!claim(block, walk.number)) return;
        const auto buffer = read(block);
        if (!buffer) return;
        const auto node = DirectoryNodeView::parse(buffer->span(), walk.number);
        if (!node || node->level() != level)
            return problem("block {} is not a sound node of directory {} at level {}", block, walk.number, level);
        if (level == 0) return check_leaf(walk, *node, block, low, high);
        for (std::size_t i = 0; i < node->count(); ++i) {
            const ChildPointer child = node->child(i);
            const std::uint64_t child_low = i == 0 ? low : child.key;
            const std::uint64_t child_high = i + 1 < node->count() ? node->child(i + 1).key : high;
            if (child.key > child_high || child_low < low || child_high > high || (i == 0 && child.key > low))
                problem("block {} of directory {} leads outside of its keys", block, walk.number);
            walk_tree(walk, child.block, level - 1, child_low, child_high);
        }
    }

    void check_leaf(DirectoryWalk& walk, const DirectoryNodeView& leaf, std::uint64_t block, std::uint64_t low,
                    std::uint64_t high) {
        if (leaf.count() == 0) problem("block {} of directory {} is an empty leaf", block, walk.number);
        for (std::size_t i = 0; i < leaf.count(); ++i) {
            const DirectoryEntry entry = leaf.entry(i);
            if (entry.key < low || entry.key >= high)
                problem("a key in block {} of directory {} lies outside of the node's", block, walk.number);
            check_entry(walk, entry);
        }
    }

    void check_entry(DirectoryWalk& walk, const DirectoryEntry& entry) {
        ++walk.entries;
        const std::uint64_t hash = entry.key & ~std::uint64_t{255};
        if (hash != key_of_name(superblock_, entry.name))
            problem("directory {} has a name under a key that is not its own", walk.number);
        if (entry.name.empty() || entry.name == "." || entry.name == ".." ||
            entry.name.find_first_of(std::string_view("/\0", 2)) != std::string_view::npos)
            problem("directory {} has an illegal name", walk.number);
        if (hash != walk.hash) walk.names_of_hash.clear();
        walk.hash = hash;
        if (!walk.names_of_hash.insert(std::string(entry.name)).second)
            problem("directory {} has the name {} twice", walk.number, entry.name);
        if (entry.inode < root_inode || entry.inode >= superblock_.inode_count)
            return problem("directory {}: {} leads to inode {}, which does not exist", walk.number, entry.name,
                           entry.inode);
        const auto target = inodes_.find(entry.inode);
        if (target == inodes_.end())
            return problem("directory {}: {} leads to inode {}, which is free", walk.number, entry.name, entry.inode);
        ++target->second.names;
        target->second.named_in = walk.number;
        if (target->second.record.type == FileType::directory) ++inodes_.at(walk.number).subdirectories;
    }

    // --- What only all together show ---------------------------------------------------------------------------------

    void check_links() {
        for (const auto& [number, known] : inodes_) {
            if (!known.in_use || number < root_inode) continue;
            if (known.record.type == FileType::directory) {
                check_directory_links(number, known);
            } else {
                if (known.names != known.record.nlink)
                    problem("inode {} has {} names and counts {}", number, known.names, known.record.nlink);
                if (known.names == 0 && (known.record.flags & inode_flag_shrinking) == 0)
                    problem("inode {} has no name and is no orphan", number);
            }
        }
        if (!is_directory(inodes_.find(root_inode))) problem("the root directory is missing");
    }

    void check_directory_links(std::uint64_t number, const Known& known) {
        const bool is_root = number == root_inode;
        if (known.names != (is_root ? 0 : 1)) problem("directory {} has {} names", number, known.names);
        if (known.record.parent != (is_root ? root_inode : known.named_in))
            problem("directory {} says that its parent is {}, its name is in {}", number, known.record.parent,
                    known.named_in);
        if (known.record.nlink != 2 + known.subdirectories)
            problem("directory {} has {} subdirectories and counts {} links", number, known.subdirectories,
                    known.record.nlink);
    }

    using Inodes = std::map<std::uint64_t, Known>;

    bool is_directory(Inodes::const_iterator inode) const {
        return inode != inodes_.end() && inode->second.in_use && inode->second.record.type == FileType::directory;
    }

    // Directories whose chain of parents does not end at the root.
    void check_reachable() {
        for (auto start = inodes_.begin(); start != inodes_.end(); ++start) {
            if (!is_directory(start) || start->first < root_inode) continue;
            std::vector<Known*> path;
            auto at = start;
            while (at != inodes_.end() && at->first != root_inode && at->second.reach == Known::Reach::unknown) {
                at->second.reach = Known::Reach::on_path;
                path.push_back(&at->second);
                at = inodes_.find(at->second.record.parent);
            }
            if (at == inodes_.end() || (at->first != root_inode && at->second.reach != Known::Reach::reached))
                problem("directory {} is not reached from the root", start->first);
            for (Known* step : path) step->reach = Known::Reach::reached;
        }
    }

    void check_blocks() {
        for (std::uint64_t i = 0; i < block_owned_.size(); ++i) {
            if (block_owned_[i] == block_marked_[i]) continue;
            problem("block {} is {}, the bitmap says otherwise", superblock_.data_start + i,
                    block_owned_[i] ? "in use" : "free");
        }
    }

    void check_end_record() {
        if ((superblock_.features & feature_replies) == 0) return;
        const auto buffer = read(0);
        EndRecord record{};
        if (!buffer) return;
        std::memcpy(&record, buffer->data() + end_record_offset, sizeof record);
        if (!is_sound(record)) problem("the record of how the server ended contradicts its checksum");
        BitmapRecord bitmaps{};
        std::memcpy(&bitmaps, buffer->data() + bitmap_record_offset, sizeof bitmaps);
        if (!is_sound(bitmaps)) problem("the record of what the bitmaps were contradicts its checksum");
    }

    void check_replies() {
        std::unordered_set<std::uint64_t> serials;
        const std::uint64_t first = superblock_.data_start - superblock_.reply_blocks;
        for (std::uint64_t slot = 0; slot < superblock_.reply_blocks * reply_slots_per_block; ++slot) {
            if (slot % reply_slots_per_block == 0) reply_block_ = read(first + slot / reply_slots_per_block);
            if (!reply_block_) continue;
            bool is_sound = true;
            const auto kept =
                decode_reply(reply_block_->span().subspan(Volume::reply_offset(slot), reply_slot_bytes), is_sound);
            if (!is_sound) problem("the kept reply {} contradicts its checksum or its format", slot);
            if (kept && !serials.insert(kept->serial).second)
                problem("two kept replies have the serial {}", kept->serial);
        }
    }

    struct MappedBlock {
        std::uint64_t index;
        std::uint64_t block;
    };

    const BlockReader& read_;
    std::uint64_t size_blocks_;
    std::size_t max_problems_;
    CheckReport report_;
    Superblock superblock_{};
    std::vector<bool> block_marked_, inode_marked_, orphan_marked_, block_owned_;
    Inodes inodes_;                           // that are not free
    std::uint64_t claimed_ = 0;               // by the inode that is being checked
    std::optional<MappedBlock> last_mapped_;  // of the file that is being checked
    std::optional<BlockBuffer> reply_block_;  // whose kept replies are being checked
};

}  // namespace

CheckReport check_file_system(const BlockReader& read, std::uint64_t size_blocks, std::size_t max_problems) {
    return Checker(read, size_blocks, max_problems).run();
}

CheckReport check_file_system(txn::TransactionManager& transactions, std::size_t max_problems) {
    txn::Transaction txn = transactions.begin(0);
    return check_file_system([&](std::uint64_t block) { return txn.read_block(block); }, transactions.size_blocks(),
                             max_problems);
}

}  // namespace lockstep::server::fs
