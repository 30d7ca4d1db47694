// CREATE: a regular file under a name. Source: RFC 1813 section 3.3.8.
#include "nfs_server/ops/new_entry.hpp"
#include "nfs_server/ops/permission.hpp"
#include "nfs_server/ops/verifier.hpp"

namespace lockstep::server::ops {
namespace {

// UNCHECKED over a file that is there: it stays, and only a size that the client gives is set (open with truncation).
Outcome<void> reuse_unchecked(Request& request, Inode& file, const wire::sattr3& attributes) {
    if (!file.is_regular()) return fail(Error(Error::exists));
    wire::sattr3 size_only{};
    size_only.size = attributes.size;
    return set_attributes(request.op, file, size_only, request.caller());
}

// As an inode keeps it: zero there says that no EXCLUSIVE create made the file, but a client may send it.
std::uint64_t as_kept(const wire::createverf3& verifier) {
    return get_verifier(verifier) == 0 ? UINT64_MAX : get_verifier(verifier);
}

// EXCLUSIVE again with the same verifier is the retransmission of a call that has succeeded.
Outcome<void> reuse_exclusive(const Inode& file, const wire::createverf3& verifier) {
    if (!file.is_regular() || file->create_verifier != as_kept(verifier)) return fail(Error(Error::exists));
    return {};
}

Outcome<Inode*> reuse(Request& request, std::uint64_t number, const wire::createhow3& how) {
    if (how.mode == wire::GUARDED) return fail(Error(Error::exists));
    LOCKSTEP_TRY(Inode * file, request.op.lock_inode(number, LockMode::exclusive));
    if (how.mode == wire::UNCHECKED) {
        LOCKSTEP_TRY(reuse_unchecked(request, *file, how.createhow3_u.obj_attributes));
    } else {
        LOCKSTEP_TRY(reuse_exclusive(*file, how.createhow3_u.verf));
    }
    return file;
}

Outcome<Inode*> make(Request& request, Inode& directory, std::string_view name, const wire::createhow3& how) {
    const bool exclusive = how.mode == wire::EXCLUSIVE;
    const wire::sattr3 attributes = exclusive ? wire::sattr3{} : how.createhow3_u.obj_attributes;
    LOCKSTEP_TRY(Inode * file, make_entry(request, directory, name, fs::FileType::regular, attributes));
    if (exclusive) file->change().create_verifier = as_kept(how.createhow3_u.verf);
    return file;
}

}  // namespace

Outcome<void> create(Request& request, const wire::CREATE3args& args, wire::CREATE3resok& ok,
                     wire::CREATE3resfail& failed) {
    LOCKSTEP_TRY(Inode * directory, lock_for_new_entry(request, args.where.dir, failed.dir_wcc));
    LOCKSTEP_TRY(const std::string_view name, check_entry_name(args.where.name));
    LOCKSTEP_TRY(const auto found, fs::find_entry(request.op, *directory, name));
    LOCKSTEP_TRY(Inode * file,
                 found ? reuse(request, found->inode, args.how) : make(request, *directory, name, args.how));
    fill_new_entry(request, ok, *file, *directory);
    return {};
}

}  // namespace lockstep::server::ops
