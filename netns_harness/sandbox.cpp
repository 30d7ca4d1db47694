// The caller's and the keeper's part of a sandbox; init's part is in sandbox_init.cpp.
#include "netns_harness/sandbox.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "netns_harness/sandbox_init.hpp"

namespace lockstep::harness {
namespace {

sigset_t stop_signals() {
    sigset_t set;
    sigemptyset(&set);
    for (int signal : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&set, signal);
    return set;
}

// Blocks the stop signals and SIGCHLD in this thread for as long as it lives.
class BlockedSignals {
 public:
    BlockedSignals() {
        sigset_t set = stop_signals();
        sigaddset(&set, SIGCHLD);
        pthread_sigmask(SIG_BLOCK, &set, &before_);
    }
    ~BlockedSignals() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
    BlockedSignals(const BlockedSignals&) = delete;
    BlockedSignals& operator=(const BlockedSignals&) = delete;

 private:
    sigset_t before_{};
};

// Maps root inside to the user outside: the only mapping that needs no right.
void map_to_root(uid_t uid, gid_t gid) {
    write_file("/proc/self/setgroups", "deny");
    write_file("/proc/self/uid_map", "0 " + std::to_string(uid) + " 1");
    write_file("/proc/self/gid_map", "0 " + std::to_string(gid) + " 1");
}

void enter_namespaces() {
    constexpr int namespaces = CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWUTS | CLONE_NEWIPC;
    const uid_t uid = geteuid();
    const gid_t gid = getegid();
    if (uid == 0 && unshare(namespaces) == 0) return;
    if (unshare(CLONE_NEWUSER | namespaces) != 0)
        throw_errno(
            "cannot make namespaces (needs root, or unprivileged user namespaces: sysctl user.max_user_namespaces, "
            "user.max_net_namespaces, kernel.unprivileged_userns_clone)");
    map_to_root(uid, gid);
}

void die_with_parent(pid_t parent) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(exit_sandbox_failed);  // it died before we asked
}

[[noreturn]] void keep(pid_t caller, Pipe& report_pipe, const Init& init) {
    die_with_parent(caller);
    SetupReport report;
    Pipe alive;
    try {
        alive = make_pipe();
        enter_namespaces();
        prctl(PR_SET_PDEATHSIG, SIGKILL);  // changing credentials cleared it
        report.init = require(fork(), "cannot start the sandbox");
        if (report.init == 0) init.run(alive, report_pipe);
    } catch (const std::exception& error) {
        report.set_error(error.what());
    }
    report.send(report_pipe.write.get());
    report_pipe.write.reset();
    int status = 0;
    while (report.init > 0 && waitpid(report.init, &status, 0) < 0 && errno == EINTR) {
    }
    _exit(report.init > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : exit_sandbox_failed);
}

// The caller's side: waits for the keeper, relays signals, holds the limits.
class Supervisor {
 public:
    Supervisor(const SandboxOptions& options, pid_t keeper, pid_t init)
        : options_(options), keeper_(keeper), init_(init), deadline_(Clock::now() + options.limit) {
        sigset_t set = stop_signals();
        sigaddset(&set, SIGCHLD);
        signals_ = Fd(require(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK), "cannot receive signals"));
    }

    int wait() {
        for (;;) {
            int status = 0;
            const pid_t ended = waitpid(keeper_, &status, WNOHANG);
            if (ended == keeper_) return judge(status);
            if (Clock::now() >= deadline_) kill_sandbox();
            pollfd wanted{signals_.get(), POLLIN, 0};
            poll(&wanted, 1, poll_timeout_ms(deadline_));
            take_signals();
        }
    }

 private:
    void take_signals() {
        signalfd_siginfo info;
        while (read(signals_.get(), &info, sizeof info) == sizeof info) {
            if (info.ssi_signo == SIGCHLD) continue;
            if (stopping_) return kill_sandbox();
            stopping_ = true;
            kill(init_, static_cast<int>(info.ssi_signo));
            deadline_ = std::min(deadline_, Clock::now() + options_.grace_after_signal);
        }
    }

    void kill_sandbox() {
        if (!killed_) kill(init_, SIGKILL);
        killed_ = true;
        deadline_ = Clock::time_point::max();
    }

    int judge(int status) const {
        using Reason = SandboxKilled::Reason;
        if (killed_ && stopping_) throw SandboxKilled(Reason::signal, "interrupted: ended at once");
        if (killed_)
            throw SandboxKilled(Reason::limit,
                                "ended after " + std::to_string(options_.limit.count()) + " ms: the run's own limit");
        if (!WIFEXITED(status) || WEXITSTATUS(status) == exit_sandbox_failed)
            throw SandboxKilled(Reason::crash, "the sandbox's processes died");
        return WEXITSTATUS(status);
    }

    const SandboxOptions& options_;
    pid_t keeper_;
    pid_t init_;
    Clock::time_point deadline_;
    Fd signals_;
    bool stopping_ = false;
    bool killed_ = false;
};

// Reads what keeper and init report until both closed the pipe. Init closes it once it is set up, or writes why it
// isn't.
pid_t read_reports(int fd, pid_t keeper) {
    SetupReport report;
    pid_t init = -1;
    std::string error;
    while (read(fd, &report, sizeof report) == sizeof report) {
        if (report.has_error()) error = report.error;
        if (report.init > 0) init = report.init;
    }
    if (init > 0 && error.empty()) return init;
    if (init > 0) kill(init, SIGKILL);
    waitpid(keeper, nullptr, 0);
    throw Error(error.empty() ? "the sandbox could not be started" : error);
}

}  // namespace

bool Sandbox::stop_requested() const {
    pollfd wanted{stop_fd_, POLLIN, 0};
    return poll(&wanted, 1, 0) > 0;
}

int run_in_sandbox(const SandboxOptions& options, const std::function<int(Sandbox&)>& body) {
    std::fflush(nullptr);  // or both copies of the process would write what is buffered now
    const BlockedSignals blocked;
    Pipe report = make_pipe();
    const Init init(options, body);
    const pid_t caller = getpid();
    const pid_t keeper = require(fork(), "cannot start the sandbox's keeper");
    if (keeper == 0) keep(caller, report, init);
    report.write.reset();
    const pid_t init_pid = read_reports(report.read.get(), keeper);
    return Supervisor(options, keeper, init_pid).wait();
}

}  // namespace lockstep::harness
