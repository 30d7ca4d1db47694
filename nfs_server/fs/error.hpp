// Why an operation of the file system could not be done: one domain for fs and ops. ops translates it to nfsstat3 in
// one function; storage's errors enter it here, in one constructor. Layer: fs.
#pragma once

#include <cstdint>

#include "nfs_server/base/result.hpp"
#include "nfs_server/disk/storage_error.hpp"

namespace lockstep::server::fs {

/// A reason for failure. Storage's own errors convert by themselves, so LOCKSTEP_TRY works across the layers.
class Error {
 public:
    enum Code : std::uint8_t {
        conflict,        ///< a lock was busy: the attempt is over and is run again, never shown to a client
        shrinking,       ///< a cut-off tail must be freed before this file grows: run again after that
        io,              ///< the device failed
        log_full,        ///< no room in the log for now: the client may try again
        corrupt,         ///< the disk contradicts the format
        no_space,        ///< no free block, or no free inode
        bad_handle,      ///< not a handle that this server made
        stale,           ///< a handle of a file that is gone
        not_found,       ///< no such name
        exists,          ///< the name is taken
        not_directory,   ///< a directory is needed
        is_directory,    ///< anything but a directory is needed
        not_empty,       ///< a directory that still holds names
        name_too_long,   ///< above 255 bytes, or a link's text above 4095
        file_too_big,    ///< beyond 2^52 bytes
        too_many_links,  ///< a 65001st name for one inode
        access_denied,   ///< the permission bits say no
        not_owner,       ///< only the owner, or the superuser, may
        invalid,         ///< an argument that makes no sense for this object
        bad_type,        ///< a type that can't be made this way
        not_sync,        ///< the guard of a guarded SETATTR did not match
        bad_cookie,      ///< a cookie of another directory
        too_small,       ///< not one entry fits in the reply
        not_supported,   ///< this procedure is not offered
        read_only,       ///< the export is not writable, or the disk was found to be damaged
        cross_device,    ///< two file systems
    };

    constexpr Error(Code code) : code_(code) {}
    constexpr Error(StorageError error) : code_(from(error)) {}
    constexpr Code code() const { return code_; }
    friend constexpr bool operator==(Error a, Error b) { return a.code_ == b.code_; }

 private:
    static constexpr Code from(StorageError error) {
        switch (error) {
            case StorageError::conflict:
                return conflict;
            case StorageError::log_full:
                return log_full;
            case StorageError::no_space:
                return no_space;
            case StorageError::corrupt:
            case StorageError::out_of_range:
                return corrupt;  // a block number that no sound disk holds
            case StorageError::too_large:
            case StorageError::io:
            case StorageError::unknown_format:
            case StorageError::blank:
            case StorageError::busy:
            case StorageError::bad_argument:
                return io;
        }
        return io;
    }
    Code code_;
};

/// What everything in fs returns: a T, or why not.
template <class T>
using Outcome = Result<T, Error>;

}  // namespace lockstep::server::fs
