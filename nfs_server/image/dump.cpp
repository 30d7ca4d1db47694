#include "nfs_server/image/dump.hpp"

#include <fmt/format.h>

#include <array>
#include <cstring>
#include <optional>

#include "nfs_server/fs/format.hpp"
#include "nfs_server/fs/inode.hpp"
#include "nfs_server/fs/volume.hpp"
#include "nfs_server/journal/journal.hpp"
#include "nfs_server/journal/log_group.hpp"
#include "nfs_server/txn/transaction.hpp"

namespace lockstep::server::image {
namespace {

using Json = nlohmann::ordered_json;

std::string_view name_of(fs::FileType type) {
    constexpr std::array<std::string_view, 8> names{
        "free", "file", "directory", "block device", "character device", "symlink", "socket", "fifo"};
    const auto index = static_cast<size_t>(type);
    return index < names.size() ? names[index] : "unknown";
}

std::string_view name_of(journal::EntryKind kind) {
    switch (kind) {
        case journal::EntryKind::bytes:
            return "bytes";
        case journal::EntryKind::bit:
            return "bit";
        case journal::EntryKind::block:
            return "block";
        case journal::EntryKind::home:
            return "home";
    }
    return "unknown";
}

Json to_json(const journal::LogSuperblock& superblock) {
    return {{"version", superblock.version},
            {"features", superblock.features},
            {"log_id", superblock.log_id},
            {"generation", superblock.generation},
            {"log_start", superblock.log_start},
            {"log_blocks", superblock.log_blocks},
            {"data_start", superblock.data_start},
            {"data_blocks", superblock.data_blocks},
            {"tail_position", superblock.tail_position},
            {"tail_sequence", superblock.tail_sequence},
            {"tail_checksum", superblock.tail_checksum},
            {"settled_sequence", superblock.settled_sequence}};
}

Json to_json(const journal::StoredGroup& group) {
    Json records = Json::array();
    (void)journal::for_each_entry(
        group,
        [&](const journal::RecordHeader& record) {
            records.push_back({{"sequence", record.sequence}, {"txn_id", record.txn_id}, {"entries", Json::array()}});
        },
        [&](const journal::StoredEntry& entry) {
            records.back()["entries"].push_back({{"block", entry.header.block},
                                                 {"kind", name_of(entry.header.kind)},
                                                 {"offset", entry.header.offset},
                                                 {"size", entry.header.size}});
        });
    return {{"position", group.header.position},
            {"incarnation", group.header.incarnation},
            {"first_sequence", group.header.first_sequence},
            {"head_bytes", group.header.head_bytes},
            {"data_blocks", group.header.data_blocks},
            {"records", records}};
}

Json to_json(const fs::Superblock& superblock) {
    return {{"version", superblock.version},
            {"features", superblock.features},
            {"file_system_id", superblock.file_system_id},
            {"total_blocks", superblock.total_blocks},
            {"inode_count", superblock.inode_count},
            {"block_bitmap_start", superblock.block_bitmap_start},
            {"inode_bitmap_start", superblock.inode_bitmap_start},
            {"orphan_bitmap_start", superblock.orphan_bitmap_start},
            {"inode_table_start", superblock.inode_table_start},
            {"reply_blocks", superblock.reply_blocks},
            {"data_start", superblock.data_start},
            {"created_ns", superblock.created_ns},
            {"name_hash_bits", superblock.name_hash_bits}};
}

Json to_json(uint64_t number, const fs::InodeRecord& inode) {
    Json json{{"number", number},
              {"type", name_of(inode.type)},
              {"mode", inode.mode},
              {"nlink", inode.nlink},
              {"uid", inode.uid},
              {"gid", inode.gid},
              {"size", inode.size},
              {"blocks", inode.blocks},
              {"generation", inode.generation},
              {"mtime_ns", inode.mtime_ns},
              {"ctime_ns", inode.ctime_ns}};
    if (inode.type == fs::FileType::directory) {
        json["parent"] = inode.parent;
        json["entries"] = inode.entries;
    }
    if ((inode.flags & fs::inode_flag_inline) != 0) json["inline"] = true;
    if ((inode.flags & fs::inode_flag_shrinking) != 0) json["shrinking"] = true;
    return json;
}

class Dumper {
 public:
    explicit Dumper(disk::Disk& disk) : disk_(disk) {}

    Json run() {
        out_["size_blocks"] = disk_.size_blocks();
        out_["problems"] = Json::array();
        add_log();
        add_file_system();
        return std::move(out_);
    }

 private:
    void problem(std::string text) { out_["problems"].push_back(std::move(text)); }

    void add_log() {
        Json slots = Json::array();
        std::optional<journal::LogSuperblock> newest;
        for (uint64_t slot = 0; slot < journal::superblock_slots && slot < disk_.size_blocks(); ++slot) {
            const auto block = disk_.read_block(slot);
            if (!block) return problem(fmt::format("block {} can't be read", slot));
            const auto superblock = journal::decode_superblock(block->span());
            slots.push_back(superblock ? to_json(*superblock) : Json(to_string(superblock.error())));
            if (superblock && (!newest || superblock->generation > newest->generation)) newest = *superblock;
        }
        out_["log"]["superblocks"] = std::move(slots);
        if (newest) add_groups(*newest);
    }

    void add_groups(const journal::LogSuperblock& superblock) {
        Json groups = Json::array();
        if (superblock.data_start <= disk_.size_blocks()) {
            journal::LogArea log(disk_, superblock.log_start, superblock.log_blocks);
            journal::LogCursor cursor{superblock.log_id, superblock.tail_position, superblock.tail_sequence,
                                      superblock.tail_checksum};
            // A circle of so many blocks holds no more groups.
            for (uint64_t i = 0; i < superblock.log_blocks; ++i) {
                const auto group = journal::read_group(log, cursor);
                if (!group) problem("the log can't be read to its end");
                if (!group || !*group) break;
                groups.push_back(to_json(**group));
            }
        }
        out_["log"]["groups"] = std::move(groups);
    }

    void add_file_system() {
        auto journal = journal::Journal::open(disk_, {.background = false});
        if (!journal) return problem(journal.error().message);
        txn::TransactionManager transactions(**journal);
        const auto superblock = fs::read_superblock(transactions);
        if (!superblock) return problem(superblock.error().message);
        out_["superblock"] = to_json(*superblock);
        add_inodes(transactions, *superblock);
    }

    void add_inodes(txn::TransactionManager& transactions, const fs::Superblock& superblock) {
        Json inodes = Json::array();
        txn::Transaction txn = transactions.begin(0);
        for (uint64_t first = 0; first < superblock.inode_count; first += fs::inodes_per_block) {
            const uint64_t number = superblock.inode_table_start + first / fs::inodes_per_block;
            const auto block = txn.read_block(number);
            if (!block) {
                problem(fmt::format("block {} can't be read", number));
                continue;
            }
            for (uint64_t i = 0; i < fs::inodes_per_block && first + i < superblock.inode_count; ++i) {
                fs::InodeRecord inode;
                std::memcpy(&inode, block->data() + i * fs::inode_bytes, sizeof inode);
                if (!fs::is_sound(inode))
                    problem(fmt::format("inode {} contradicts its checksum", first + i));
                else if (inode.type != fs::FileType::free)
                    inodes.push_back(to_json(first + i, inode));
            }
        }
        out_["inodes"] = std::move(inodes);
    }

    disk::Disk& disk_;
    Json out_;
};

// "key value  key value" of the object's plain members.
std::string line_of(const Json& object) {
    std::string line;
    for (const auto& [key, value] : object.items()) {
        if (value.is_structured()) continue;
        line += fmt::format("{}{} {}", line.empty() ? "" : "  ", key,
                            value.is_string() ? value.get<std::string>() : value.dump());
    }
    return line;
}

std::string log_text(const Json& log) {
    std::string text;
    size_t slot = 0;
    for (const Json& superblock : log.at("superblocks"))
        text += fmt::format("log superblock {}: {}\n", slot++,
                            superblock.is_object() ? line_of(superblock) : superblock.get<std::string>());
    if (!log.contains("groups")) return text;
    for (const Json& group : log.at("groups")) {
        text += fmt::format("log group: {}\n", line_of(group));
        for (const Json& record : group.at("records")) {
            text += fmt::format("  record: {}\n", line_of(record));
            for (const Json& entry : record.at("entries")) text += fmt::format("    {}\n", line_of(entry));
        }
    }
    return text;
}

}  // namespace

nlohmann::ordered_json dump(disk::Disk& disk) {
    return Dumper(disk).run();
}

std::string to_text(const nlohmann::ordered_json& dump) {
    std::string text = fmt::format("image: size_blocks {}\n", dump.at("size_blocks").get<uint64_t>());
    if (dump.contains("log")) text += log_text(dump.at("log"));
    if (dump.contains("superblock")) text += fmt::format("superblock: {}\n", line_of(dump.at("superblock")));
    if (dump.contains("inodes"))
        for (const Json& inode : dump.at("inodes")) text += fmt::format("inode: {}\n", line_of(inode));
    for (const Json& problem : dump.at("problems")) text += fmt::format("problem: {}\n", problem.get<std::string>());
    return text;
}

}  // namespace lockstep::server::image
