// Descriptors of ours, or of LTTng-UST's, in the table of a program that knows nothing of them.
#pragma once

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace lockstep {

// The same file under a number from the upper half of what the process may have, at least from 512 on where that is
// more; `descriptor` is closed then. People choose low numbers (a shell's `exec 9>file`), and the kernel gives them out
// first: what a program puts in our place would be used by both. Where there is no room above, `descriptor` itself; an
// error (-1) stays one, and so does errno. Close-on-exec. The calls are made directly: others stand in front of them.
inline int high_descriptor(int descriptor) {
    constexpr rlim_t usual = 512;
    rlimit limit{};
    if (descriptor < 0 || getrlimit(RLIMIT_NOFILE, &limit) != 0) return descriptor;
    const int lowest = static_cast<int>(limit.rlim_cur / 2 < usual ? limit.rlim_cur / 2 : usual);
    if (descriptor >= lowest) return descriptor;
    const auto moved = static_cast<int>(syscall(SYS_fcntl, descriptor, F_DUPFD_CLOEXEC, lowest));
    if (moved < 0) return descriptor;
    syscall(SYS_close, descriptor);
    return moved;
}

}  // namespace lockstep
