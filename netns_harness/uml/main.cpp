// uml_guest: a Linux machine with its own kernel as a process in the current network namespace. README.md shows its
// use.
#include <linux/sched.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <filesystem>

#include "netns_harness/netlink.hpp"
#include "netns_harness/uml/supervisor.hpp"
#include "netns_harness/uml/tap.hpp"

namespace lockstep::uml {
namespace {

using harness::Clock;
using harness::Error;
using harness::Fd;
using harness::require;

// As of timeout(1) and docker(1), outside what commands return.
constexpr int status_time_out = 124;
constexpr int status_no_guest = 125;

struct BootOptions {
    MachineConfig machine;
    GuestIdentity identity;
    std::string tap = "uml0";
    std::string bridge;
    std::string host_address;
    double boot_limit_s = 30;
};

struct RequestOptions {
    std::filesystem::path state;
    double time_limit_s = 60;
    std::vector<std::string> command;
};

Clock::duration seconds(double s) {
    return std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(s));
}

// ---- uml_guest boot

// The directory's lock, held for life: two machines on one disk would destroy it.
Fd lock_state(const std::filesystem::path& state) {
    std::filesystem::create_directories(state);
    Fd lock(require(open((state / "lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600),
                    "cannot write in " + state.native()));
    if (flock(lock.get(), LOCK_EX | LOCK_NB) == -1) throw Error("another guest runs in " + state.native());
    return lock;
}

// We end with the process that started us, however it ends.
void end_with_parent(pid_t parent) {
    require(prctl(PR_SET_PDEATHSIG, SIGTERM), "prctl");
    if (getppid() != parent) throw Error("the process that wanted the guest is gone");
}

Fd stop_signals() {
    sigset_t signals;
    sigemptyset(&signals);
    for (const int signal : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&signals, signal);
    require(sigprocmask(SIG_BLOCK, &signals, nullptr), "cannot block signals");
    return Fd(require(signalfd(-1, &signals, SFD_CLOEXEC), "cannot take signals"));
}

// Locally administered, and the same for the same address: FNV-1a of the text.
std::string mac_for(const std::string& address) {
    std::uint64_t hash = 0xcbf29ce484222325;
    for (const char c : address) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
    char text[18];
    std::snprintf(text, sizeof text, "02:%02x:%02x:%02x:%02x:%02x", static_cast<unsigned>(hash & 0xff),
                  static_cast<unsigned>(hash >> 8 & 0xff), static_cast<unsigned>(hash >> 16 & 0xff),
                  static_cast<unsigned>(hash >> 24 & 0xff), static_cast<unsigned>(hash >> 32 & 0xff));
    return text;
}

int boot(BootOptions options, pid_t parent) {
    Fd stop = stop_signals();
    end_with_parent(parent);
    const Fd lock = lock_state(options.machine.state);
    Fd tap = open_tap(options.tap);
    if (!options.bridge.empty()) join_bridge(options.tap, options.bridge);
    if (!options.host_address.empty()) harness::Netlink().add_address(options.tap, options.host_address);

    options.machine.programs = std::filesystem::read_symlink("/proc/self/exe").parent_path();
    options.machine.mac = mac_for(options.identity.addresses.front());
    options.identity.boot_limit = std::chrono::duration_cast<harness::milliseconds>(seconds(options.boot_limit_s));
    Fd listener = listen_in(options.machine.state);
    Machine machine(options.machine, std::move(tap));
    return Supervisor(machine, options.identity, std::move(listener), std::move(stop)).serve();
}

// ---- uml_guest run, kill, reboot, shutdown

void print(std::FILE* to, const std::string& text) {
    std::fwrite(text.data(), 1, text.size(), to);
    std::fflush(to);
}

// The exit status that a frame from the guest means, once it means one; prints what it says.
std::optional<int> take(const Frame& frame) {
    switch (frame.kind) {
        case FrameKind::output:
            print(stdout, frame.body);
            return std::nullopt;
        case FrameKind::error_output:
            print(stderr, frame.body);
            return std::nullopt;
        case FrameKind::exited:
            return std::stoi(frame.body);
        case FrameKind::done:
            if (!frame.body.empty()) print(stdout, frame.body + "\n");
            return 0;
        default:
            print(stderr, "uml_guest: " + frame.body + "\n");
            return status_no_guest;
    }
}

int request(FrameKind kind, const RequestOptions& options) {
    const Clock::time_point deadline = Clock::now() + seconds(options.time_limit_s);
    Connection connection(connect_to(options.state, deadline));
    connection.send({0, kind, join_arguments(options.command)});
    while (true) {
        connection.flush();
        pollfd wait{connection.fd(), static_cast<short>(connection.has_unsent() ? POLLIN | POLLOUT : POLLIN), 0};
        if (poll(&wait, 1, harness::poll_timeout_ms(deadline)) == 0) {
            std::fprintf(stderr, "uml_guest: not over after %g s: given up\n", options.time_limit_s);
            return status_time_out;
        }
        connection.receive();
        while (const auto frame = connection.next())
            if (const auto status = take(*frame)) return *status;
        if (connection.is_over()) throw Error("the guest is gone");
    }
}

// ---- the command line

void add_boot(CLI::App& app, BootOptions& options) {
    app.add_option("--state", options.machine.state,
                   "directory of this guest alone: its disk's changes, its console's text")
        ->required();
    app.add_option("--image", options.machine.image,
                   "root file system, never changed (netns_harness/uml/build_image prints one)")
        ->required()
        ->check(CLI::ExistingFile);
    app.add_option("--name", options.identity.name, "host name")->required();
    app.add_option("--address", options.identity.addresses, "address with prefix length, IPv4 or IPv6; may be repeated")
        ->required();
    app.add_option("--gateway", options.identity.gateway, "default route");
    app.add_option("--tap", options.tap, "name of the network device in this namespace")->capture_default_str();
    app.add_option("--bridge", options.bridge, "a bridge of this namespace to join");
    app.add_option("--host-address", options.host_address, "address with prefix length of this namespace's end");
    app.add_option("--share", options.machine.share, "directory that the guest sees as /host")
        ->check(CLI::ExistingDirectory);
    app.add_option("--memory", options.machine.memory_mib, "MiB")->capture_default_str();
    app.add_option("--boot-limit", options.boot_limit_s, "seconds")->capture_default_str();
    app.add_option("--kernel", options.machine.kernel, "user-mode Linux")->capture_default_str();
    options.machine.modules = "/usr/lib/uml/modules";
    app.add_option("--modules", options.machine.modules, "its modules")
        ->capture_default_str()
        ->check(CLI::ExistingDirectory);
}

void add_request(CLI::App& app, RequestOptions& options) {
    app.add_option("--state", options.state, "the guest's directory")->required();
    app.add_option("--timeout", options.time_limit_s, "seconds, waiting for the guest to be ready included")
        ->capture_default_str();
}

int run(int argc, char** argv) {
    // Taken first: should the parent end from here on, end_with_parent() notices.
    const pid_t parent = getppid();
    CLI::App app{"A Linux machine with its own kernel as a process in this network namespace"};
    app.require_subcommand(1);
    BootOptions boot_options;
    RequestOptions request_options;
    CLI::App* boot_command =
        app.add_subcommand("boot", "Boot a guest and serve it until SIGTERM or `shutdown`; prints `ready` when it is");
    add_boot(*boot_command, boot_options);
    CLI::App* run_command = app.add_subcommand("run",
                                               "Run a command in the guest: its output, its exit status; 124: time "
                                               "limit, 125: no guest, or it lost its power");
    run_command->add_option("command", request_options.command, "and its arguments, after --")->required();
    CLI::App* kill_command = app.add_subcommand("kill", "Power loss; the guest stays off");
    CLI::App* reboot_command =
        app.add_subcommand("reboot", "Power loss if it is on, then boot from the same disk; returns when ready");
    CLI::App* shutdown_command = app.add_subcommand("shutdown", "Power off in an orderly way; `boot` ends");
    for (CLI::App* command : {run_command, kill_command, reboot_command, shutdown_command})
        add_request(*command, request_options);
    CLI11_PARSE(app, argc, argv);

    if (boot_command->parsed()) return boot(boot_options, parent);
    if (run_command->parsed()) return request(FrameKind::run, request_options);
    if (kill_command->parsed()) return request(FrameKind::kill, request_options);
    if (reboot_command->parsed()) return request(FrameKind::reboot, request_options);
    return request(FrameKind::shut_down, request_options);
}

}  // namespace
}  // namespace lockstep::uml

int main(int argc, char** argv) {
    try {
        return lockstep::uml::run(argc, argv);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "uml_guest: %s\n", error.what());
        return lockstep::uml::status_no_guest;
    }
}
