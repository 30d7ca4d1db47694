#include "preload/tracer_descriptors.hpp"

#include "preload/real.hpp"
#include "tracepoints/high_descriptor.hpp"

// liblttng-ust-common's, for its own libraries and liblttng-ust-fd; the header is not installed.
extern "C" {
void lttng_ust_lock_fd_tracker();
void lttng_ust_unlock_fd_tracker();
int lttng_ust_add_fd_to_tracker(int descriptor);
}

namespace lockstep::preload {
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
    return real(lockstep::high_descriptor(descriptor));
}
