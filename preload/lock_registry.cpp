#include "preload/lock_registry.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>

namespace lockstep::preload {
namespace {

constexpr std::size_t memory_bytes = sizeof(RegistryMemory);

void close_file(int file) {
    syscall(SYS_close, file);
}

// Fresh from the kernel, so all zero.
void make_head(RegistryMemory& memory) {
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(&memory.head.mutex, &attributes);
    pthread_mutexattr_destroy(&attributes);
    memory.head.pid_namespace = this_process().pid_namespace;
    memory.head.format = registry_format;
}

RegistryMemory* map(int file) {
    struct stat status {};
    if (fstat(file, &status) != 0 || static_cast<std::size_t>(status.st_size) != memory_bytes) return nullptr;
    void* memory = mmap(nullptr, memory_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    return memory == MAP_FAILED ? nullptr : static_cast<RegistryMemory*>(memory);
}

// A registry appears under its name whole: it is made without one, then linked.
void make(const char* path) {
    char folder[256];
    std::snprintf(folder, sizeof folder, "%s", path);
    if (char* slash = std::strrchr(folder, '/')) *slash = '\0';
    const int file = static_cast<int>(syscall(SYS_openat, AT_FDCWD, folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
    if (file < 0) return;
    if (ftruncate(file, memory_bytes) == 0)
        if (RegistryMemory* memory = map(file)) {
            make_head(*memory);
            munmap(memory, memory_bytes);
            char source[64];
            std::snprintf(source, sizeof source, "/proc/self/fd/%d", file);
            linkat(AT_FDCWD, source, AT_FDCWD, path, AT_SYMLINK_FOLLOW);  // another process may have been faster
        }
    close_file(file);
}

RegistryMemory* open_existing(const char* path) {
    const int file = static_cast<int>(syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC | O_NOFOLLOW));
    if (file < 0) return nullptr;
    struct stat status {};
    RegistryMemory* memory = fstat(file, &status) == 0 && status.st_uid == geteuid() ? map(file) : nullptr;
    close_file(file);
    if (memory != nullptr && memory->head.format != registry_format) {
        munmap(memory, memory_bytes);
        return nullptr;
    }
    return memory;
}

RegistryMemory* open_or_make(const char* path) {
    if (RegistryMemory* memory = open_existing(path)) return memory;
    make(path);
    return open_existing(path);
}

RegistryMemory* make_private() {
    void* memory = mmap(nullptr, memory_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) std::abort();
    make_head(*static_cast<RegistryMemory*>(memory));
    return static_cast<RegistryMemory*>(memory);
}

template <class Entries>
auto* free_entry(Entries& entries, std::uint32_t& end, bool (*is_free)(const typename Entries::value_type&)) {
    const auto used = entries.begin() + end;
    const auto found = std::find_if(entries.begin(), used, is_free);
    if (found != used) return &*found;
    return end == entries.size() ? nullptr : &entries[end++];
}

}  // namespace

LockRegistry::LockRegistry() {
    char usual[64];
    std::snprintf(usual, sizeof usual, "/dev/shm/lockstep-file-locks-%u", static_cast<unsigned>(geteuid()));
    const char* told = std::getenv(registry_variable);
    const char* path = told == nullptr ? usual : told;
    const int error = errno;
    memory_ = open_or_make(path);
    if (memory_ == nullptr) {
        dprintf(STDERR_FILENO, "lockstep: process %d can't use %s (%s): who else holds file locks is not known\n",
                static_cast<int>(getpid()), path, std::strerror(errno));
        memory_ = make_private();
    }
    errno = error;
}

LockRegistry& LockRegistry::get() {
    // Never destroyed: other libraries' destructors close files.
    alignas(LockRegistry) static unsigned char memory[sizeof(LockRegistry)];
    static LockRegistry* const registry = new (memory) LockRegistry;
    return *registry;
}

LockRegistry::Hold::Hold(LockRegistry& registry) : registry_(registry), error_(errno) {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &signals_);
    RegistryHead& head = registry_.head();
    if (pthread_mutex_lock(&head.mutex) == EOWNERDEAD) {
        ++head.damaged;
        pthread_mutex_consistent(&head.mutex);
    }
}

LockRegistry::Hold::~Hold() {
    pthread_mutex_unlock(&registry_.head().mutex);
    pthread_sigmask(SIG_SETMASK, &signals_, nullptr);
    errno = error_;
}

std::atomic<std::uint32_t>& LockRegistry::about(pid_t pid, int descriptor) const {
    const std::uint64_t both =
        (static_cast<std::uint64_t>(static_cast<std::uint32_t>(pid)) << 32) | static_cast<std::uint32_t>(descriptor);
    return memory_->head.about[(both * 0x9e3779b97f4a7c15) >> (64 - 12)];
}

bool LockRegistry::may_know(pid_t pid, int descriptor) const {
    return about(pid, descriptor).load(std::memory_order_relaxed) != 0;
}

HolderEntry* LockRegistry::find_process(const File& file, const Process& process) {
    HolderEntry* found = nullptr;
    for_each_holder([&](HolderEntry& holder) {
        if (holder.kind == HolderKind::process && holder.process == process && holder.file.name == file.name)
            found = &holder;
    });
    return found;
}

HolderEntry* LockRegistry::find_reference(const char* name, const Process& process, int descriptor) {
    HolderEntry* found = nullptr;
    for_each_reference([&](ReferenceEntry& reference) {
        if (reference.descriptor == descriptor && reference.process == process &&
            std::strcmp(holder_of(reference).file.name.data(), name) == 0)
            found = &holder_of(reference);
    });
    return found;
}

HolderEntry* LockRegistry::add_holder(HolderKind kind, const File& file, const Process& process) {
    HolderEntry* holder = free_entry(memory_->holders, memory_->holders_end,
                                     [](const HolderEntry& each) { return each.kind == HolderKind::unused; });
    if (holder == nullptr) {
        ++head().not_noted;
        return nullptr;
    }
    *holder = {};
    holder->process = process;
    holder->file = file;
    holder->kind = kind;
    if (kind == HolderKind::description)
        holder->number = ++head().last_number;
    else
        about(process.pid, -1).fetch_add(1, std::memory_order_relaxed);
    return holder;
}

void LockRegistry::remove(HolderEntry& holder) {
    for_each_range(holder, [](RangeEntry& range) { range.holder = 0; });
    for_each_reference([&](ReferenceEntry& reference) {
        if (&holder_of(reference) == &holder) remove(reference);
    });
    if (holder.kind == HolderKind::process) about(holder.process.pid, -1).fetch_sub(1, std::memory_order_relaxed);
    holder.kind = HolderKind::unused;
}

void LockRegistry::add_reference(HolderEntry& holder, const Process& process, int descriptor) {
    bool known = false;
    for_each_reference([&](ReferenceEntry& each) {
        known |= &holder_of(each) == &holder && each.process == process && each.descriptor == descriptor;
    });
    if (known) return;
    ReferenceEntry* reference = free_entry(memory_->references, memory_->references_end,
                                           [](const ReferenceEntry& each) { return each.holder == 0; });
    if (reference == nullptr) return void(++head().not_noted);
    *reference = {index_of(holder), descriptor, process};
    about(process.pid, descriptor).fetch_add(1, std::memory_order_relaxed);
}

void LockRegistry::remove(ReferenceEntry& reference) {
    about(reference.process.pid, reference.descriptor).fetch_sub(1, std::memory_order_relaxed);
    reference.holder = 0;
}

RangeEntry* LockRegistry::add_range(const HolderEntry& holder, const ByteRange& range, std::uint8_t mode) {
    RangeEntry* entry =
        free_entry(memory_->ranges, memory_->ranges_end, [](const RangeEntry& each) { return each.holder == 0; });
    if (entry == nullptr)
        ++head().not_noted;
    else
        *entry = {index_of(holder), mode, false, range.first, range.last};
    return entry;
}

void LockRegistry::unlock(HolderEntry& holder, const ByteRange& range) {
    for_each_range(holder, [&](RangeEntry& each) {
        if (!range.overlaps({each.first, each.last})) return;
        const RangeEntry old = each;
        each.holder = 0;
        if (old.first < range.first)
            if (RangeEntry* before = add_range(holder, {old.first, range.first - 1}, old.mode))
                before->suspended = old.suspended;
        if (old.last > range.last)
            if (RangeEntry* after = add_range(holder, {range.last + 1, old.last}, old.mode))
                after->suspended = old.suspended;
    });
}

void LockRegistry::suspend(HolderEntry& holder, const RangeEntry& entry, const ByteRange& part) {
    const std::uint8_t mode = entry.mode;
    unlock(holder, part);
    if (RangeEntry* suspended = add_range(holder, part, mode)) suspended->suspended = true;
}

void LockRegistry::lock(HolderEntry& holder, const ByteRange& range, std::uint8_t mode) {
    unlock(holder, range);
    ByteRange whole = range;
    for_each_range(holder, [&](RangeEntry& each) {
        if (each.mode != mode || each.suspended) return;
        const bool touches_below = whole.first > 0 && each.last == whole.first - 1;
        const bool touches_above = each.first > 0 && each.first - 1 == whole.last;
        if (!touches_below && !touches_above) return;
        whole = {std::min(whole.first, each.first), std::max(whole.last, each.last)};
        each.holder = 0;
    });
    add_range(holder, whole, mode);
}

bool LockRegistry::holds_any(const HolderEntry& holder) {
    bool any = false;
    for_each_range(holder, [&](RangeEntry&) { any = true; });
    return any;
}

}  // namespace lockstep::preload
