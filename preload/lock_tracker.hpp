// What the calls of a program mean for the file locks of the machine: notes them in the registry and fires lock_api:*.
//
// An event lies inside the time in which the lock is truly held. Where a lock ends unseen (a process is killed, a
// descriptor closed by other means than a call of the C library) whoever is granted a conflicting lock next looks
// whether the holder can still have it, and fires its `released` first. Where it can't be known who else refers to an
// open file description, its locks count as released: a conflict may then go unseen, never is one invented.
//
// All functions from any thread; none changes errno.
#pragma once

#include "preload/lock_registry.hpp"

namespace lockstep::preload {

// The three families of locks, which differ in who owns a lock and when it ends.
enum class LockKind { process, description, whole_file };  // fcntl and lockf; F_OFD_*; flock

struct LockRequest {
    File file;
    LockKind kind = LockKind::process;
    int descriptor = -1;
    ByteRange range{0, UINT64_MAX};
    std::uint8_t mode = exclusive_mode;
};

// Before the real call that asks for a lock, and after it; `error`: its errno.
void lock_requested(const LockRequest& request);
void lock_granted(const LockRequest& request);
void lock_denied(const LockRequest& request, int error);

// Before the real call that gives a range up.
void unlock_requested(const LockRequest& request);

// After a real call that asked who holds a lock. `blocking` null: nobody.
void lock_tested(const LockRequest& request, const ByteRange* blocking);

// Before the descriptor is closed: locks of the process on its file end, and the description's with its last reference.
void descriptor_closing(int descriptor);
// After one was made from another.
void descriptor_duplicated(int from, int to);

// After fork(), in the parent and, where nothing is fired, in the child. Both may come first.
void process_forked(pid_t child);
void process_was_forked(const Process& parent);
// When a program begins: what it was given by its parent, or by what its process was before.
void program_begins();
// Before the process ends in good order.
void program_ends();

}  // namespace lockstep::preload
