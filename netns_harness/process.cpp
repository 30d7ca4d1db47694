#include "netns_harness/process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/inotify.h>
#include <sys/prctl.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

extern char** environ;

namespace lockstep::harness {
namespace {

// Everything the new process needs, prepared before the fork: afterwards only async-signal-safe calls are allowed.
struct Launch {
    std::vector<std::string> argument_texts;
    std::vector<std::string> environment_texts;
    std::vector<char*> arguments;
    std::vector<char*> environment;
    int net_namespace = -1;
    int input = -1;
    int out = -1;
    int err = -1;
    pid_t parent = -1;
};

struct LaunchFailure {
    const char* step;  // a literal, valid in both processes
    int error;
};

std::vector<char*> pointers(std::vector<std::string>& texts) {
    std::vector<char*> result;
    for (std::string& text : texts) result.push_back(text.data());
    result.push_back(nullptr);
    return result;
}

std::vector<std::string> merged_environment(const Environment& extra) {
    std::vector<std::string> result;
    for (char** entry = environ; *entry != nullptr; ++entry) {
        const std::string_view text = *entry;
        if (!extra.contains(std::string(text.substr(0, text.find('='))))) result.emplace_back(text);
    }
    for (const auto& [name, value] : extra) result.push_back(name + "=" + value);
    return result;
}

// What a program wants to say may then have no room.
bool no_space_at(const std::string& path) {
    struct statvfs file_system {};
    return statvfs(path.c_str(), &file_system) == 0 && file_system.f_bavail == 0;
}

[[noreturn]] void launch(const Launch& plan, int failure_fd) {
    const auto fail = [&](const char* step) {
        const LaunchFailure failure{step, errno};
        const ssize_t written = write(failure_fd, &failure, sizeof failure);
        _exit(written == sizeof failure ? 127 : 126);
    };
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != plan.parent) _exit(126);
    if (setpgid(0, 0) != 0) fail("make a process group");
    if (setns(plan.net_namespace, CLONE_NEWNET) != 0) fail("enter the network namespace");
    if (dup2(plan.input, 0) < 0 || dup2(plan.out, 1) < 0 || dup2(plan.err, 2) < 0) fail("redirect");
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
    execve(plan.arguments[0], plan.arguments.data(), plan.environment.data());
    fail("execute");
    _exit(126);
}

Fd open_log(const std::filesystem::path& path) {
    return Fd(require(open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0644),
                      "cannot make " + path.string()));
}

// The first whole line of `text` that begins with `prefix`.
std::optional<std::string> find_line(std::string_view text, std::string_view prefix) {
    for (std::size_t end; (end = text.find('\n')) != std::string_view::npos; text.remove_prefix(end + 1))
        if (text.starts_with(prefix)) return std::string(text.substr(0, end));
    return std::nullopt;
}

std::string tail(const std::string& text, std::size_t count) {
    std::size_t begin = text.size();
    if (begin > 0 && text[begin - 1] == '\n') --begin;
    for (; begin > 0; --begin)
        if (text[begin - 1] == '\n' && --count == 0) break;
    return text.substr(begin);
}

std::string indented(const std::string& title, const std::string& text) {
    if (text.empty()) return "";
    std::string result = "\n  " + title + ":\n";
    std::size_t begin = 0;
    while (begin < text.size()) {
        const std::size_t end = std::min(text.find('\n', begin), text.size());
        result += "    " + text.substr(begin, end - begin) + "\n";
        begin = end + 1;
    }
    result.pop_back();
    return result;
}

}  // namespace

std::string Ended::text() const {
    if (signal != 0) return "killed by signal " + std::to_string(signal) + " (" + strsignal(signal) + ")";
    return "exit status " + std::to_string(exit_status);
}

Process::Process(const Command& command, const Host& host, const std::filesystem::path& logs)
    : name_(command.name), out_path_(logs / (command.name + ".out")), err_path_(logs / (command.name + ".err")) {
    const Fd out = open_log(out_path_);
    const Fd err = open_log(err_path_);
    Pipe gate = make_pipe();
    const Fd null(require(open("/dev/null", O_RDONLY | O_CLOEXEC), "cannot open /dev/null"));
    Pipe failure = make_pipe();

    Launch plan;
    plan.argument_texts = command.arguments;
    plan.argument_texts.insert(plan.argument_texts.begin(), command.program.string());
    Environment environment = command.environment;
    Fd inherited;  // open across exec
    if (!command.gate_variable.empty()) {
        inherited = Fd(require(fcntl(gate.read.get(), F_DUPFD, 3), "cannot make a gate for " + name_));
        environment[command.gate_variable] = std::to_string(inherited.get());
    }
    plan.environment_texts = merged_environment(environment);
    plan.arguments = pointers(plan.argument_texts);
    plan.environment = pointers(plan.environment_texts);
    plan.net_namespace = host.net_namespace.get();
    plan.input = command.gated ? gate.read.get() : null.get();
    plan.out = out.get();
    plan.err = err.get();
    plan.parent = getpid();

    pid_ = require(fork(), "cannot start " + name_);
    if (pid_ == 0) launch(plan, failure.write.get());
    if (command.gated || inherited) gate_ = std::move(gate.write);
    pidfd_ = Fd(static_cast<int>(syscall(SYS_pidfd_open, pid_, 0)));
    failure.write.reset();
    LaunchFailure why{};
    if (read(failure.read.get(), &why, sizeof why) == sizeof why) {
        waitpid(pid_, nullptr, 0);
        throw Error("cannot start " + name_ + " (" + command.program.string() + "): cannot " + why.step + ": " +
                    std::strerror(why.error));
    }
    if (!pidfd_) {
        stop(milliseconds(0));
        throw Error("cannot watch " + name_ + ": pidfd_open is refused");
    }
}

Process::~Process() {
    if (!ended_) stop(milliseconds(0));
}

std::optional<Ended> Process::ended() {
    if (ended_) return ended_;
    siginfo_t info{};
    if (waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == 0)
        return std::nullopt;
    kill(-pid_, SIGKILL);  // what it left behind, while its number can't belong to anyone else
    int status = 0;
    waitpid(pid_, &status, 0);
    ended_ = WIFEXITED(status) ? Ended{WEXITSTATUS(status), 0} : Ended{0, WTERMSIG(status)};
    pidfd_.reset();  // a run may keep thousands that have ended, for what they said
    gate_.reset();
    return ended_;
}

std::optional<Ended> Process::wait(Clock::time_point deadline) {
    for (;;) {
        if (const auto how = ended()) return how;
        if (Clock::now() >= deadline) return std::nullopt;
        pollfd end{pidfd_.get(), POLLIN, 0};
        poll(&end, 1, poll_timeout_ms(deadline));
    }
}

std::string Process::wait_for_line(std::string_view prefix, Clock::time_point deadline) {
    const Fd changes(require(inotify_init1(IN_CLOEXEC | IN_NONBLOCK), "cannot watch the output of " + name_));
    require(inotify_add_watch(changes.get(), out_path_.c_str(), IN_MODIFY), "cannot watch the output of " + name_);
    for (;;) {
        const auto how = ended();  // before the look at the output: what it wrote before it ended counts
        if (auto line = find_line(read_file(out_path_), prefix)) return *line;
        if (how) throw Error(name_ + " ended before it was ready: " + how->text() + last_lines());
        if (Clock::now() >= deadline)
            throw Error(name_ + " was not ready in time" +
                        (no_space_at(out_path_) ? ": no space is left at " + out_path_.string() : "") + last_lines());
        pollfd wanted[] = {{changes.get(), POLLIN, 0}, {pidfd_.get(), POLLIN, 0}};
        poll(wanted, 2, poll_timeout_ms(deadline));
        char events[4096];
        while (read(changes.get(), events, sizeof events) > 0) {
        }
    }
}

void Process::signal(int number) {
    if (!ended()) kill(pid_, number);
}

Ended Process::stop(milliseconds grace) {
    if (const auto how = ended()) return *how;
    if (grace.count() > 0) {
        kill(-pid_, SIGTERM);
        if (pidfd_)
            if (const auto how = wait(Clock::now() + grace)) return *how;
    }
    kill(-pid_, SIGKILL);
    siginfo_t info{};
    while (waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOWAIT) != 0 && errno == EINTR) {
    }
    return *ended();
}

std::string Process::last_lines(std::size_t count) const {
    return indented("last lines of its errors", tail(read_file(err_path_), count)) +
           indented("last lines of its output", tail(read_file(out_path_), count));
}

}  // namespace lockstep::harness
