#include "nfs_server/fs/kept_reply.hpp"

#include <algorithm>
#include <cstring>

#include "nfs_server/base/check.hpp"
#include "nfs_server/fs/checksum.hpp"
#include "nfs_server/fs/file_system.hpp"

namespace lockstep::server::fs {
namespace {

std::uint32_t checksum_of(ReplyRecord head, std::span<const std::byte> reply) {
    head.checksum = 0;
    return crc32c(reply, crc32c(std::as_bytes(std::span(&head, 1))));
}

}  // namespace

std::span<const std::byte> encode_reply(Arena& arena, const CallName& call, std::uint32_t procedure,
                                        std::uint64_t serial, std::span<const std::byte> reply) {
    check(reply.size() <= max_reply_bytes, "a reply that is kept fits into its slot");
    ReplyRecord head{};
    head.size = static_cast<std::uint16_t>(reply.size());
    head.serial = serial;
    head.fingerprint = call.fingerprint;
    head.xid = call.xid;
    head.procedure = procedure;
    head.client = call.client;
    head.checksum = checksum_of(head, reply);
    const auto record = arena.bytes(sizeof head + reply.size());
    std::memcpy(record.data(), &head, sizeof head);
    if (!reply.empty()) std::memcpy(record.data() + sizeof head, reply.data(), reply.size());
    return record;
}

std::optional<KeptReply> decode_reply(std::span<const std::byte> slot, bool& is_sound) {
    static constexpr ReplyRecord never_used{};
    check(slot.size() == reply_slot_bytes, "a slot has its size");
    ReplyRecord head;
    std::memcpy(&head, slot.data(), sizeof head);
    is_sound = true;
    if (std::memcmp(&head, &never_used, sizeof head) == 0) return std::nullopt;
    is_sound = head.size <= max_reply_bytes && head.serial != 0 &&
               head.checksum ==
                   checksum_of(head, slot.subspan(sizeof head, std::min<std::size_t>(head.size, max_reply_bytes)));
    if (!is_sound) return std::nullopt;
    const auto reply = slot.subspan(sizeof head, head.size);
    return KeptReply{
        {head.client, head.xid, head.fingerprint}, head.procedure, head.serial, {reply.begin(), reply.end()}};
}

Outcome<std::vector<FoundReply>> read_kept_replies(FileSystem& file_system) {
    const Volume& volume = file_system.volume();
    std::vector<FoundReply> found;
    txn::Transaction txn = file_system.transactions().begin(0);
    for (std::uint64_t slot = 0; slot < volume.reply_slots(); slot += reply_slots_per_block) {
        LOCKSTEP_TRY(const BlockBuffer block, txn.read_block(volume.reply_block(slot)));
        for (std::uint64_t i = 0; i < reply_slots_per_block; ++i) {
            bool is_sound = true;
            auto kept = decode_reply(block.span().subspan(Volume::reply_offset(i), reply_slot_bytes), is_sound);
            if (kept) found.push_back({slot + i, std::move(*kept)});
        }
    }
    return found;
}

}  // namespace lockstep::server::fs
