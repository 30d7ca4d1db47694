// LTTng-UST programs that run already, as `attach` and `events` meet them.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "cli/scratch_folder.hpp"
#include "monitors/lttng/private_lttng.hpp"
#include "monitors/lttng/program_tracepoints.hpp"

namespace lockstep::cli {

// A process named on the command line, from the moment it was found to its end.
class WatchedProcess {
 public:
    // Throws std::runtime_error when there is none, or it has not loaded LTTng-UST.
    explicit WatchedProcess(pid_t pid);
    ~WatchedProcess();
    WatchedProcess(const WatchedProcess&) = delete;
    WatchedProcess& operator=(const WatchedProcess&) = delete;

    pid_t pid() const { return pid_; }
    std::uint32_t vpid() const { return vpid_; }  // as LTTng's events name it: as it sees itself

    bool ended() const;
    // `variable`: "NAME=VALUE".
    bool was_started_with(const std::string& variable) const;

 private:
    bool may_have_tracepoints() const;

    pid_t pid_;
    int handle_;
    std::uint32_t vpid_ = 0;
};

// What is needed to see the user's programs: a relay of our own, and a session daemon where none runs, until the end of
// this object. Throws monitors::LttngError.
class LttngDaemons {
 public:
    LttngDaemons();
    const monitors::PrivateLttng& get() const { return *daemons_; }

 private:
    ScratchFolder scratch_{"lockstep-live"};
    std::unique_ptr<monitors::PrivateLttng> daemons_;
};

// The tracepoints of every registered program, as soon as `processes` are among them: a program registers by itself
// when there is a session daemon. Throws std::runtime_error when one of them does not.
std::vector<monitors::ProgramTracepoint> tracepoints_when_registered(
    const std::vector<const WatchedProcess*>& processes);

}  // namespace lockstep::cli
