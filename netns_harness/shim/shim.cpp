// liblockstep_shim.so, preloaded into a program of a run: stands in front of the calls by which it uses its disk's file
// and reads the real-time clock, and lets the harness make them go wrong (control.hpp). The program is not changed and
// knows nothing of it.
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <set>
#include <string>

#include "netns_harness/shim/control.hpp"

namespace lockstep::shim {
namespace {

template <class Function>
Function next(const char* name) {
    return reinterpret_cast<Function>(dlsym(RTLD_NEXT, name));
}

void* mapped(const char* variable, std::size_t size) {
    const char* path = std::getenv(variable);
    if (path == nullptr) return nullptr;
    const int file = open(path, O_RDWR | O_CLOEXEC);
    void* memory = file < 0 ? MAP_FAILED : mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (file >= 0) close(file);
    if (memory != MAP_FAILED) return memory;
    std::fprintf(stderr, "lockstep: the shim cannot map %s: %s\n", path, std::strerror(errno));
    std::abort();  // or faults would be counted on that never come
}

Control* control() {
    static auto* const made = static_cast<Control*>(mapped(control_variable, sizeof(Control)));
    return made;
}

// What stands in the undo log, and which writes are under way.
class UndoLog {
 public:
    // Before a write of `size` bytes at `offset`. Returns the entry's place, to be given to written(); -1 when there is
    // no room: then all that was written so far counts as having reached the disk, as a disk may do at any time.
    std::int64_t note(int disk, std::uint64_t offset, std::uint64_t size) {
        const std::lock_guard hold(mutex_);
        Control& shared = *control();
        const std::uint64_t place = shared.used.load(), end = place + sizeof(UndoEntry) + size;
        if (end > undo_file_bytes) {
            shared.flushed.store(place);
            return -1;
        }
        char* entry = log_ + place;
        const UndoEntry head{offset, size};
        std::memcpy(entry, &head, sizeof head);
        const ssize_t got = pread(reader_of(disk), entry + sizeof head, size, static_cast<off_t>(offset));
        const std::uint64_t there = got > 0 ? static_cast<std::uint64_t>(got) : 0;
        std::memset(entry + sizeof head + there, 0, size - there);  // beyond the file's end
        under_way_.insert(place);
        shared.used.store(end);  // last: the harness looks after a kill at any instruction
        return static_cast<std::int64_t>(place);
    }

    void written(std::int64_t place) {
        if (place < 0) return;
        const std::lock_guard hold(mutex_);
        under_way_.erase(static_cast<std::uint64_t>(place));
    }

    // What a barrier that begins now will make durable.
    std::uint64_t before_barrier() {
        const std::lock_guard hold(mutex_);
        return under_way_.empty() ? control()->used.load() : *under_way_.begin();
    }

    void after_barrier(std::uint64_t durable) {
        const std::lock_guard hold(mutex_);
        Control& shared = *control();
        if (durable > shared.flushed.load()) shared.flushed.store(durable);
        if (!under_way_.empty() || shared.flushed.load() != shared.used.load()) return;
        shared.used.store(0);  // first: in between, nothing is to be undone
        shared.flushed.store(0);
    }

    bool there() const { return log_ != nullptr; }

 private:
    // Reads without O_DIRECT's demands on alignment.
    int reader_of(int disk) {
        if (reader_ < 0) reader_ = open(("/proc/self/fd/" + std::to_string(disk)).c_str(), O_RDONLY | O_CLOEXEC);
        return reader_;
    }

    std::mutex mutex_;
    char* const log_ = static_cast<char*>(mapped(undo_variable, undo_file_bytes));
    int reader_ = -1;
    std::set<std::uint64_t> under_way_;  // places of writes that have not ended
};

UndoLog& undo_log() {
    static auto* const log = new UndoLog;  // used until the very end
    return *log;
}

bool is_disk(int file) {
    static const char* const path = std::getenv(disk_variable);
    if (path == nullptr || control() == nullptr) return false;
    struct stat wanted {
    }, given{};
    return stat(path, &wanted) == 0 && fstat(file, &given) == 0 && wanted.st_ino == given.st_ino &&
           wanted.st_dev == given.st_dev;
}

// splitmix64 over a count of all operations: without a lock, and evenly.
bool strikes(std::uint32_t percent) {
    static std::atomic<std::uint64_t> count{0};
    if (percent == 0) return false;
    std::uint64_t z = (count.fetch_add(1) + 1) * 0x9e3779b97f4a7c15U;
    z = (z ^ (z >> 30U)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27U)) * 0x94d049bb133111ebU;
    return (z ^ (z >> 31U)) % 100 < percent;
}

// What befalls an operation of the disk before it begins: 0, or the errno that it fails with.
int befallen(std::uint64_t further_delay_ns = 0) {
    Control& shared = *control();
    if (const std::uint64_t delay = shared.delay_ns.load() + further_delay_ns) {
        ++shared.delayed;
        const timespec wait{static_cast<time_t>(delay / 1'000'000'000), static_cast<long>(delay % 1'000'000'000)};
        nanosleep(&wait, nullptr);
    }
    while (shared.power_off.load() != 0) ::pause();
    if (!strikes(shared.failing_percent.load())) return 0;
    ++shared.failed;
    return EIO;
}

std::uint64_t bytes_of(const iovec* pieces, int count) {
    std::uint64_t sum = 0;
    for (int i = 0; i < count; ++i) sum += pieces[i].iov_len;
    return sum;
}

template <class Write>
ssize_t write_disk(int file, std::uint64_t offset, std::uint64_t size, Write write) {
    int error = befallen();
    if (error == 0 && control()->full.load() != 0) {
        ++control()->refused;
        error = ENOSPC;
    }
    if (error != 0) {
        errno = error;
        return -1;
    }
    if (!undo_log().there()) return write();
    const std::int64_t place = undo_log().note(file, offset, size);
    const ssize_t written = write();
    const int saved = errno;
    undo_log().written(place);
    errno = saved;
    return written;
}

template <class Barrier>
int pass_barrier(Barrier barrier) {
    if (const int error = befallen(control()->barrier_delay_ns.load())) {
        errno = error;
        return -1;
    }
    if (!undo_log().there()) return barrier();
    const std::uint64_t durable = undo_log().before_barrier();
    const int result = barrier();
    if (result == 0) undo_log().after_barrier(durable);
    return result;
}

template <class Read>
ssize_t read_disk(Read read) {
    if (const int error = befallen()) {
        errno = error;
        return -1;
    }
    return read();
}

void move_clock(timespec& time) {
    const std::int64_t offset = control() == nullptr ? 0 : control()->clock_offset_ns.load();
    if (offset == 0) return;
    ++control()->clock_readings;
    const std::int64_t moved = time.tv_sec * std::int64_t{1'000'000'000} + time.tv_nsec + offset;
    time.tv_sec = moved / 1'000'000'000;
    time.tv_nsec = moved % 1'000'000'000;
}

int read_clock(clockid_t clock, timespec* time) {
    static const auto real = next<decltype(&clock_gettime)>("clock_gettime");
    const int result = real(clock, time);
    if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) move_clock(*time);
    return result;
}

}  // namespace
}  // namespace lockstep::shim

using namespace lockstep::shim;

extern "C" {

__attribute__((visibility("default"))) ssize_t pwritev(int file, const iovec* pieces, int count, off_t offset) {
    static const auto real = next<decltype(&pwritev)>("pwritev");
    const auto write = [&] { return real(file, pieces, count, offset); };
    if (!is_disk(file)) return write();
    return write_disk(file, static_cast<std::uint64_t>(offset), bytes_of(pieces, count), write);
}

__attribute__((visibility("default"))) ssize_t pwrite(int file, const void* bytes, size_t size, off_t offset) {
    static const auto real = next<decltype(&pwrite)>("pwrite");
    const auto write = [&] { return real(file, bytes, size, offset); };
    return is_disk(file) ? write_disk(file, static_cast<std::uint64_t>(offset), size, write) : write();
}

__attribute__((visibility("default"))) ssize_t preadv(int file, const iovec* pieces, int count, off_t offset) {
    static const auto real = next<decltype(&preadv)>("preadv");
    const auto read = [&] { return real(file, pieces, count, offset); };
    return is_disk(file) ? read_disk(read) : read();
}

__attribute__((visibility("default"))) int fdatasync(int file) {
    static const auto real = next<decltype(&fdatasync)>("fdatasync");
    const auto barrier = [&] { return real(file); };
    return is_disk(file) ? pass_barrier(barrier) : barrier();
}

__attribute__((visibility("default"))) int fsync(int file) {
    static const auto real = next<decltype(&fsync)>("fsync");
    const auto barrier = [&] { return real(file); };
    return is_disk(file) ? pass_barrier(barrier) : barrier();
}

__attribute__((visibility("default"))) int clock_gettime(clockid_t clock, timespec* time) noexcept {
    return read_clock(clock, time);
}

__attribute__((visibility("default"))) int gettimeofday(timeval* time, void*) noexcept {
    timespec now{};
    const int result = read_clock(CLOCK_REALTIME, &now);
    time->tv_sec = now.tv_sec;
    time->tv_usec = now.tv_nsec / 1000;
    return result;
}

__attribute__((visibility("default"))) time_t time(time_t* result) noexcept {
    timespec now{};
    read_clock(CLOCK_REALTIME, &now);
    if (result != nullptr) *result = now.tv_sec;
    return now.tv_sec;
}

}  // extern "C"
