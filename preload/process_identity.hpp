// Which process, and what it has open: asked of /proc and of kcmp(2), without the C library's streams.
#pragma once

#include <sys/types.h>

#include <cstdint>

namespace lockstep::preload {

// Distinct from all others on the machine, also from later ones with the same number.
struct Process {
    std::int32_t pid = 0;             // as it sees itself
    std::uint32_t pid_namespace = 0;  // its inode
    std::uint64_t start_ticks = 0;    // since the machine's start
    bool operator==(const Process&) const = default;
};

// A file as this machine knows it.
struct LocalFile {
    std::uint64_t device = 0;
    std::uint64_t inode = 0;
    bool operator==(const LocalFile&) const = default;
};

Process this_process();

// `pid` as the calling process sees it; start_ticks 0 when there is none.
Process process_of(pid_t pid);

// Its parent's number; 0: none that can be seen.
pid_t parent_of(pid_t pid);

// Whether it is over. False also when that can't be known: a process of another PID namespace.
bool is_gone(const Process& process);

// Whether the process has the file open as this descriptor, or, without one, as any. True also when that can't be
// known.
bool may_have_open(const Process& process, int descriptor, const LocalFile& file);
bool may_have_open(const Process& process, const LocalFile& file);

// Whether two descriptors are of one open file description. False also when that can't be known.
bool is_same_description(pid_t one, int descriptor, pid_t other, int others_descriptor);

// Calls visit(descriptor) for each descriptor of the process that is of the file.
template <class Visit>
void for_each_descriptor_of(pid_t pid, const LocalFile& file, Visit visit);

// The file behind a path or, with an empty one, a descriptor. False: there is none.
bool look_at(int descriptor, const char* path, LocalFile& file);

namespace detail {
// Calls visit(context, descriptor) until it returns false. False: the descriptors can't be listed.
bool list_descriptors(pid_t pid, bool (*visit)(void* context, int descriptor), void* context);
bool is_descriptor_of(pid_t pid, int descriptor, const LocalFile& file);
}  // namespace detail

template <class Visit>
void for_each_descriptor_of(pid_t pid, const LocalFile& file, Visit visit) {
    struct Context {
        pid_t pid;
        const LocalFile& file;
        Visit& visit;
    } context{pid, file, visit};
    detail::list_descriptors(
        pid,
        [](void* opaque, int descriptor) {
            auto& all = *static_cast<Context*>(opaque);
            if (detail::is_descriptor_of(all.pid, descriptor, all.file)) all.visit(descriptor);
            return true;
        },
        &context);
}

}  // namespace lockstep::preload
