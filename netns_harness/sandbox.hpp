// A sandbox: a piece of work with process, mount, network, UTS and IPC namespaces of its own (and a user namespace when
// not root), which nothing outlives.
//
//     caller ── keeper ── init (process 1 inside) ── body ── whatever it starts
//
// The keeper makes the namespaces; init mounts /proc and empty /run and /dev/shm, then only reaps; the body does the
// work. Each dies with its parent (PR_SET_PDEATHSIG), and when init dies the kernel kills everything inside and frees
// the network namespaces with their links. So a SIGKILL of the caller leaves no process, namespace, link, socket or
// directory.
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <vector>

#include "netns_harness/system.hpp"

namespace lockstep::harness {

struct SandboxOptions {
    // The sandbox is killed when the body takes longer.
    milliseconds limit{600'000};
    // After a first signal the body has this long to end by itself; a second signal kills at once.
    milliseconds grace_after_signal{10'000};
    // Directories of the host that stay visible although /run and /dev/shm are hidden by empty ones.
    std::vector<std::filesystem::path> visible;
};

// What the body is given. Its methods may be called from any thread.
class Sandbox {
 public:
    // An existing empty directory in memory, gone with the sandbox; short enough for paths of sockets.
    static constexpr const char* scratch = "/run/lockstep";

    // Becomes readable, and stays so, when the caller got SIGINT, SIGTERM or SIGHUP: end soon, in good order.
    int stop_fd() const { return stop_fd_; }
    bool stop_requested() const;

 private:
    friend int run_in_sandbox(const SandboxOptions&, const std::function<int(Sandbox&)>&);
    friend class Init;
    explicit Sandbox(int stop_fd) : stop_fd_(stop_fd) {}
    int stop_fd_;
};

// How the body ended when it did not end by itself.
class SandboxKilled : public Error {
 public:
    enum class Reason { limit, signal, crash };
    SandboxKilled(Reason why, const std::string& message) : Error(message), reason(why) {}
    Reason reason;
};

// Runs `body` in a new sandbox and returns its exit status (0 to 255); an exception that leaves the body is printed to
// stderr as one line, exit status 2. The body is a copy of the calling process (fork) with only the calling thread, as
// root of the sandbox, SIGINT, SIGTERM and SIGHUP blocked; it shares standard input, output and error, and the host's
// files. Call with one thread only. SIGINT, SIGTERM and SIGHUP that come meanwhile are relayed to the body as
// Sandbox::stop_fd. Throws Error when the sandbox can't be made (the message names the missing right) and
// SandboxKilled.
int run_in_sandbox(const SandboxOptions& options, const std::function<int(Sandbox&)>& body);

}  // namespace lockstep::harness
