// System calls are made directly: the C library's close() is one of those that we stand in front of.
#include "preload/process_identity.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace lockstep::preload {
namespace {

struct PathText {
    char text[64];
};

PathText proc_path(pid_t pid, const char* rest) {
    PathText path;
    std::snprintf(path.text, sizeof path.text, "/proc/%d/%s", static_cast<int>(pid), rest);
    return path;
}

PathText descriptor_path(pid_t pid, int descriptor) {
    PathText path;
    std::snprintf(path.text, sizeof path.text, "/proc/%d/fd/%d", static_cast<int>(pid), descriptor);
    return path;
}

// The fields of /proc/PID/stat after the command's name, which may itself hold spaces and brackets. Null: no such
// process.
const char* stat_fields(pid_t pid, char* buffer, std::size_t size) {
    const int file = static_cast<int>(syscall(SYS_openat, AT_FDCWD, proc_path(pid, "stat").text, O_RDONLY | O_CLOEXEC));
    if (file < 0) return nullptr;
    const auto length = syscall(SYS_read, file, buffer, size - 1);
    syscall(SYS_close, file);
    if (length <= 0) return nullptr;
    buffer[length] = '\0';
    const char* bracket = std::strrchr(buffer, ')');
    return bracket == nullptr ? nullptr : bracket + 2;
}

// The field with this number as proc(5) counts; the first that stat_fields() gives is the third.
const char* field(const char* fields, int number) {
    for (; fields != nullptr && number > 3; --number) {
        fields = std::strchr(fields, ' ');
        if (fields != nullptr) ++fields;
    }
    return fields;
}

std::uint32_t pid_namespace_of(pid_t pid) {
    struct stat status {};
    return stat(proc_path(pid, "ns/pid").text, &status) == 0 ? static_cast<std::uint32_t>(status.st_ino) : 0;
}

bool is_of_our_namespace(const Process& process) {
    return process.pid_namespace == this_process().pid_namespace;
}

}  // namespace

Process process_of(pid_t pid) {
    char buffer[1024];
    const char* start = field(stat_fields(pid, buffer, sizeof buffer), 22);
    if (start == nullptr) return {pid, 0, 0};
    return {pid, pid_namespace_of(pid), std::strtoull(start, nullptr, 10)};
}

Process this_process() {
    // A forked child finds its parent's here. Two threads that look at once find the same.
    static thread_local Process known __attribute__((tls_model("initial-exec")));
    const pid_t pid = static_cast<pid_t>(syscall(SYS_getpid));
    if (known.pid != pid) known = process_of(pid);
    return known;
}

pid_t parent_of(pid_t pid) {
    char buffer[1024];
    const char* parent = field(stat_fields(pid, buffer, sizeof buffer), 4);
    return parent == nullptr ? 0 : static_cast<pid_t>(std::strtol(parent, nullptr, 10));
}

bool is_gone(const Process& process) {
    if (!is_of_our_namespace(process)) return false;
    char buffer[1024];
    const char* fields = stat_fields(process.pid, buffer, sizeof buffer);
    if (fields == nullptr) return true;
    // A zombie has closed all its files.
    return *fields == 'Z' || *fields == 'X' || std::strtoull(field(fields, 22), nullptr, 10) != process.start_ticks;
}

bool look_at(int descriptor, const char* path, LocalFile& file) {
    struct stat status {};
    if (fstatat(descriptor, path, &status, *path == '\0' ? AT_EMPTY_PATH : 0) != 0) return false;
    file = {status.st_dev, status.st_ino};
    return true;
}

bool detail::is_descriptor_of(pid_t pid, int descriptor, const LocalFile& file) {
    LocalFile found;
    return look_at(AT_FDCWD, descriptor_path(pid, descriptor).text, found) && found == file;
}

bool may_have_open(const Process& process, int descriptor, const LocalFile& file) {
    if (!is_of_our_namespace(process)) return true;
    return !is_gone(process) && detail::is_descriptor_of(process.pid, descriptor, file);
}

bool may_have_open(const Process& process, const LocalFile& file) {
    if (!is_of_our_namespace(process)) return true;
    if (is_gone(process)) return false;
    bool found = false;
    struct Context {
        const Process& process;
        const LocalFile& file;
        bool& found;
    } context{process, file, found};
    const bool listed = detail::list_descriptors(
        process.pid,
        [](void* opaque, int descriptor) {
            auto& all = *static_cast<Context*>(opaque);
            all.found = detail::is_descriptor_of(all.process.pid, descriptor, all.file);
            return !all.found;
        },
        &context);
    return found || !listed;
}

bool is_same_description(pid_t one, int descriptor, pid_t other, int others_descriptor) {
    if (one == other && descriptor == others_descriptor) return true;
    return syscall(SYS_kcmp, one, other, KCMP_FILE, descriptor, others_descriptor) == 0;
}

bool detail::list_descriptors(pid_t pid, bool (*visit)(void* context, int descriptor), void* context) {
    const int folder =
        static_cast<int>(syscall(SYS_openat, AT_FDCWD, proc_path(pid, "fd").text, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (folder < 0) return false;
    alignas(dirent64) char buffer[4096];
    long length = 0;
    bool go_on = true;
    while (go_on && (length = syscall(SYS_getdents64, folder, buffer, sizeof buffer)) > 0) {
        for (long at = 0; go_on && at < length;) {
            const auto* entry = reinterpret_cast<const dirent64*>(buffer + at);
            at += entry->d_reclen;
            if (entry->d_name[0] != '.') go_on = visit(context, std::atoi(entry->d_name));
        }
    }
    syscall(SYS_close, folder);
    return length >= 0;
}

}  // namespace lockstep::preload
