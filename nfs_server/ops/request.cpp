#include "nfs_server/ops/request.hpp"

#include <algorithm>
#include <cstring>

#include "nfs_server/ops/attributes.hpp"
#include "nfs_server/ops/limits.hpp"
#include "nfs_server/rpc/udp_server.hpp"

namespace lockstep::server::ops {

Outcome<fs::FileIdentity> Request::decode(const wire::nfs_fh3& handle) {
    const auto* bytes = reinterpret_cast<const std::byte*>(handle.data.data_val);
    LOCKSTEP_TRY(const fs::DecodedHandle decoded,
                 service.file_system.decode_handle(std::span(bytes, handle.data.data_len)));
    if (service.exports == nullptr) return decoded.file;
    LOCKSTEP_TRY(const ExportTable::Entry* entry, service.exports->admit(decoded.export_number, call.peer));
    LOCKSTEP_TRY(enter(*entry));
    return decoded.file;
}

Outcome<void> Request::enter(const ExportTable::Entry& entry) {
    if (export_ != nullptr && export_->number != entry.number) return fail(Error(Error::cross_device));
    export_ = &entry;
    caller_ = entry.export_.effective(call.credentials);
    return {};
}

std::uint32_t Request::payload_limit(std::uint32_t over_tcp) const {
    const bool is_datagram = call.connection_id >= rpc::first_udp_connection_id;
    return is_datagram ? std::min(over_tcp, max_datagram_payload_bytes) : over_tcp;
}

bool Request::is_read_only() const {
    return export_ != nullptr && export_->export_.read_only;
}

std::uint64_t Request::parent_of(const Inode& directory) const {
    const bool is_top = export_ != nullptr && export_->is_root(directory.number());
    return is_top ? directory.number() : directory->parent;
}

Outcome<Inode*> Request::lock_unless_read_only(const fs::FileIdentity& file, LockMode mode,
                                               wire::wcc_data* if_read_only) {
    if (mode == LockMode::shared || !is_read_only()) return op.lock_file(file, mode);
    LOCKSTEP_TRY(const Inode* inode, op.lock_file(file, LockMode::shared));
    if (if_read_only != nullptr) *if_read_only = unchanged(op, *inode);
    return fail(Error(Error::read_only));
}

Outcome<Inode*> Request::lock_file(const wire::nfs_fh3& handle, LockMode mode, wire::wcc_data* if_read_only) {
    LOCKSTEP_TRY(const fs::FileIdentity file, decode(handle));
    return lock_unless_read_only(file, mode, if_read_only);
}

Outcome<Inode*> Request::lock_directory(const wire::nfs_fh3& handle, LockMode mode, wire::wcc_data* if_read_only) {
    LOCKSTEP_TRY(Inode * inode, lock_file(handle, mode, if_read_only));
    if (!inode->is_directory()) return fail(Error(Error::not_directory));
    return inode;
}

Outcome<std::pair<Inode*, Inode*>> Request::lock_two(const wire::nfs_fh3& first, const wire::nfs_fh3& second,
                                                     wire::wcc_data* first_if_read_only,
                                                     wire::wcc_data* second_if_read_only) {
    LOCKSTEP_TRY(const fs::FileIdentity a, decode(first));
    LOCKSTEP_TRY(const fs::FileIdentity b, decode(second));
    if (a.inode <= b.inode) {
        LOCKSTEP_TRY(Inode * low, lock_unless_read_only(a, LockMode::exclusive, first_if_read_only));
        LOCKSTEP_TRY(Inode * high, lock_unless_read_only(b, LockMode::exclusive, second_if_read_only));
        return std::pair(low, high);
    }
    LOCKSTEP_TRY(Inode * low, lock_unless_read_only(b, LockMode::exclusive, second_if_read_only));
    LOCKSTEP_TRY(Inode * high, lock_unless_read_only(a, LockMode::exclusive, first_if_read_only));
    return std::pair(high, low);
}

wire::nfs_fh3 Request::handle_of(const Inode& inode) {
    const fs::FileHandle handle =
        service.file_system.handle_of(inode.identity(), export_ == nullptr ? 0 : export_->number);
    const auto copy = call.arena.bytes(handle.size());
    std::memcpy(copy.data(), handle.data(), handle.size());
    wire::nfs_fh3 result{};
    result.data.data_len = static_cast<u_int>(handle.size());
    result.data.data_val = reinterpret_cast<char*>(copy.data());
    return result;
}

wire::post_op_fh3 Request::post_op_handle(const Inode& inode) {
    wire::post_op_fh3 result{};
    result.handle_follows = TRUE;
    result.post_op_fh3_u.handle = handle_of(inode);
    return result;
}

Outcome<std::string_view> check_name(const char* name) {
    const std::string_view text = name == nullptr ? std::string_view() : std::string_view(name);
    if (text.empty() || text.find('/') != std::string_view::npos) return fail(Error(Error::access_denied));
    if (text.size() > fs::max_name_bytes) return fail(Error(Error::name_too_long));
    return text;
}

Outcome<std::string_view> check_entry_name(const char* name, Error special) {
    LOCKSTEP_TRY(const std::string_view text, check_name(name));
    if (text == "." || text == "..") return fail(special);
    return text;
}

Outcome<fs::FoundEntry> find_existing(Operation& op, const Inode& directory, std::string_view name) {
    LOCKSTEP_TRY(const auto found, fs::find_entry(op, directory, name));
    if (!found) return fail(Error(Error::not_found));
    return *found;
}

void touch_directory(Operation& op, Inode& directory) {
    directory.change().mtime_ns = op.now_ns();
    directory.change().ctime_ns = op.now_ns();
}

}  // namespace lockstep::server::ops
