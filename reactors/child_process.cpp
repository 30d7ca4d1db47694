#include "reactors/child_process.hpp"

#include <fmt/format.h>
#include <linux/sched.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string_view>

#include "reactors/reactor.hpp"

extern char** environ;

namespace lockstep::reactors {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

ReactorError system_error(const char* step) {
    return ReactorError(fmt::format("cannot run a command: {}: {}", step, std::strerror(errno)));
}

class Fd {
 public:
    explicit Fd(int fd) : fd_(fd) {}
    ~Fd() {
        if (fd_ >= 0) close(fd_);
    }
    Fd(const Fd&) = delete;
    Fd& operator=(const Fd&) = delete;
    int get() const { return fd_; }

 private:
    int fd_;
};

// A file in memory, read from its beginning: unlike a pipe it never fills, and nobody has to feed it.
int memory_file(const std::string& content) {
    const int fd = memfd_create("lockstep-reactor", MFD_CLOEXEC);
    if (fd < 0) throw system_error("its input");
    for (std::size_t done = 0; done < content.size();) {
        const ssize_t part = write(fd, content.data() + done, content.size() - done);
        if (part <= 0) {
            close(fd);
            throw system_error("its input");
        }
        done += static_cast<std::size_t>(part);
    }
    lseek(fd, 0, SEEK_SET);
    return fd;
}

std::vector<std::string> environment_of(const ShellCommand& command) {
    std::vector<std::string> variables;
    for (const auto& [name, value] : command.environment) variables.push_back(name + "=" + value);
    for (char** variable = environ; *variable != nullptr; ++variable) {
        const std::string_view text = *variable;
        if (!text.starts_with("LD_PRELOAD=") && !text.starts_with("LOCKSTEP_")) variables.emplace_back(text);
    }
    return variables;
}

std::vector<char*> pointers(const std::vector<std::string>& strings) {
    std::vector<char*> all;
    for (const std::string& string : strings) all.push_back(const_cast<char*>(string.c_str()));
    all.push_back(nullptr);
    return all;
}

// What follows runs in a copy of a process that may have many threads: system calls only, and memory that was ready
// before.

[[noreturn]] void become(char* const* arguments, char* const* environment) {
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
    execve("/bin/sh", arguments, environment);
    _exit(127);
}

// A child that calls exec gets SIGCHLD as its end's signal, whatever it had before. So the command is a child of a
// keeper, which calls no exec, holds nothing of the program's open, and ends as the command did.
[[noreturn]] void keep(char* const* arguments, char* const* environment, int input) {
    for (int number = 1; number < NSIG; ++number) {
        struct sigaction action = {};
        action.sa_handler = SIG_DFL;
        sigaction(number, &action, nullptr);
    }
    setpgid(0, 0);
    dup2(input, STDIN_FILENO);
    dup2(STDERR_FILENO, STDOUT_FILENO);
    syscall(SYS_close_range, 3U, ~0U, 0U);
    const auto command =
        static_cast<pid_t>(syscall(SYS_clone, static_cast<unsigned long>(SIGCHLD), nullptr, nullptr, 0, 0));
    if (command == 0) become(arguments, environment);
    int status = 0;
    if (command < 0 || wait4(command, &status, 0, nullptr) != command) _exit(126);
    _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

// Like fork(), but no signal tells of the child's end, and only who asks for it (__WALL) can wait for it.
pid_t clone_quietly(int& pidfd) {
    return static_cast<pid_t>(syscall(SYS_clone, static_cast<unsigned long>(CLONE_PIDFD), nullptr, &pidfd, 0, 0));
}

bool ended_within(int pidfd, milliseconds limit) {
    const auto until = steady_clock::now() + limit;
    for (;;) {
        const auto left = std::chrono::ceil<milliseconds>(until - steady_clock::now());
        if (left.count() <= 0) return false;
        pollfd waiting{pidfd, POLLIN, 0};
        if (poll(&waiting, 1, static_cast<int>(left.count())) > 0) return true;
    }
}

}  // namespace

void run_command(const ShellCommand& command, milliseconds limit) {
    const Fd input(memory_file(command.input));
    std::vector<std::string> words = {"/bin/sh", "-c", command.script, "lockstep"};
    words.insert(words.end(), command.arguments.begin(), command.arguments.end());
    const std::vector<std::string> variables = environment_of(command);
    const auto arguments = pointers(words), environment = pointers(variables);

    sigset_t all, former;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &former);
    int pidfd_number = -1;
    const pid_t child = clone_quietly(pidfd_number);
    if (child == 0) keep(arguments.data(), environment.data(), input.get());
    pthread_sigmask(SIG_SETMASK, &former, nullptr);
    if (child < 0) throw system_error("clone");

    const Fd pidfd(pidfd_number);
    const bool ended = ended_within(pidfd.get(), limit);
    if (!ended && kill(-child, SIGKILL) != 0) kill(child, SIGKILL);
    siginfo_t end{};
    while (waitid(P_PID, static_cast<id_t>(child), &end, WEXITED | __WALL) != 0 && errno == EINTR) {
    }
    if (!ended) throw ReactorError(fmt::format("killed after {} ms: {}", limit.count(), command.script));
    if (end.si_code != CLD_EXITED || end.si_status != 0)
        throw ReactorError(fmt::format("exit status {}: {}", end.si_status, command.script));
}

}  // namespace lockstep::reactors
