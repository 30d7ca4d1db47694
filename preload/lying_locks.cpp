// Preloaded behind the watcher, it stands for a file system that promises locks and keeps none: every lock on a file is
// granted and nothing is locked. For tests.
#include <fcntl.h>
#include <sys/file.h>

#include <cstdarg>

#include "preload/real.hpp"

using lockstep::preload::Real;

namespace {

int answer(Real<int(int, int, void*)>& real, int descriptor, int command, void* argument) {
    switch (command) {
        case F_SETLK:
        case F_SETLKW:
        case F_OFD_SETLK:
        case F_OFD_SETLKW:
            return 0;
        case F_GETLK:
        case F_OFD_GETLK:
            static_cast<struct flock*>(argument)->l_type = F_UNLCK;
            return 0;
        default:
            return real(descriptor, command, argument);
    }
}

}  // namespace

#define EXPORTED extern "C" __attribute__((visibility("default")))

EXPORTED int fcntl(int descriptor, int command, ...) {
    static constinit Real<int(int, int, void*)> real("fcntl");
    va_list arguments;
    va_start(arguments, command);
    void* argument = va_arg(arguments, void*);
    va_end(arguments);
    return answer(real, descriptor, command, argument);
}
EXPORTED int fcntl64(int descriptor, int command, ...) {
    static constinit Real<int(int, int, void*)> real("fcntl64");
    va_list arguments;
    va_start(arguments, command);
    void* argument = va_arg(arguments, void*);
    va_end(arguments);
    return answer(real, descriptor, command, argument);
}
EXPORTED int flock(int, int) noexcept {
    return 0;
}
EXPORTED int lockf(int, int, off_t) {
    return 0;
}
