// READDIRPLUS: names with attributes and handles, all of one moment. Source: RFC 1813 section 3.3.17.
#include <algorithm>

#include "nfs_server/ops/attributes.hpp"
#include "nfs_server/ops/limits.hpp"
#include "nfs_server/ops/listing.hpp"
#include "nfs_server/ops/permission.hpp"
#include "nfs_server/ops/procedures.hpp"
#include "nfs_server/ops/verifier.hpp"

namespace lockstep::server::ops {
namespace {

constexpr std::uint64_t name_bytes_without_text = 8 + 8;
constexpr std::uint64_t full_entry_bytes = 4 + name_bytes_without_text + 88 + 4 + 4 + fs::file_handle_bytes;

// Locks every listed file in the order of their numbers, so that most of them can be waited for.
Outcome<void> lock_listed(Operation& op, const Listing& listing) {
    std::vector<std::uint64_t> numbers;
    for (const ListedEntry& listed : listing.entries) numbers.push_back(listed.inode);
    std::sort(numbers.begin(), numbers.end());
    for (const std::uint64_t number : numbers) {
        LOCKSTEP_TRY(op.lock_inode(number, LockMode::shared));
    }
    return {};
}

// Who may not search the directory learns its names, but nothing of what they lead to.
Outcome<wire::entryplus3*> chain(Request& request, const Listing& listing, bool with_attributes) {
    if (with_attributes) {
        LOCKSTEP_TRY(lock_listed(request.op, listing));
    }
    wire::entryplus3* first = nullptr;
    for (auto listed = listing.entries.rbegin(); listed != listing.entries.rend(); ++listed) {
        auto* entry = request.call.arena.make<wire::entryplus3>();
        entry->fileid = listed->inode;
        entry->name = const_cast<char*>(listed->name);
        entry->cookie = listed->cookie;
        if (with_attributes) {
            LOCKSTEP_TRY(const Inode* inode, request.op.lock_inode(listed->inode, LockMode::shared));
            entry->name_attributes = post_op(request.op, *inode);
            entry->name_handle = request.post_op_handle(*inode);
        }
        entry->nextentry = first;
        first = entry;
    }
    return first;
}

}  // namespace

Outcome<void> readdirplus(Request& request, const wire::READDIRPLUS3args& args, wire::READDIRPLUS3resok& ok,
                          wire::READDIRPLUS3resfail& failed) {
    LOCKSTEP_TRY(const Inode* directory, request.lock_directory(args.dir, LockMode::shared));
    failed.dir_attributes = post_op(request.op, *directory);
    if (!may(request.caller(), **directory, right_read)) return fail(Error(Error::access_denied));
    LOCKSTEP_TRY(check_cookie(*directory, args.cookie, args.cookieverf));
    const std::uint64_t room = std::min(args.maxcount, request.payload_limit(max_directory_reply_bytes));
    std::uint64_t used = listing_frame_bytes;
    std::uint64_t names_used = 0;
    auto take = [&](std::size_t name_bytes) {
        const bool first = names_used == 0;  // dircount is a wish: one entry is given in any case
        names_used += name_bytes_without_text + xdr_string_bytes(name_bytes);
        used += full_entry_bytes + xdr_string_bytes(name_bytes);
        return used <= room && (first || names_used <= args.dircount);
    };
    LOCKSTEP_TRY(const Listing listing, list_directory(request, *directory, args.cookie, take));
    const bool with_attributes = may(request.caller(), **directory, right_execute);
    LOCKSTEP_TRY(ok.reply.entries, chain(request, listing, with_attributes));
    ok.reply.eof = listing.eof;
    ok.dir_attributes = failed.dir_attributes;
    set_verifier(ok.cookieverf, cookie_verifier(*directory));
    return {};
}

}  // namespace lockstep::server::ops
