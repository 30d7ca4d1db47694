#include "monitors/live/marker.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <sstream>
#include <string_view>

#include "monitors/lttng/private_lttng.hpp"

extern char** environ;

namespace lockstep::monitors {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// The caller's environment, with what a traced program needs, and without libraries preloaded for other purposes.
std::vector<std::string> marker_environment(bool no_loss) {
    std::vector<std::string> variables;
    const auto added = traced_program_environment(no_loss);
    for (char** variable = environ; *variable != nullptr; ++variable) {
        const std::string_view text = *variable;
        if (!text.starts_with("LTTNG_UST_") && !text.starts_with("LD_PRELOAD=")) variables.emplace_back(text);
    }
    for (const auto& [name, value] : added) variables.push_back(name + "=" + value);
    return variables;
}

}  // namespace

std::filesystem::path default_marker_program() {
    std::error_code error;
    const auto self = std::filesystem::read_symlink("/proc/self/exe", error);
    return self.parent_path() / "lockstep_live_marker";
}

Marker::Marker(const std::filesystem::path& program, std::uint64_t reader, bool no_loss, milliseconds limit) {
    try {
        start(program, reader, no_loss);
        std::istringstream words(read_line(limit));
        std::string word;
        words >> word;
        if (word != "ready") throw LttngError("live session: the marker program ended before it was ready");
        for (std::uint32_t cpu; words >> cpu;) cpus_.push_back(cpu);
    } catch (...) {
        end();
        throw;
    }
}

Marker::~Marker() {
    end();
}

void Marker::start(const std::filesystem::path& program, std::uint64_t reader, bool no_loss) {
    if (access(program.c_str(), X_OK) != 0)
        throw LttngError("live session: no marker program " + program.string() + ": " + std::strerror(errno));
    // Sockets instead of pipes: writing to a child that has died must not raise SIGPIPE here.
    int input[2], output[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, input) != 0) throw LttngError("live session: socketpair");
    to_child_ = input[0];
    if (pipe2(output, O_CLOEXEC) != 0) {
        close(input[1]);
        throw LttngError("live session: pipe");
    }
    from_child_ = output[0];

    posix_spawn_file_actions_t files;
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_adddup2(&files, input[1], STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&files, output[1], STDOUT_FILENO);
    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    sigset_t none;
    sigemptyset(&none);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setpgroup(&attributes, 0);  // Ctrl-C at the terminal is the owner's to handle
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);

    const std::string path = program.string(), number = std::to_string(reader);
    const char* const arguments[] = {path.c_str(), number.c_str(), nullptr};
    const std::vector<std::string> environment = marker_environment(no_loss);
    std::vector<char*> variables;
    for (const std::string& variable : environment) variables.push_back(const_cast<char*>(variable.c_str()));
    variables.push_back(nullptr);
    const int error =
        posix_spawn(&pid_, path.c_str(), &files, &attributes, const_cast<char* const*>(arguments), variables.data());
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&files);
    close(input[1]);
    close(output[1]);
    if (error != 0) {
        pid_ = -1;
        throw LttngError("live session: starting " + path + ": " + std::strerror(error));
    }
}

std::string Marker::read_line(milliseconds limit) {
    const auto deadline = steady_clock::now() + limit;
    std::string line;
    for (char byte = 0; byte != '\n';) {
        const auto left = std::chrono::ceil<milliseconds>(deadline - steady_clock::now());
        pollfd ready{from_child_, POLLIN, 0};
        const int result = left.count() > 0 ? poll(&ready, 1, static_cast<int>(left.count())) : 0;
        if (result < 0 && errno == EINTR) continue;
        if (result <= 0)
            throw LttngError("live session: the marker program was not ready within " + std::to_string(limit.count()) +
                             " ms");
        if (read(from_child_, &byte, 1) != 1) break;
        line += byte;
    }
    return line;
}

bool Marker::fire(std::uint64_t round) {
    // What it answered earlier is of no interest; reading it keeps its pipe from filling up.
    pollfd ready{from_child_, POLLIN, 0};
    char answers[256];
    while (poll(&ready, 1, 0) > 0)
        if (read(from_child_, answers, sizeof answers) <= 0) return false;
    const std::string line = std::to_string(round) + "\n";
    return send(to_child_, line.data(), line.size(), MSG_NOSIGNAL | MSG_DONTWAIT) == static_cast<ssize_t>(line.size());
}

bool Marker::fire_and_wait(std::uint64_t round, milliseconds limit) {
    const std::string wanted = "fired " + std::to_string(round) + "\n";
    const auto deadline = steady_clock::now() + limit;
    if (!fire(round)) return false;
    try {
        for (std::string line; line != wanted;) {
            line = read_line(std::chrono::ceil<milliseconds>(deadline - steady_clock::now()));
            if (line.empty()) return false;
        }
    } catch (const LttngError&) {
        return false;
    }
    return true;
}

void Marker::end() {
    if (to_child_ >= 0) close(to_child_);
    if (from_child_ >= 0) close(from_child_);
    if (pid_ > 0) {
        kill(pid_, SIGKILL);  // it may be waiting for buffer space; nothing of it is needed any more
        waitpid(pid_, nullptr, 0);
    }
    to_child_ = from_child_ = -1;
    pid_ = -1;
}

}  // namespace lockstep::monitors
