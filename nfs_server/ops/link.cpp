// LINK: one more name for a file. Source: RFC 1813 section 3.3.15.
#include "nfs_server/ops/attributes.hpp"
#include "nfs_server/ops/permission.hpp"
#include "nfs_server/ops/procedures.hpp"

namespace lockstep::server::ops {

Outcome<void> link(Request& request, const wire::LINK3args& args, wire::LINK3resok& ok, wire::LINK3resfail& failed) {
    Operation& op = request.op;
    LOCKSTEP_TRY(const auto locked, request.lock_two(args.file, args.link.dir, nullptr, &failed.linkdir_wcc));
    Inode& file = *locked.first;
    Inode& directory = *locked.second;
    failed.file_attributes = post_op(op, file);
    failed.linkdir_wcc = unchanged(op, directory);
    if (!directory.is_directory()) return fail(Error(Error::not_directory));
    if (file.is_directory()) return fail(Error(Error::invalid));
    LOCKSTEP_TRY(const std::string_view name, check_entry_name(args.link.name));
    if (!may_change_entries(request.caller(), *directory)) return fail(Error(Error::access_denied));
    LOCKSTEP_TRY(const auto found, fs::find_entry(op, directory, name));
    if (found) return fail(Error(Error::exists));
    if (file->nlink >= fs::max_links) return fail(Error(Error::too_many_links));
    LOCKSTEP_TRY(fs::insert_entry(op, directory, name, file.number()));
    ++file.change().nlink;
    file.change().ctime_ns = op.now_ns();
    touch_directory(op, directory);
    ok.file_attributes = post_op(op, file);
    ok.linkdir_wcc = wcc(op, directory);
    return {};
}

}  // namespace lockstep::server::ops
