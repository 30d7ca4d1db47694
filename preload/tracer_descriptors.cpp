#include "preload/tracer_descriptors.hpp"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>

#include "preload/real.hpp"

// liblttng-ust-common's, for its own libraries and liblttng-ust-fd; the header is not installed.
extern "C" {
void lttng_ust_lock_fd_tracker();
void lttng_ust_unlock_fd_tracker();
int lttng_ust_add_fd_to_tracker(int descriptor);
}

namespace lockstep::preload {
namespace {

// The same, or one from the upper half of what the process may have, where there is room.
int moved_up(int descriptor) {
    constexpr rlim_t usual = 512;
    rlimit limit{};
    getrlimit(RLIMIT_NOFILE, &limit);
    const auto lowest = static_cast<int>(std::min(limit.rlim_cur / 2, usual));
    if (descriptor >= lowest) return descriptor;
    const auto moved = static_cast<int>(syscall(SYS_fcntl, descriptor, F_DUPFD_CLOEXEC, lowest));
    if (moved < 0) return descriptor;
    syscall(SYS_close, descriptor);
    return moved;
}

}  // namespace

TracerDescriptorsHeld::TracerDescriptorsHeld() {
    lttng_ust_lock_fd_tracker();
}

TracerDescriptorsHeld::~TracerDescriptorsHeld() {
    lttng_ust_unlock_fd_tracker();
}

}  // namespace lockstep::preload

// LTTng-UST calls this for each descriptor that it has made and uses the one that it gets back.
extern "C" __attribute__((visibility("default"))) int lttng_ust_add_fd_to_tracker(int descriptor) {
    static constinit lockstep::preload::Real<int(int)> real("lttng_ust_add_fd_to_tracker");
    return real(lockstep::preload::moved_up(descriptor));
}
