#include "reactors/culprit.hpp"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <charconv>
#include <filesystem>
#include <fstream>
#include <string>

#include "reactors/reactor.hpp"

namespace lockstep::reactors {
namespace {

// The process's number in its own PID namespace: the last of the line NSpid. 0 when it is gone.
pid_t innermost_pid(const std::filesystem::path& process) {
    std::ifstream status(process / "status");
    for (std::string line; std::getline(status, line);)
        if (line.starts_with("NSpid:")) return std::atoi(line.substr(line.find_last_of(" \t") + 1).c_str());
    return 0;
}

std::uint64_t net_ns_of(const std::filesystem::path& process) {
    struct stat status;
    return stat((process / "ns" / "net").c_str(), &status) == 0 ? status.st_ino : 0;
}

const EventOrigin& origin_of(const Report& report) {
    const bool by_time = report.origin.vpid == 0 && !report.history.empty();
    return by_time ? report.history.back().origin : report.origin;
}

}  // namespace

pid_t culprit_of(const Report& report) {
    const EventOrigin& origin = origin_of(report);
    if (origin.vpid == 0) throw ReactorError("the report does not say which process it was");
    pid_t found = 0;
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator("/proc", error)) {
        const std::string name = entry.path().filename();
        pid_t pid = 0;
        if (std::from_chars(name.data(), name.data() + name.size(), pid).ec != std::errc() || pid == getpid()) continue;
        if (innermost_pid(entry.path()) != static_cast<pid_t>(origin.vpid)) continue;
        if (origin.net_ns != 0 && net_ns_of(entry.path()) != origin.net_ns) continue;
        if (found != 0)
            throw ReactorError(fmt::format("process {} of network namespace {} may be {} or {}: none is signalled",
                                           origin.vpid, origin.net_ns, found, pid));
        found = pid;
    }
    if (found == 0) throw ReactorError(fmt::format("process {} is gone, or not on this machine", origin.vpid));
    return found;
}

}  // namespace lockstep::reactors
