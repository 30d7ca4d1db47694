// liblockstep_file_locks.so: preloaded into a program, it fires lock_api:* around the program's own calls that take,
// give up or end locks on files: fcntl (F_SETLK, F_SETLKW, F_GETLK, F_OFD_*), lockf, flock; and close, dup, exit and
// their like, by which POSIX ends them. What each means is in lock_tracker.hpp.
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdarg>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <type_traits>

#include "preload/lock_tracker.hpp"
#include "preload/own_code.hpp"
#include "preload/real.hpp"
#include "preload/tracer_descriptors.hpp"

namespace lockstep::preload {
namespace {

static_assert(sizeof(struct flock) == sizeof(struct flock64), "both of fcntl's structures are handled as one");

// As the kernel reads it: nothing is locked before the file's begin, and the largest offset is the end of every file.
std::optional<ByteRange> range_of(int descriptor, short whence, std::int64_t start, std::int64_t length) {
    std::int64_t base = 0;
    if (whence == SEEK_CUR) base = lseek64(descriptor, 0, SEEK_CUR);
    if (whence == SEEK_END) {
        struct stat status {};
        if (fstat(descriptor, &status) != 0) return std::nullopt;
        base = status.st_size;
    }
    std::int64_t first = 0, last = INT64_MAX;
    if (base < 0 || __builtin_add_overflow(base, start, &first)) return std::nullopt;
    if (length > 0 && __builtin_add_overflow(first, length - 1, &last)) return std::nullopt;
    if (length < 0) {
        last = first - 1;
        if (__builtin_add_overflow(first, length, &first)) return std::nullopt;
    }
    if (first < 0) return std::nullopt;
    return ByteRange{static_cast<std::uint64_t>(first),
                     last == INT64_MAX ? UINT64_MAX : static_cast<std::uint64_t>(last)};
}

// None: the call will fail, or is not about a lock.
std::optional<LockRequest> request_of(int descriptor, LockKind kind, const struct flock& lock) {
    const int error = errno;
    const auto range = range_of(descriptor, lock.l_whence, lock.l_start, lock.l_len);
    const auto file = range ? identify(descriptor) : std::nullopt;
    errno = error;
    if (!file) return std::nullopt;
    return LockRequest{*file, kind, descriptor, *range,
                       lock.l_type == F_RDLCK ? std::uint8_t{shared_mode} : std::uint8_t{exclusive_mode}};
}

template <class Call>
int take(const std::optional<LockRequest>& request, Call call) {
    if (!request) return call();
    lock_requested(*request);
    const int status = call();
    if (status == 0)
        lock_granted(*request);
    else
        lock_denied(*request, errno);
    return status;
}

template <class Call>
int give_up(const std::optional<LockRequest>& request, Call call) {
    if (request) unlock_requested(*request);
    return call();
}

template <class Call>
int test(const std::optional<LockRequest>& request, const struct flock& answer, Call call) {
    const int status = call();
    if (!request || status != 0) return status;
    if (answer.l_type == F_UNLCK) {
        lock_tested(*request, nullptr);
    } else if (const auto range = range_of(request->descriptor, answer.l_whence, answer.l_start, answer.l_len)) {
        lock_tested(*request, &*range);
    }
    return status;
}

template <class Call>
int control(int descriptor, int command, void* argument, Call call) {
    auto* lock = static_cast<struct flock*>(argument);
    const bool of_description = command == F_OFD_SETLK || command == F_OFD_SETLKW || command == F_OFD_GETLK;
    const LockKind kind = of_description ? LockKind::description : LockKind::process;
    switch (command) {
        case F_SETLK:
        case F_SETLKW:
        case F_OFD_SETLK:
        case F_OFD_SETLKW:
            if (lock == nullptr) return call();
            return lock->l_type == F_UNLCK ? give_up(request_of(descriptor, kind, *lock), call)
                                           : take(request_of(descriptor, kind, *lock), call);
        case F_GETLK:
        case F_OFD_GETLK:
            return lock == nullptr ? call() : test(request_of(descriptor, kind, *lock), *lock, call);
        case F_DUPFD:
        case F_DUPFD_CLOEXEC: {
            const int made = call();
            if (made >= 0) descriptor_duplicated(descriptor, made);
            return made;
        }
        default:
            return call();
    }
}

// lockf() knows exclusive locks only, from the file's position on.
template <class Call>
int lock_from_position(int descriptor, int command, std::int64_t length, Call call) {
    struct flock lock {};
    lock.l_type = F_WRLCK;
    lock.l_whence = SEEK_CUR;
    lock.l_len = length;
    const auto request = request_of(descriptor, LockKind::process, lock);
    if (command == F_LOCK || command == F_TLOCK) return take(request, call);
    return command == F_ULOCK ? give_up(request, call) : call();
}

template <class Call>
int lock_whole(int descriptor, int operation, Call call) {
    struct flock lock {};
    lock.l_type = (operation & LOCK_SH) != 0 ? F_RDLCK : F_WRLCK;
    const auto request = request_of(descriptor, LockKind::whole_file, lock);
    return (operation & LOCK_UN) != 0 ? give_up(request, call) : take(request, call);
}

template <class Call>
int duplicate(int from, int to, Call call) {
    if (from != to) descriptor_closing(to);
    int made = -1;
    {
        const TracerDescriptorsHeld held;
        made = call();
    }
    if (made >= 0 && from != to) descriptor_duplicated(from, made);
    return made;
}

void closing_range(unsigned first, unsigned last) {
    rlimit limit{};
    getrlimit(RLIMIT_NOFILE, &limit);
    for (std::uint64_t i = first; i <= last && i < limit.rlim_cur; ++i) descriptor_closing(static_cast<int>(i));
}

Process forking;

// The constructor with the least number after own_code's: the program's own may lock files.
__attribute__((constructor(102))) void begin() {
    pthread_atfork([] { forking = this_process(); }, nullptr, [] { process_was_forked(forking); });
    program_begins();
}

__attribute__((destructor)) void end() {
    program_ends();
}

}  // namespace
}  // namespace lockstep::preload

using namespace lockstep::preload;

// NOLINTBEGIN(readability-identifier-naming): the names are POSIX's.
#define CALLER __builtin_return_address(0)
#define EXPORTED extern "C" __attribute__((visibility("default")))

// The real one takes its argument, whatever it is, in the same register.
#define LOCKSTEP_FCNTL(NAME)                                                                \
    EXPORTED int NAME(int descriptor, int command, ...) {                                   \
        static constinit Real<int(int, int, void*)> real(#NAME);                            \
        va_list arguments;                                                                  \
        va_start(arguments, command);                                                       \
        void* argument = va_arg(arguments, void*);                                          \
        va_end(arguments);                                                                  \
        const auto call = [=] { return real(descriptor, command, argument); };              \
        return is_own_code(CALLER) ? call() : control(descriptor, command, argument, call); \
    }
LOCKSTEP_FCNTL(fcntl)
LOCKSTEP_FCNTL(fcntl64)

EXPORTED int lockf(int descriptor, int command, off_t length) {
    static constinit Real<int(int, int, off_t)> real("lockf");
    return lock_from_position(descriptor, command, length, [=] { return real(descriptor, command, length); });
}
EXPORTED int lockf64(int descriptor, int command, off64_t length) {
    static constinit Real<int(int, int, off64_t)> real("lockf64");
    return lock_from_position(descriptor, command, length, [=] { return real(descriptor, command, length); });
}
EXPORTED int flock(int descriptor, int operation) noexcept {
    static constinit Real<int(int, int)> real("flock");
    const auto call = [=] { return real(descriptor, operation); };
    return is_own_code(CALLER) ? call() : lock_whole(descriptor, operation, call);
}

EXPORTED int close(int descriptor) {
    static constinit Real<int(int)> real("close");
    if (!is_own_code(CALLER)) descriptor_closing(descriptor);
    return real(descriptor);
}
EXPORTED int close_range(unsigned first, unsigned last, int flags) noexcept {
    static constinit Real<int(unsigned, unsigned, int)> real("close_range");
    constexpr int only_marks = 1 << 2;  // CLOSE_RANGE_CLOEXEC
    if (!is_own_code(CALLER) && (flags & only_marks) == 0) closing_range(first, last);
    return real(first, last, flags);
}
EXPORTED void closefrom(int first) noexcept {
    static constinit Real<void(int)> real("closefrom");
    if (!is_own_code(CALLER)) closing_range(first < 0 ? 0 : static_cast<unsigned>(first), UINT32_MAX);
    real(first);
}
EXPORTED int fclose(FILE* stream) {
    static constinit Real<int(FILE*)> real("fclose");
    if (!is_own_code(CALLER) && stream != nullptr) descriptor_closing(fileno(stream));
    return real(stream);
}
EXPORTED FILE* freopen(const char* path, const char* mode, FILE* stream) {
    static constinit Real<FILE*(const char*, const char*, FILE*)> real("freopen");
    if (path != nullptr && stream != nullptr) descriptor_closing(fileno(stream));
    return real(path, mode, stream);
}
EXPORTED FILE* freopen64(const char* path, const char* mode, FILE* stream) {
    static constinit Real<FILE*(const char*, const char*, FILE*)> real("freopen64");
    if (path != nullptr && stream != nullptr) descriptor_closing(fileno(stream));
    return real(path, mode, stream);
}

EXPORTED int dup(int descriptor) noexcept {
    static constinit Real<int(int)> real("dup");
    const int made = real(descriptor);
    if (made >= 0 && !is_own_code(CALLER)) descriptor_duplicated(descriptor, made);
    return made;
}
EXPORTED int dup2(int from, int to) noexcept {
    static constinit Real<int(int, int)> real("dup2");
    const auto call = [=] { return real(from, to); };
    return is_own_code(CALLER) ? call() : duplicate(from, to, call);
}
EXPORTED int dup3(int from, int to, int flags) noexcept {
    static constinit Real<int(int, int, int)> real("dup3");
    const auto call = [=] { return real(from, to, flags); };
    return is_own_code(CALLER) ? call() : duplicate(from, to, call);
}

EXPORTED pid_t fork() noexcept {
    static constinit Real<pid_t()> real("fork");
    const pid_t child = real();
    if (child > 0) process_forked(child);
    return child;
}
EXPORTED void _exit(int status) {
    static constinit Real<void(int)> real("_exit");
    program_ends();
    real(status);
    std::abort();
}
EXPORTED void _Exit(int status) noexcept {
    static constinit Real<void(int)> real("_Exit");
    program_ends();
    real(status);
    std::abort();
}
// NOLINTEND(readability-identifier-naming)
