// The process between Lockstep and its LTTng daemons. It starts them, tells when they are ready, and when the pipe to
// Lockstep closes, for whatever reason, kills them with everything that they started, reaps all of it, and ends.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>

namespace lockstep::monitors {

// Everything that the keeper needs, made ready before the fork: afterwards it may neither allocate nor lock.
struct KeeperPlan {
    const char* const* relay_arguments;    // argv of lttng-relayd in the foreground, null-terminated
    const char* const* session_arguments;  // argv of lttng-sessiond in the foreground with --sig-parent; null: none
    const char* const* environment;
    // Ask the session daemon to end before killing it: it then tells programs that none is there. One that was killed
    // keeps them from looking for the next for 5 s.
    bool gently;
    int log_fd;                       // both daemons' standard output and error
    int lifeline_fd;                  // reading end; end of file means: stop
    int report_fd;                    // writing end for KeeperReport
    std::uint16_t relay_port;         // TCP on 127.0.0.1; the relay is ready when it accepts a connection here
    std::chrono::milliseconds limit;  // for both to be ready
};

// What the keeper tells, in this order: one of ready or failed; after ready, died if a daemon ends by itself.
enum class KeeperReport : char {
    ready = 'r',
    relay_failed = 'R',
    session_failed = 'S',
    too_slow = 't',
    died = 'd',
    broken = 'b'
};

// Forks the keeper; its process id, or -1 with errno. Safe in a process with many threads.
pid_t start_keeper(const KeeperPlan& plan);

}  // namespace lockstep::monitors
