// What a procedure's body works with: one attempt at one call. The body locks, checks, changes in memory and fills the
// reply; it neither commits nor replies. Layer: ops.
#pragma once

#include <string_view>
#include <utility>

#include "nfs_server/fs/directory.hpp"
#include "nfs_server/fs/file_system.hpp"
#include "nfs_server/ops/exports.hpp"
#include "nfs_server/rpc/program.hpp"
#include "nfs_server/wire/nfs3.hpp"

namespace lockstep::server::ops {

using fs::Error;
using fs::Inode;
using fs::Operation;
using fs::Outcome;
using rpc::CallContext;
using rpc::Credentials;
using txn::LockMode;

class ReplyCache;

/// What all calls of one server process share. Immutable: any thread.
struct Service {
    fs::FileSystem& file_system;
    std::uint64_t write_verifier;                ///< a client that sees it change sends unstable data again
    ReplyCache* replies = nullptr;               ///< nullptr: a call that is sent again is executed again
    Exports* exports = nullptr;                  ///< nullptr: everything is exported to everybody, as it is
    std::uint32_t max_write_bytes = UINT32_MAX;  ///< of one WRITE, besides what the file system can take
};

class Request {
 public:
    Request(const Service& for_service, const CallContext& of_call, Operation& operation)
        : service(for_service), call(of_call), op(operation), caller_(of_call.credentials) {}

    const Service& service;
    const CallContext& call;
    Operation& op;

    /// As whom the caller acts: the export of the first handle that was locked decides.
    const Credentials& caller() const { return caller_; }
    /// True when the export lets nobody change anything.
    bool is_read_only() const;
    /// The directory above: at the top of the export that is itself, so that no way leads out.
    std::uint64_t parent_of(const Inode& directory) const;
    /// The bound of data or entries in the reply: `over_tcp`, or what a datagram holds.
    std::uint32_t payload_limit(std::uint32_t over_tcp) const;
    /// From now on the request is judged by this export. Errors: cross_device (it was another one).
    Outcome<void> enter(const ExportTable::Entry& entry);

    /// The reply will tell the client that its change is on stable storage: the runner waits for that.
    void promise_stable() { promises_stable_ = true; }
    bool promises_stable() const { return promises_stable_; }

    /// Locks the file that a handle names, exclusively for a change. Errors: bad_handle, stale, conflict, io, corrupt;
    /// access_denied (not exported to this client), cross_device (not the export of an earlier handle); read_only (an
    /// exclusive lock, through an export that lets nobody change anything), and then `if_read_only` is filled.
    Outcome<Inode*> lock_file(const wire::nfs_fh3& handle, LockMode mode, wire::wcc_data* if_read_only = nullptr);
    /// The same for a directory. Errors: not_directory, too.
    Outcome<Inode*> lock_directory(const wire::nfs_fh3& handle, LockMode mode, wire::wcc_data* if_read_only = nullptr);
    /// Locks two files exclusively, in the order of their numbers, so that waiting is possible. They may be the same.
    Outcome<std::pair<Inode*, Inode*>> lock_two(const wire::nfs_fh3& first, const wire::nfs_fh3& second,
                                                wire::wcc_data* first_if_read_only,
                                                wire::wcc_data* second_if_read_only);

    /// Fills the write verifier of a reply.
    void tell_verifier(char (&verifier)[8]) const;

    wire::nfs_fh3 handle_of(const Inode& inode);
    wire::post_op_fh3 post_op_handle(const Inode& inode);

 private:
    Outcome<fs::FileIdentity> decode(const wire::nfs_fh3& handle);
    Outcome<Inode*> lock_unless_read_only(const fs::FileIdentity& file, LockMode mode, wire::wcc_data* if_read_only);
    Credentials caller_;
    const ExportTable::Entry* export_ = nullptr;
    bool promises_stable_ = false;
};

/// A name that may be looked up: not empty, no slash, at most 255 bytes. Errors: access_denied, name_too_long.
/// Source: RFC 1813 section 3.2.
Outcome<std::string_view> check_name(const char* name);

/// A name that may be given or taken: not . or .. either, for which `special` is the error.
Outcome<std::string_view> check_entry_name(const char* name, Error special = Error::exists);

/// Finds a name that must be there. Errors: not_found, io, corrupt.
Outcome<fs::FoundEntry> find_existing(Operation& op, const Inode& directory, std::string_view name);

/// After a name was added or removed.
void touch_directory(Operation& op, Inode& directory);

}  // namespace lockstep::server::ops
