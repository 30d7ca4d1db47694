// While the program puts a file under a number of its choice, LTTng-UST makes no descriptor: none can be there before
// it is moved out of the way. liblockstep_file_locks.so stands in front of the same calls for reasons of its own.
#include <unistd.h>

#include "preload/real.hpp"
#include "preload/tracer_descriptors.hpp"

using lockstep::preload::Real;
using lockstep::preload::TracerDescriptorsHeld;

#define EXPORTED extern "C" __attribute__((visibility("default")))

EXPORTED int dup2(int from, int to) noexcept {
    static constinit Real<int(int, int)> real("dup2");
    const TracerDescriptorsHeld held;
    return real(from, to);
}

EXPORTED int dup3(int from, int to, int flags) noexcept {
    static constinit Real<int(int, int, int)> real("dup3");
    const TracerDescriptorsHeld held;
    return real(from, to, flags);
}
