// MKDIR: a directory. Source: RFC 1813 section 3.3.9.
#include "nfs_server/ops/new_entry.hpp"

namespace lockstep::server::ops {

Outcome<void> mkdir(Request& request, const wire::MKDIR3args& args, wire::MKDIR3resok& ok,
                    wire::MKDIR3resfail& failed) {
    LOCKSTEP_TRY(Inode * parent, lock_for_new_entry(request, args.where.dir, failed.dir_wcc));
    LOCKSTEP_TRY(const std::string_view name, check_entry_name(args.where.name));
    LOCKSTEP_TRY(check_name_is_free(request, *parent, name));
    LOCKSTEP_TRY(Inode * made, make_entry(request, *parent, name, fs::FileType::directory, args.attributes));
    made->change().nlink = 2;  // its name and its own `.`
    made->change().parent = parent->number();
    ++parent->change().nlink;  // the new directory's `..`
    fill_new_entry(request, ok, *made, *parent);
    return {};
}

}  // namespace lockstep::server::ops
