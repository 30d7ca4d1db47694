// A session daemon and a relay daemon of one's own: started here, seen by nobody else, gone afterwards.
//
// Root's session daemon has a fixed run directory, /var/run/lttng, and LTTng-UST programs meet it there and in
// /dev/shm. So privacy is a mount namespace with empty tmpfs on /run and /dev/shm: the harness' sandbox is one, and
// enter_private_run_directories() makes one for the calling thread and what it starts from then on.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "monitors/lttng/lttng_error.hpp"

namespace lockstep::monitors {

// Gives the calling thread, and every thread and process that it starts afterwards, empty tmpfs on /run and /dev/shm,
// and a network namespace with only lo, up. When not root also a user namespace, which needs the process to have one
// thread only. Call it before other threads that shall take part exist. Throws LttngError naming the step that failed.
void enter_private_run_directories();

struct PrivateLttngOptions {
    // For the relay's traces and the daemons' logs; made if missing, emptied by nobody: a private tmpfs is a good
    // place.
    std::filesystem::path work_directory = "/run/lockstep-lttng";
    // The longest that starting, and stopping, may take.
    std::chrono::milliseconds limit{10'000};
    // The network namespace belongs to Lockstep, so its loopback may be tuned (loopback.hpp);
    // enter_private_run_directories() has done so already.
    bool own_network_namespace = false;
    // The session daemon meets the programs that would meet the user's own (in /var/run/lttng, or below LTTNG_HOME),
    // and need not be root's. For attaching to programs that run already. Not set: everything stays in private mounts.
    bool meets_users_programs = false;
    // Only a relay: there is a session daemon.
    bool only_relay = false;
};

// Whether a session daemon answers where this user's programs would meet it. Throws LttngError when none answers within
// `limit`, neither yes nor no.
bool session_daemon_runs(std::chrono::milliseconds limit = std::chrono::seconds(10));

// Both daemons run from the constructor's return on. Not thread-safe.
// Whatever ends this process, even SIGKILL, ends the daemons and the consumer daemons that they start: a keeper process
// holds a pipe to this one and kills them all when it closes.
class PrivateLttng {
 public:
    // Returns when both daemons answer (some 30 ms). Throws LttngError with their last log lines when one does not.
    // Refuses to start where a session daemon's run directory already holds a daemon.
    explicit PrivateLttng(const PrivateLttngOptions& options = {});
    // As stop(), errors ignored.
    ~PrivateLttng();
    PrivateLttng(const PrivateLttng&) = delete;
    PrivateLttng& operator=(const PrivateLttng&) = delete;

    // Kills the daemons and waits until no process of theirs is left. Traces that were not read are gone. Destroy
    // sessions first if they shall end in good order. Throws LttngError at the time limit. Further calls do nothing.
    void stop();

    // Both daemons are alive, as far as the keeper knows; does not wait.
    bool running() const;

    // Where sessions send their data ("net://127.0.0.1:CONTROL:DATA") and where viewers read ("net://127.0.0.1:PORT").
    std::string relay_url() const;
    std::string viewer_url() const;
    // Below it the relay writes what sessions send: PrivateLttngOptions::work_directory.
    std::filesystem::path trace_directory() const;

    // The last lines that the daemons wrote, oldest first; empty when they were silent.
    std::string last_log_lines(std::size_t lines = 8) const;

 private:
    struct Running;
    std::unique_ptr<Running> running_;
};

// What a traced program needs in its environment: wait for the session daemon at start-up, so that no early event is
// missed, and with `no_loss` let tracepoints wait for buffer space instead of discarding.
std::vector<std::pair<std::string, std::string>> traced_program_environment(bool no_loss);

}  // namespace lockstep::monitors
