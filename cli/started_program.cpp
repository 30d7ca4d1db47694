#include "cli/started_program.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <stdexcept>

namespace lockstep::cli {
namespace {

volatile sig_atomic_t program_pid = 0;

void hand_on(int signal) {
    if (program_pid > 0) kill(program_pid, signal);
}

std::vector<std::string> our_environment_and(const std::map<std::string, std::string>& more) {
    std::vector<std::string> all;
    for (char** variable = environ; *variable != nullptr; ++variable) {
        const std::string text = *variable;
        if (!more.contains(text.substr(0, text.find('=')))) all.push_back(text);
    }
    for (const auto& [name, value] : more) all.push_back(name + "=" + value);
    return all;
}

std::vector<char*> pointers_to(const std::vector<std::string>& texts) {
    std::vector<char*> pointers;
    for (const std::string& text : texts) pointers.push_back(const_cast<char*>(text.c_str()));
    pointers.push_back(nullptr);
    return pointers;
}

}  // namespace

StartedProgram::StartedProgram(std::vector<std::string> command, const std::map<std::string, std::string>& environment)
    : command_(std::move(command)), environment_(our_environment_and(environment)) {
    int gate[2], failure[2];
    if (pipe2(gate, O_CLOEXEC) != 0 || pipe2(failure, O_CLOEXEC) != 0) throw std::runtime_error("no pipe");
    pid_ = fork();
    if (pid_ < 0) throw std::runtime_error("cannot fork");
    if (pid_ == 0) {
        close(gate[1]);
        char word = 0;
        if (read(gate[0], &word, 1) != 1) _exit(127);  // we are not wanted any more
        become(failure[1]);
    }
    close(gate[0]);
    close(failure[1]);
    gate_ = gate[1];
    failure_ = failure[0];
    end_ = static_cast<int>(syscall(SYS_pidfd_open, pid_, 0));
    program_pid = pid_;
}

void StartedProgram::become(int failure) const {
    execvpe(command_[0].c_str(), pointers_to(command_).data(), pointers_to(environment_).data());
    const int error = errno;
    (void)!write(failure, &error, sizeof error);
    _exit(127);
}

StartedProgram::~StartedProgram() {
    for (const int descriptor : {gate_, failure_, end_})
        if (descriptor >= 0) close(descriptor);
    if (pid_ <= 0) return;
    program_pid = 0;
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
}

void StartedProgram::begin() {
    int error = 0;
    (void)!write(gate_, "", 1);
    if (read(failure_, &error, sizeof error) == sizeof error)
        throw std::runtime_error(fmt::format("can't run {}: {}", command_[0], std::strerror(error)));
}

bool StartedProgram::ended_within(int time_ms) const {
    pollfd end{end_, POLLIN, 0};
    return poll(&end, 1, time_ms) == 1;
}

int StartedProgram::reap() {
    int status = 0;
    while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    program_pid = 0;
    pid_ = -1;
    return status;
}

void hand_signals_on() {
    for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
        struct sigaction action {};
        action.sa_handler = hand_on;
        // From the terminal the program gets it itself.
        if (signal == SIGINT && isatty(STDIN_FILENO) != 0) action.sa_handler = SIG_IGN;
        sigaction(signal, &action, nullptr);
    }
}

std::string preload_list(const std::vector<std::string>& libraries) {
    const char* preloaded = std::getenv("LD_PRELOAD");
    return fmt::format("{}{}{}", fmt::join(libraries, ":"), preloaded == nullptr ? "" : ":",
                       preloaded == nullptr ? "" : preloaded);
}

std::string text_of_end(int wait_status) {
    if (WIFEXITED(wait_status)) return fmt::format("exit status {}", WEXITSTATUS(wait_status));
    return fmt::format("signal {} ({})", WTERMSIG(wait_status), strsignal(WTERMSIG(wait_status)));
}

}  // namespace lockstep::cli
