// RENAME: moves a name, replacing what had the new name. Source: RFC 1813 section 3.3.14.
//
// A directory must not move below itself. That is checked by walking from the new parent to the root under shared
// locks, which this operation keeps: another RENAME that would move one of these ancestors needs it exclusively, so no
// two RENAMEs can together make a circle.
#include <optional>

#include "nfs_server/fs/reaper.hpp"
#include "nfs_server/ops/attributes.hpp"
#include "nfs_server/ops/permission.hpp"
#include "nfs_server/ops/procedures.hpp"

namespace lockstep::server::ops {
namespace {

// Everything that takes part, locked exclusively. The two directories may be one; `target` is null where the new name
// is free.
struct Parts {
    Inode& from_directory;
    Inode& to_directory;
    fs::FoundEntry from_entry;
    std::optional<fs::FoundEntry> to_entry;
    Inode* source = nullptr;
    Inode* target = nullptr;
};

Outcome<void> lock_source_and_target(Operation& op, Parts& parts) {
    const bool target_first = parts.to_entry && parts.to_entry->inode < parts.from_entry.inode;
    if (target_first) {
        LOCKSTEP_TRY(parts.target, op.lock_inode(parts.to_entry->inode, LockMode::exclusive));
    }
    LOCKSTEP_TRY(parts.source, op.lock_inode(parts.from_entry.inode, LockMode::exclusive));
    if (parts.to_entry && !target_first) {
        LOCKSTEP_TRY(parts.target, op.lock_inode(parts.to_entry->inode, LockMode::exclusive));
    }
    return {};
}

// Errors: invalid, when `source` is `directory` or above it.
Outcome<void> check_not_below(Operation& op, const Inode& source, const Inode& directory) {
    for (const Inode* ancestor = &directory; ancestor->number() != fs::root_inode;) {
        if (ancestor->number() == source.number()) return fail(Error(Error::invalid));
        LOCKSTEP_TRY(ancestor, op.lock_inode((*ancestor)->parent, LockMode::shared));
    }
    return {};
}

Outcome<void> check_allowed(const Credentials& caller, const Parts& parts) {
    if (!sticky_allows(caller, *parts.from_directory, **parts.source)) return fail(Error(Error::access_denied));
    // A directory that gets another parent is changed: its `..`.
    const bool is_moved = parts.from_directory.number() != parts.to_directory.number();
    if (is_moved && parts.source->is_directory() && !may(caller, **parts.source, right_write))
        return fail(Error(Error::access_denied));
    if (!parts.target) return {};
    if (!sticky_allows(caller, *parts.to_directory, **parts.target)) return fail(Error(Error::access_denied));
    // Both directories or both not, and a directory that is replaced must be empty.
    if (parts.source->is_directory() != parts.target->is_directory()) return fail(Error(Error::exists));
    if (parts.target->is_directory() && (*parts.target)->entries > 0) return fail(Error(Error::exists));
    return {};
}

Outcome<void> move_name(Operation& op, Parts& parts, std::string_view to_name) {
    LOCKSTEP_TRY(fs::erase_entry(op, parts.from_directory, parts.from_entry));
    if (!parts.target) return fs::insert_entry(op, parts.to_directory, to_name, parts.source->number());
    LOCKSTEP_TRY(fs::replace_entry(op, parts.to_directory, *parts.to_entry, parts.source->number()));
    if (parts.target->is_directory()) --parts.to_directory.change().nlink;
    return fs::drop_link(op, *parts.target);
}

void move_parent(Parts& parts) {
    if (!parts.source->is_directory()) return;
    --parts.from_directory.change().nlink;
    ++parts.to_directory.change().nlink;
    parts.source->change().parent = parts.to_directory.number();
}

}  // namespace

Outcome<void> rename(Request& request, const wire::RENAME3args& args, wire::RENAME3resok& ok,
                     wire::RENAME3resfail& failed) {
    Operation& op = request.op;
    LOCKSTEP_TRY(const auto directories,
                 request.lock_two(args.from.dir, args.to.dir, &failed.fromdir_wcc, &failed.todir_wcc));
    Parts parts{*directories.first, *directories.second, {}, {}};
    failed.fromdir_wcc = unchanged(op, parts.from_directory);
    failed.todir_wcc = unchanged(op, parts.to_directory);
    if (!parts.from_directory.is_directory() || !parts.to_directory.is_directory())
        return fail(Error(Error::not_directory));
    LOCKSTEP_TRY(const std::string_view from_name, check_entry_name(args.from.name, Error::invalid));
    LOCKSTEP_TRY(const std::string_view to_name, check_entry_name(args.to.name, Error::invalid));
    if (!may_change_entries(request.caller(), *parts.from_directory) ||
        !may_change_entries(request.caller(), *parts.to_directory))
        return fail(Error(Error::access_denied));

    LOCKSTEP_TRY(parts.from_entry, find_existing(op, parts.from_directory, from_name));
    LOCKSTEP_TRY(parts.to_entry, fs::find_entry(op, parts.to_directory, to_name));
    LOCKSTEP_TRY(lock_source_and_target(op, parts));
    if (parts.source->is_directory()) {
        LOCKSTEP_TRY(check_not_below(op, *parts.source, parts.to_directory));
    }
    if (parts.source != parts.target) {  // two names of one file: nothing is done, and that is success
        LOCKSTEP_TRY(check_allowed(request.caller(), parts));
        LOCKSTEP_TRY(move_name(op, parts, to_name));
        move_parent(parts);
        parts.source->change().ctime_ns = op.now_ns();
        touch_directory(op, parts.from_directory);
        touch_directory(op, parts.to_directory);
    }
    ok.fromdir_wcc = wcc(op, parts.from_directory);
    ok.todir_wcc = wcc(op, parts.to_directory);
    return {};
}

}  // namespace lockstep::server::ops
