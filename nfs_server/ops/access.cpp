// ACCESS: which of the asked-for rights the caller has. Source: RFC 1813 section 3.3.4.
#include "nfs_server/ops/attributes.hpp"
#include "nfs_server/ops/permission.hpp"
#include "nfs_server/ops/procedures.hpp"

namespace lockstep::server::ops {
namespace {

std::uint32_t rights_in_directory(const Credentials& caller, const fs::InodeRecord& directory) {
    std::uint32_t rights = 0;
    if (may(caller, directory, right_read)) rights |= ACCESS3_READ;
    if (may(caller, directory, right_execute)) rights |= ACCESS3_LOOKUP;
    if (may_change_entries(caller, directory)) rights |= ACCESS3_MODIFY | ACCESS3_EXTEND | ACCESS3_DELETE;
    return rights;
}

std::uint32_t rights_on_file(const Credentials& caller, const fs::InodeRecord& file) {
    std::uint32_t rights = 0;
    if (may(caller, file, right_read)) rights |= ACCESS3_READ;
    if (may(caller, file, right_write)) rights |= ACCESS3_MODIFY | ACCESS3_EXTEND;
    if (may(caller, file, right_execute)) rights |= ACCESS3_EXECUTE;
    return rights;
}

}  // namespace

Outcome<void> access(Request& request, const wire::ACCESS3args& args, wire::ACCESS3resok& ok, wire::ACCESS3resfail&) {
    LOCKSTEP_TRY(const Inode* file, request.lock_file(args.object, LockMode::shared));
    ok.obj_attributes = post_op(request.op, *file);
    constexpr std::uint32_t changes = ACCESS3_MODIFY | ACCESS3_EXTEND | ACCESS3_DELETE;
    const std::uint32_t asked = request.is_read_only() ? args.access & ~changes : args.access;
    ok.access = asked & (file->is_directory() ? rights_in_directory(request.caller(), **file)
                                              : rights_on_file(request.caller(), **file));
    return {};
}

}  // namespace lockstep::server::ops
