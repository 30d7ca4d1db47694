#include "cli/running_programs.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <thread>

namespace lockstep::cli {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// Programs whose last session daemon was killed look for the next after 5 s.
constexpr milliseconds registration_limit{8'000};

}  // namespace

WatchedProcess::WatchedProcess(pid_t pid) : pid_(pid), handle_(static_cast<int>(syscall(SYS_pidfd_open, pid, 0))) {
    if (handle_ < 0) throw std::runtime_error(fmt::format("there is no process {}", pid));
    std::ifstream status(fmt::format("/proc/{}/status", pid));
    for (std::string line; std::getline(status, line);)
        if (line.starts_with("NSpid:"))
            vpid_ = static_cast<std::uint32_t>(std::atoi(line.substr(line.find_last_of(" \t") + 1).c_str()));
    if (may_have_tracepoints()) return;
    close(handle_);
    throw std::runtime_error(fmt::format("process {} has no tracepoints: it has not loaded LTTng-UST", pid));
}

WatchedProcess::~WatchedProcess() {
    close(handle_);
}

bool WatchedProcess::ended() const {
    pollfd waiting{handle_, POLLIN, 0};
    return poll(&waiting, 1, 0) > 0;
}

bool WatchedProcess::was_started_with(const std::string& variable) const {
    std::ifstream environment(fmt::format("/proc/{}/environ", pid_), std::ios::binary);
    for (std::string each; std::getline(environment, each, '\0');)
        if (each == variable) return true;
    return false;
}

// False only when that can be seen.
bool WatchedProcess::may_have_tracepoints() const {
    std::ifstream maps(fmt::format("/proc/{}/maps", pid_));
    bool readable = false;
    for (std::string line; std::getline(maps, line); readable = true)
        if (line.find("liblttng-ust") != std::string::npos) return true;
    return !readable;
}

LttngDaemons::LttngDaemons() {
    monitors::PrivateLttngOptions options;
    options.work_directory = scratch_.path();
    options.meets_users_programs = true;
    options.only_relay = monitors::session_daemon_runs();
    daemons_ = std::make_unique<monitors::PrivateLttng>(options);
}

std::vector<monitors::ProgramTracepoint> tracepoints_when_registered(
    const std::vector<const WatchedProcess*>& processes) {
    const auto until = steady_clock::now() + registration_limit;
    for (;;) {
        auto tracepoints = monitors::program_tracepoints();
        const auto missing = std::ranges::find_if(processes, [&](const WatchedProcess* process) {
            return std::ranges::find(tracepoints, process->vpid(), &monitors::ProgramTracepoint::vpid) ==
                   tracepoints.end();
        });
        if (missing == processes.end()) return tracepoints;
        if (steady_clock::now() > until)
            throw std::runtime_error(fmt::format(
                "process {} has not registered with LTTng: it has no tracepoints of LTTng-UST, or is another user's",
                (*missing)->pid()));
        std::this_thread::sleep_for(milliseconds(10));
    }
}

}  // namespace lockstep::cli
