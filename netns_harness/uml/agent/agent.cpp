// The agent: process 1 of a guest. It mounts what a Linux system needs, then obeys frames on the serial line: starts
// commands, sends back what they print and how they end, many at once. Commands go by the serial line and not by the
// network, so that a test may cut the guest's network and still look inside.
//
// Nothing here can be reported except through the line itself: a failure before it is open goes to the guest's console,
// whose text the host keeps, and stops the guest.
#include <fcntl.h>
#include <poll.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "netns_harness/uml/frame.hpp"

namespace lockstep::uml {
namespace {

constexpr const char* serial_line = "/dev/ttyS0";
constexpr std::size_t piece_bytes = 16 << 10;  // of a command's output, a frame
constexpr std::size_t last_output_bytes =
    1 << 20;  // read after a command's end; its background children may print for ever

[[noreturn]] void give_up(const char* what) {
    std::fprintf(stderr, "uml_agent: %s: %s\n", what, std::strerror(errno));
    sync();
    reboot(RB_POWER_OFF);
    _exit(1);
}

// ---- the system around us

void mount_or_give_up(const char* type, const char* at, unsigned long flags, const char* data) {
    mkdir(at, 0755);
    // The kernel has mounted /dev already.
    if (mount(type, at, type, flags, data) == -1 && errno != EBUSY) give_up(at);
}

void mount_system() {
    mount_or_give_up("proc", "/proc", 0, nullptr);
    mount_or_give_up("sysfs", "/sys", 0, nullptr);
    mount_or_give_up("devtmpfs", "/dev", 0, nullptr);
    mount_or_give_up("devpts", "/dev/pts", 0, nullptr);
    mount_or_give_up("tmpfs", "/dev/shm", 0, "mode=1777");
    mount_or_give_up("tmpfs", "/tmp", 0, "mode=1777");
    if (symlink("/proc/self/fd", "/dev/fd") == -1 && errno != EEXIST) give_up("/dev/fd");
    // The modules belong to the kernel, and the kernel is a program of the host.
    if (const char* modules = std::getenv("LOCKSTEP_MODULES"))
        mount_or_give_up("hostfs", "/usr/lib/modules", MS_RDONLY, modules);
    if (const char* share = std::getenv("LOCKSTEP_SHARE")) mount_or_give_up("hostfs", "/host", 0, share);
}

int open_serial_line() {
    const int line = open(serial_line, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (line == -1) give_up(serial_line);
    termios settings{};
    if (tcgetattr(line, &settings) == -1) give_up("tcgetattr");
    cfmakeraw(&settings);
    if (tcsetattr(line, TCSANOW, &settings) == -1) give_up("tcsetattr");
    return line;
}

// ---- commands

struct Command {
    pid_t pid = -1;  // leader of a session of its own
    int out = -1;    // -1 once closed
    int error = -1;
};

[[noreturn]] void become(const std::vector<std::string>& arguments, int out, int error) {
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
    setsid();
    const int input = open("/dev/null", O_RDONLY);
    dup2(input, STDIN_FILENO);
    dup2(out, STDOUT_FILENO);
    dup2(error, STDERR_FILENO);
    std::vector<char*> pointers;
    for (const std::string& argument : arguments) pointers.push_back(const_cast<char*>(argument.c_str()));
    pointers.push_back(nullptr);
    execvp(pointers[0], pointers.data());
    std::fprintf(stderr, "%s: %s\n", pointers[0], std::strerror(errno));
    _exit(errno == ENOENT ? 127 : 126);
}

// What a shell would say of a wait status.
int shell_status(int wait_status) {
    return WIFSIGNALED(wait_status) ? 128 + WTERMSIG(wait_status) : WEXITSTATUS(wait_status);
}

class Agent {
 public:
    explicit Agent(int line) : line_(line) {}

    [[noreturn]] void serve();

 private:
    void send(std::uint32_t channel, FrameKind kind, std::string body = {});
    void obey(const Frame& frame);
    void start(const Frame& frame);
    void abandon(std::uint32_t channel);
    [[noreturn]] void shut_down();
    void read_line();
    // Passes on one piece of what can be read, and closes the descriptor at its end. Returns the bytes passed on.
    std::size_t pass_on(std::uint32_t channel, FrameKind kind, int& from);
    void reap();
    void finish(std::uint32_t channel, Command command, int status);

    int line_;
    FrameParser parser_;
    std::map<std::uint32_t, Command> commands_;  // by channel
};

void Agent::send(std::uint32_t channel, FrameKind kind, std::string body) {
    const std::string bytes = encode({channel, kind, std::move(body)});
    for (std::size_t sent = 0; sent < bytes.size();) {
        const ssize_t n = write(line_, bytes.data() + sent, bytes.size() - sent);
        if (n == -1 && errno != EINTR) give_up("the serial line");
        if (n > 0) sent += static_cast<std::size_t>(n);
    }
}

void Agent::start(const Frame& frame) {
    const std::vector<std::string> arguments = split_arguments(frame.body);
    int out[2];
    int error[2];
    if (arguments.empty() || commands_.contains(frame.channel))
        return send(frame.channel, FrameKind::refused, "no command, or its channel is in use");
    if (pipe2(out, O_CLOEXEC | O_NONBLOCK) == -1 || pipe2(error, O_CLOEXEC | O_NONBLOCK) == -1) give_up("pipe");
    // Only our ends are non-blocking: many programs don't expect EAGAIN from their output.
    fcntl(out[1], F_SETFL, 0);
    fcntl(error[1], F_SETFL, 0);
    const pid_t pid = fork();
    if (pid == 0) become(arguments, out[1], error[1]);
    close(out[1]);
    close(error[1]);
    if (pid == -1) {
        close(out[0]);
        close(error[0]);
        return send(frame.channel, FrameKind::refused, std::string("fork: ") + std::strerror(errno));
    }
    commands_[frame.channel] = {pid, out[0], error[0]};
}

void Agent::abandon(std::uint32_t channel) {
    const auto found = commands_.find(channel);
    if (found == commands_.end()) return;
    // A command that has not yet come to its setsid() is alone.
    if (kill(-found->second.pid, SIGKILL) == -1) kill(found->second.pid, SIGKILL);
}

void Agent::shut_down() {
    sync();
    kill(-1, SIGKILL);
    // The root file system becomes read-only, so its journal is clean; it can't be unmounted, we live in it.
    mount(nullptr, "/", nullptr, MS_REMOUNT | MS_RDONLY, nullptr);
    reboot(RB_POWER_OFF);
    _exit(0);
}

void Agent::obey(const Frame& frame) {
    switch (frame.kind) {
        case FrameKind::run:
            return start(frame);
        case FrameKind::shut_down:
            shut_down();
        case FrameKind::abandon:
            return abandon(frame.channel);
        default:
            return send(frame.channel, FrameKind::refused, "the agent knows no such request");
    }
}

void Agent::read_line() {
    char bytes[piece_bytes];
    const ssize_t n = read(line_, bytes, sizeof bytes);
    if (n == 0 || (n == -1 && errno != EINTR && errno != EAGAIN)) give_up("the serial line");
    if (n > 0) parser_.feed({bytes, static_cast<std::size_t>(n)});
    while (const auto frame = parser_.next()) obey(*frame);
    if (parser_.broken()) give_up("the serial line carries no frames");
}

std::size_t Agent::pass_on(std::uint32_t channel, FrameKind kind, int& from) {
    if (from == -1) return 0;
    std::string bytes(piece_bytes, '\0');
    const ssize_t n = read(from, bytes.data(), bytes.size());
    if (n == -1 && (errno == EAGAIN || errno == EINTR)) return 0;
    if (n <= 0) {
        close(from);
        from = -1;
        return 0;
    }
    bytes.resize(static_cast<std::size_t>(n));
    send(channel, kind, std::move(bytes));
    return static_cast<std::size_t>(n);
}

void Agent::finish(std::uint32_t channel, Command command, int status) {
    std::size_t passed = 0;
    while (passed < last_output_bytes) {
        const std::size_t more =
            pass_on(channel, FrameKind::output, command.out) + pass_on(channel, FrameKind::error_output, command.error);
        if (more == 0) break;
        passed += more;
    }
    if (command.out != -1) close(command.out);
    if (command.error != -1) close(command.error);
    send(channel, FrameKind::exited, std::to_string(status));
}

// As process 1 we inherit every orphan of the guest: those are waited for and forgotten.
void Agent::reap() {
    int wait_status = 0;
    while (true) {
        const pid_t pid = waitpid(-1, &wait_status, WNOHANG);
        if (pid <= 0) return;
        for (auto it = commands_.begin(); it != commands_.end(); ++it) {
            if (it->second.pid != pid) continue;
            const auto [channel, command] = *it;
            commands_.erase(it);
            finish(channel, command, shell_status(wait_status));
            break;
        }
    }
}

void Agent::serve() {
    sigset_t child_signal;
    sigemptyset(&child_signal);
    sigaddset(&child_signal, SIGCHLD);
    sigprocmask(SIG_BLOCK, &child_signal, nullptr);
    const int children = signalfd(-1, &child_signal, SFD_CLOEXEC | SFD_NONBLOCK);
    if (children == -1) give_up("signalfd");
    send(0, FrameKind::ready);
    while (true) {
        std::vector<pollfd> waits{{line_, POLLIN, 0}, {children, POLLIN, 0}};
        for (const auto& [channel, command] : commands_) {
            waits.push_back({command.out, POLLIN, 0});  // poll() skips -1
            waits.push_back({command.error, POLLIN, 0});
        }
        if (poll(waits.data(), waits.size(), -1) == -1 && errno != EINTR) give_up("poll");
        // Output first, so that what a command printed before its end is sent before its end.
        for (auto& [channel, command] : commands_) {
            pass_on(channel, FrameKind::output, command.out);
            pass_on(channel, FrameKind::error_output, command.error);
        }
        signalfd_siginfo ignored;
        if (read(children, &ignored, sizeof ignored) > 0) reap();
        if (waits[0].revents != 0) read_line();
    }
}

}  // namespace
}  // namespace lockstep::uml

int main() {
    using namespace lockstep::uml;
    setenv("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", 1);
    setenv("HOME", "/root", 1);
    setenv("LC_ALL", "C.UTF-8", 1);
    mount_system();
    Agent(open_serial_line()).serve();
}
