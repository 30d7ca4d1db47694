#include "netns_harness/sandbox_init.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "netns_harness/netlink.hpp"

namespace lockstep::harness {
namespace {

namespace fs = std::filesystem;

constexpr const char* hidden_directories[] = {"/run", "/dev/shm"};

bool is_hidden(const fs::path& path) {
    for (const char* directory : hidden_directories) {
        const std::string prefix = std::string(directory) + "/";
        if (path.string().starts_with(prefix)) return true;
    }
    return false;
}

void mount_or_throw(const char* source, const char* target, const char* type, unsigned long flags, const char* data) {
    require(mount(source, target, type, flags, data),
            std::string("cannot mount ") + (type ? type : source) + " on " + target);
}

// The outer /proc stays where the kernel refuses a new one (a container that masks parts of it). /proc/self is right in
// both.
void mount_proc() {
    if (mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr) != 0 && errno != EPERM)
        throw_errno("cannot mount /proc");
}

// Waits until the body has ended and returns its exit status. Reaps everything else on the way.
int reap_until_ended(pid_t body) {
    int status = 0;
    pid_t ended = 0;
    while ((ended = waitpid(-1, &status, WNOHANG)) > 0)
        if (ended == body) return WIFEXITED(status) ? WEXITSTATUS(status) : exit_sandbox_failed;
    return -1;
}

[[noreturn]] void serve_body(pid_t body, Fd stop) {
    sigset_t set;
    sigemptyset(&set);
    for (int signal : {SIGCHLD, SIGINT, SIGTERM, SIGHUP}) sigaddset(&set, signal);
    for (;;) {
        if (const int status = reap_until_ended(body); status >= 0) _exit(status);
        siginfo_t info;
        if (sigwaitinfo(&set, &info) > 0 && info.si_signo != SIGCHLD)
            stop.reset();  // the body sees the end of the pipe
    }
}

}  // namespace

void SetupReport::set_error(std::string_view text) {
    std::snprintf(error, sizeof error, "%.*s", static_cast<int>(text.size()), text.data());
}

void SetupReport::send(int fd) const {
    if (write(fd, this, sizeof *this) != sizeof *this) _exit(exit_sandbox_failed);
}

Init::Init(const SandboxOptions& options, const std::function<int(Sandbox&)>& body) : body_(body) {
    for (const fs::path& path : options.visible)
        if (const fs::path absolute = fs::canonical(path); is_hidden(absolute)) visible_.push_back(absolute);
}

void Init::mount_all() const {
    mount_or_throw("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr);
    std::vector<Fd>
        kept;  // a bind mount's source must come from this mount namespace: opened here, before it is hidden
    for (const fs::path& path : visible_)
        kept.emplace_back(
            require(open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC), "cannot open " + path.string()));
    mount_proc();
    mount_or_throw("tmpfs", "/run", "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755");
    mount_or_throw("tmpfs", "/dev/shm", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777");
    for (std::size_t index = 0; index < visible_.size(); ++index) {
        fs::create_directories(visible_[index]);
        const std::string source = "/proc/self/fd/" + std::to_string(kept[index].get());
        mount_or_throw(source.c_str(), visible_[index].c_str(), nullptr, MS_BIND | MS_REC, nullptr);
    }
}

void Init::set_up() const {
    mount_all();
    fs::create_directory(Sandbox::scratch);
    require(sethostname("lockstep", 8), "cannot set the host name");
    Netlink().set_up("lo");
}

void Init::run_body(int stop_fd) const {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
    int status = 2;
    try {
        Sandbox sandbox(stop_fd);
        status = body_(sandbox);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "lockstep: %s\n", error.what());
    }
    std::fflush(nullptr);
    _exit(status);
}

void Init::run(Pipe& alive, Pipe& report) const {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    alive.write.reset();
    pollfd keeper{alive.read.get(), POLLIN, 0};
    if (poll(&keeper, 1, 0) != 0) _exit(exit_sandbox_failed);  // the keeper died before we asked
    // The terminal's Ctrl-C goes to the caller, who relays it. A process group suffices for that: in a session of its
    // own, which is a scheduling group of its own (sched_autogroup), one of two runs that go on at once was at times
    // given hardly any processor time for seconds, seen on Linux 6.18.
    setpgid(0, 0);
    SetupReport setup;
    try {
        set_up();
    } catch (const std::exception& error) {
        setup.set_error(error.what());
        setup.send(report.write.get());
        _exit(exit_sandbox_failed);
    }
    Pipe stop = make_pipe();
    const pid_t body = fork();
    if (body < 0) setup.set_error("cannot start the sandbox's body");
    if (body < 0) setup.send(report.write.get());
    report.write.reset();
    if (body < 0) _exit(exit_sandbox_failed);
    if (body == 0) {
        stop.write.reset();
        run_body(stop.read.get());
    }
    serve_body(body, std::move(stop.write));
}

}  // namespace lockstep::harness
