#include "netns_harness/resources.hpp"

#include <sys/resource.h>
#include <unistd.h>

#include <charconv>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <string>

namespace lockstep::harness {
namespace {

namespace fs = std::filesystem;

template <class Visit>
void for_each_process(Visit visit) {
    std::error_code gone;  // processes come and go while we look
    for (const auto& entry : fs::directory_iterator("/proc", gone)) {
        const std::string name = entry.path().filename();
        pid_t pid = 0;
        const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), pid);
        if (error == std::errc() && end == name.data() + name.size()) visit(pid, entry.path());
    }
}

struct Stat {
    std::string name;
    double cpu_s = 0;           // its own
    double children_cpu_s = 0;  // of its children that it has waited for
};

// Nothing of a process that is gone. Its name may hold anything, parentheses too.
Stat stat_of(const fs::path& process) {
    std::ifstream file(process / "stat");
    std::string text;
    std::getline(file, text, '\0');
    const std::size_t begin = text.find('('), end = text.rfind(')');
    if (begin == std::string::npos || end == std::string::npos) return {};
    std::istringstream words(text.substr(end + 1));
    std::string skipped;
    for (int field = 3; field < 14; ++field) words >> skipped;
    double user = 0, system = 0, children_user = 0, children_system = 0;
    words >> user >> system >> children_user >> children_system;
    const auto ticks = static_cast<double>(sysconf(_SC_CLK_TCK));
    return {text.substr(begin + 1, end - begin - 1), (user + system) / ticks,
            (children_user + children_system) / ticks};
}

}  // namespace

Held held_by(pid_t process) {
    const fs::path folder = "/proc/" + std::to_string(process);
    Held held;
    std::ifstream status(folder / "status");
    for (std::string line; std::getline(status, line);)
        if (line.starts_with("VmRSS:")) held.resident_kib = std::stoull(line.substr(6));
    std::error_code gone;
    for ([[maybe_unused]] const auto& descriptor : fs::directory_iterator(folder / "fd", gone)) ++held.descriptors;
    return held;
}

Crowd count_processes() {
    Crowd crowd;
    std::set<std::string> namespaces;
    for_each_process([&](pid_t, const fs::path& folder) {
        std::error_code gone;
        const fs::path net = fs::read_symlink(folder / "ns/net", gone);
        if (gone) return;
        ++crowd.processes;
        namespaces.insert(net);
    });
    crowd.network_namespaces = namespaces.size();
    return crowd;
}

CpuUse cpu_use() {
    CpuUse use;
    for_each_process([&](pid_t pid, const fs::path& folder) {
        const Stat stat = stat_of(folder);
        if (pid == getpid()) {
            use.harness_s += stat.cpu_s;
            use.programs_s += stat.children_cpu_s;
        } else if (stat.name.starts_with("lttng-")) {
            use.tracing_s += stat.cpu_s + stat.children_cpu_s;
        } else {
            use.programs_s += stat.cpu_s + stat.children_cpu_s;
        }
    });
    return use;
}

CpuUse operator-(CpuUse later, const CpuUse& earlier) {
    return {later.programs_s - earlier.programs_s, later.tracing_s - earlier.tracing_s,
            later.harness_s - earlier.harness_s};
}

}  // namespace lockstep::harness
