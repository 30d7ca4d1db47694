// READDIR: names and file numbers of a directory. Source: RFC 1813 section 3.3.16.
#include <algorithm>

#include "nfs_server/ops/attributes.hpp"
#include "nfs_server/ops/limits.hpp"
#include "nfs_server/ops/listing.hpp"
#include "nfs_server/ops/permission.hpp"
#include "nfs_server/ops/procedures.hpp"
#include "nfs_server/ops/verifier.hpp"

namespace lockstep::server::ops {
namespace {

constexpr std::uint64_t entry_bytes = 4 + 8 + 8;  // follows, fileid, cookie; and the name

wire::entry3* chain(Arena& arena, const Listing& listing) {
    wire::entry3* first = nullptr;
    for (auto listed = listing.entries.rbegin(); listed != listing.entries.rend(); ++listed) {
        auto* entry = arena.make<wire::entry3>();
        entry->fileid = listed->inode;
        entry->name = const_cast<char*>(listed->name);
        entry->cookie = listed->cookie;
        entry->nextentry = first;
        first = entry;
    }
    return first;
}

}  // namespace

Outcome<void> readdir(Request& request, const wire::READDIR3args& args, wire::READDIR3resok& ok,
                      wire::READDIR3resfail& failed) {
    LOCKSTEP_TRY(const Inode* directory, request.lock_directory(args.dir, LockMode::shared));
    failed.dir_attributes = post_op(request.op, *directory);
    if (!may(request.caller(), **directory, right_read)) return fail(Error(Error::access_denied));
    LOCKSTEP_TRY(check_cookie(*directory, args.cookie, args.cookieverf));
    const std::uint64_t room = std::min(args.count, request.payload_limit(max_directory_reply_bytes));
    std::uint64_t used = listing_frame_bytes;
    auto take = [&](std::size_t name_bytes) {
        used += entry_bytes + xdr_string_bytes(name_bytes);
        return used <= room;
    };
    LOCKSTEP_TRY(const Listing listing, list_directory(request, *directory, args.cookie, take));
    ok.dir_attributes = failed.dir_attributes;
    set_verifier(ok.cookieverf, cookie_verifier(*directory));
    ok.reply.entries = chain(request.call.arena, listing);
    ok.reply.eof = listing.eof;
    return {};
}

}  // namespace lockstep::server::ops
