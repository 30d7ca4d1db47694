// The one place where a reason of the file system becomes a status of NFS version 3. Layer: ops.
#pragma once

#include "nfs_server/fs/error.hpp"
#include "nfs_server/wire/nfs3.hpp"

namespace lockstep::server::ops {

using fs::Error;

/// Source: RFC 1813 section 2.6.
constexpr wire::nfsstat3 to_nfsstat3(Error error) {
    switch (error.code()) {
        case Error::conflict:
        case Error::shrinking:
        case Error::log_full:
            return wire::NFS3ERR_JUKEBOX;  // the client tries again
        case Error::io:
            return wire::NFS3ERR_IO;
        case Error::corrupt:
            return wire::NFS3ERR_SERVERFAULT;
        case Error::no_space:
            return wire::NFS3ERR_NOSPC;
        case Error::bad_handle:
            return wire::NFS3ERR_BADHANDLE;
        case Error::stale:
            return wire::NFS3ERR_STALE;
        case Error::not_found:
            return wire::NFS3ERR_NOENT;
        case Error::exists:
            return wire::NFS3ERR_EXIST;
        case Error::not_directory:
            return wire::NFS3ERR_NOTDIR;
        case Error::is_directory:
            return wire::NFS3ERR_ISDIR;
        case Error::not_empty:
            return wire::NFS3ERR_NOTEMPTY;
        case Error::name_too_long:
            return wire::NFS3ERR_NAMETOOLONG;
        case Error::file_too_big:
            return wire::NFS3ERR_FBIG;
        case Error::too_many_links:
            return wire::NFS3ERR_MLINK;
        case Error::access_denied:
            return wire::NFS3ERR_ACCES;
        case Error::not_owner:
            return wire::NFS3ERR_PERM;
        case Error::invalid:
            return wire::NFS3ERR_INVAL;
        case Error::bad_type:
            return wire::NFS3ERR_BADTYPE;
        case Error::not_sync:
            return wire::NFS3ERR_NOT_SYNC;
        case Error::bad_cookie:
            return wire::NFS3ERR_BAD_COOKIE;
        case Error::too_small:
            return wire::NFS3ERR_TOOSMALL;
        case Error::not_supported:
            return wire::NFS3ERR_NOTSUPP;
        case Error::read_only:
            return wire::NFS3ERR_ROFS;
        case Error::cross_device:
            return wire::NFS3ERR_XDEV;
    }
    return wire::NFS3ERR_SERVERFAULT;
}

}  // namespace lockstep::server::ops
