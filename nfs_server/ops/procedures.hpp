// The bodies of the 22 procedures of NFS version 3 (NULL has none: the rpc layer answers it), one file each. Each is
// one transaction, runs with everything locked that it looks at, and keeps to these beats: lock, check, change in
// memory, fill the reply. `failed` is what the reply holds if the body fails: it is filled as soon as it is known.
//
// A body returns an error in the file system's terms; status.hpp makes it a status. It may be run again from the start.
// Layer: ops. Source: RFC 1813 section 3.3.
#pragma once

#include "nfs_server/ops/request.hpp"
#include "nfs_server/wire/nfs3.hpp"

namespace lockstep::server::ops {

// Reading.
Outcome<void> getattr(Request&, const wire::GETATTR3args&, wire::GETATTR3resok&);
Outcome<void> lookup(Request&, const wire::LOOKUP3args&, wire::LOOKUP3resok&, wire::LOOKUP3resfail& failed);
Outcome<void> access(Request&, const wire::ACCESS3args&, wire::ACCESS3resok&, wire::ACCESS3resfail& failed);
Outcome<void> readlink(Request&, const wire::READLINK3args&, wire::READLINK3resok&, wire::READLINK3resfail& failed);
Outcome<void> read(Request&, const wire::READ3args&, wire::READ3resok&, wire::READ3resfail& failed);
Outcome<void> readdir(Request&, const wire::READDIR3args&, wire::READDIR3resok&, wire::READDIR3resfail& failed);
Outcome<void> readdirplus(Request&, const wire::READDIRPLUS3args&, wire::READDIRPLUS3resok&,
                          wire::READDIRPLUS3resfail& failed);
Outcome<void> fsstat(Request&, const wire::FSSTAT3args&, wire::FSSTAT3resok&, wire::FSSTAT3resfail& failed);
Outcome<void> fsinfo(Request&, const wire::FSINFO3args&, wire::FSINFO3resok&, wire::FSINFO3resfail& failed);
Outcome<void> pathconf(Request&, const wire::PATHCONF3args&, wire::PATHCONF3resok&, wire::PATHCONF3resfail& failed);

// Changing: on stable storage when they are answered.
Outcome<void> setattr(Request&, const wire::SETATTR3args&, wire::SETATTR3resok&, wire::SETATTR3resfail& failed);
Outcome<void> create(Request&, const wire::CREATE3args&, wire::CREATE3resok&, wire::CREATE3resfail& failed);
Outcome<void> mkdir(Request&, const wire::MKDIR3args&, wire::MKDIR3resok&, wire::MKDIR3resfail& failed);
Outcome<void> symlink(Request&, const wire::SYMLINK3args&, wire::SYMLINK3resok&, wire::SYMLINK3resfail& failed);
Outcome<void> mknod(Request&, const wire::MKNOD3args&, wire::MKNOD3resok&, wire::MKNOD3resfail& failed);
Outcome<void> remove(Request&, const wire::REMOVE3args&, wire::REMOVE3resok&, wire::REMOVE3resfail& failed);
Outcome<void> rmdir(Request&, const wire::RMDIR3args&, wire::RMDIR3resok&, wire::RMDIR3resfail& failed);
Outcome<void> rename(Request&, const wire::RENAME3args&, wire::RENAME3resok&, wire::RENAME3resfail& failed);
Outcome<void> link(Request&, const wire::LINK3args&, wire::LINK3resok&, wire::LINK3resfail& failed);

// As stable as the client asks.
Outcome<void> write(Request&, const wire::WRITE3args&, wire::WRITE3resok&, wire::WRITE3resfail& failed);
Outcome<void> commit(Request&, const wire::COMMIT3args&, wire::COMMIT3resok&, wire::COMMIT3resfail& failed);

}  // namespace lockstep::server::ops
