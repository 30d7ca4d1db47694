// SYMLINK: a symbolic link. Source: RFC 1813 section 3.3.10.
#include <string_view>

#include "nfs_server/fs/file_data.hpp"
#include "nfs_server/ops/new_entry.hpp"

namespace lockstep::server::ops {

Outcome<void> symlink(Request& request, const wire::SYMLINK3args& args, wire::SYMLINK3resok& ok,
                      wire::SYMLINK3resfail& failed) {
    LOCKSTEP_TRY(Inode * directory, lock_for_new_entry(request, args.where.dir, failed.dir_wcc));
    LOCKSTEP_TRY(const std::string_view name, check_entry_name(args.where.name));
    const std::string_view text = args.symlink.symlink_data;
    if (text.empty()) return fail(Error(Error::access_denied));
    if (text.size() > fs::max_symlink_bytes) return fail(Error(Error::name_too_long));
    LOCKSTEP_TRY(check_name_is_free(request, *directory, name));
    LOCKSTEP_TRY(Inode * link,
                 make_entry(request, *directory, name, fs::FileType::symlink, args.symlink.symlink_attributes));
    link->change().mode = 0777;
    LOCKSTEP_TRY(fs::write_bytes(request.op, *link, 0, std::as_bytes(std::span(text))));
    fill_new_entry(request, ok, *link, *directory);
    return {};
}

}  // namespace lockstep::server::ops
