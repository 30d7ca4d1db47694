#include "netns_harness/uml/machine.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <initializer_list>
#include <vector>

#include "netns_harness/uml/tap.hpp"

namespace lockstep::uml {
namespace {

using harness::Error;
using harness::Fd;
using harness::require;

// What the init of the machine's PID namespace needs, prepared before it exists.
struct Launch {
    std::vector<std::string> words;
    std::vector<char*> arguments;
    std::string preloaded;
    int input = -1;
    int console = -1;
    int owner = -1;  // a pipe's read end that hangs up when the owner has died
    std::vector<int> inherited;
};

[[noreturn]] void fail(const char* what) {
    dprintf(STDERR_FILENO, "%s: %s\n", what, std::strerror(errno));
    _exit(127);
}

[[noreturn]] void become_kernel(const Launch& launch) {
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
    for (const int fd : launch.inherited) fcntl(fd, F_SETFD, 0);
    setenv("LD_PRELOAD", launch.preloaded.c_str(), 1);
    execvp(launch.arguments[0], launch.arguments.data());
    fail(launch.arguments[0]);
}

// The first process of the PID namespace. User-mode Linux is many processes that trace one another and don't all die
// with the first; when this one dies, the host's kernel kills every one of them.
[[noreturn]] void be_init(const Launch& launch) {
    // The terminal's Ctrl-C is for our owner, who then switches off.
    setsid();
    dup2(launch.input, STDIN_FILENO);
    dup2(launch.console, STDOUT_FILENO);
    dup2(launch.console, STDERR_FILENO);
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) == -1) fail("prctl");
    // Had the owner died before, no signal would come.
    pollfd owner{launch.owner, 0, 0};
    if (poll(&owner, 1, 0) == 1) _exit(1);

    const pid_t kernel = fork();
    if (kernel == -1) fail("fork");
    if (kernel == 0) become_kernel(launch);
    // Our owner's sockets would never close for the other side while we hold copies.
    close_range(STDERR_FILENO + 1, ~0U, 0);
    while (true) {
        int status = 0;
        const pid_t ended = waitpid(-1, &status, 0);
        if (ended == kernel) _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
        if (ended == -1 && errno != EINTR) _exit(1);
    }
}

// Forks into a new PID namespace, in which the child is process 1. The library's fork() can't.
pid_t fork_into_pid_namespace() {
    return static_cast<pid_t>(syscall(SYS_clone, CLONE_NEWPID | SIGCHLD, nullptr, nullptr, nullptr, nullptr));
}

void require_plain(const std::filesystem::path& path) {
    if (path.native().find_first_of(" \t\n,:\"") != std::string::npos)
        throw Error("a guest's kernel can't be told this path, for its spaces, commas, colons or quotes: " +
                    path.native());
}

}  // namespace

Machine::Machine(MachineConfig config, Fd tap) : config_(std::move(config)), tap_(std::move(tap)) {
    for (auto* path : {&config_.image, &config_.state, &config_.programs, &config_.modules, &config_.share}) {
        if (path->empty()) continue;
        *path = std::filesystem::absolute(*path).lexically_normal();
        require_plain(*path);
    }
}

Fd Machine::power_on() {
    // A machine that lost its power leaves its PID file, and the PID is always the same in a namespace of its own.
    std::filesystem::remove_all(config_.state / "uml");
    drain_tap(tap_);

    int ends[2];
    require(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), "cannot make a serial line");
    Fd ours(ends[0]);
    const Fd theirs(ends[1]);

    const auto text = [](int fd) { return std::to_string(fd); };
    Launch launch;
    launch.words = {
        config_.kernel,
        "mem=" + std::to_string(config_.memory_mib) + "M",
        "ubd0=" + (config_.state / "disk.cow").native() + "," + config_.image.native(),
        "root=/dev/ubda",
        "rw",
        "init=/sbin/lockstep_init",
        "quiet",
        "panic=1",
        "noreboot",  // a panic ends the process instead of booting again
        "con0=null,fd:1",
        "con=null",
        "ssl0=fd:" + text(theirs.get()),
        "ssl=null",
        "vec0:transport=fd,fd=" + text(tap_.get()) + ",vec=0,mac=" + config_.mac,
        "uml_dir=" + (config_.state / "uml").native(),
        "umid=guest",
        "LOCKSTEP_PROGRAMS=" + config_.programs.native(),
        "LOCKSTEP_MODULES=" + config_.modules.native(),
    };
    if (!config_.share.empty()) launch.words.push_back("LOCKSTEP_SHARE=" + config_.share.native());
    for (std::string& word : launch.words) launch.arguments.push_back(word.data());
    launch.arguments.push_back(nullptr);
    launch.preloaded = (config_.programs.parent_path() / "lib" / "liblockstep_uml_registers.so").native();

    const Fd input(require(open("/dev/null", O_RDONLY | O_CLOEXEC), "cannot open /dev/null"));
    const Fd console(require(open(console_path().c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644),
                             "cannot write " + console_path().native()));
    harness::Pipe owner = harness::make_pipe();
    launch.input = input.get();
    launch.console = console.get();
    launch.owner = owner.read.get();
    launch.inherited = {theirs.get(), tap_.get()};

    const pid_t pid = fork_into_pid_namespace();
    if (pid == 0) {
        owner.write.reset();  // else the pipe never hangs up
        be_init(launch);
    }
    require(pid, "cannot start a process in a PID namespace of its own");
    pid_ = pid;
    end_ = Fd(require(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)), "cannot watch the guest's kernel"));
    alive_ = std::move(owner.write);
    return ours;
}

void Machine::power_off() {
    if (!is_on()) return;
    kill(pid_, SIGKILL);
    // Returns once the last process of the namespace is gone.
    while (waitpid(pid_, nullptr, 0) == -1 && errno == EINTR) {
    }
    pid_ = -1;
    end_.reset();
    alive_.reset();
}

}  // namespace lockstep::uml
