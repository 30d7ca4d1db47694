#include "monitors/lttng/private_lttng.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <lttng/lttng.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <fstream>
#include <string_view>

#include "monitors/lttng/deadline_thread.hpp"
#include "monitors/lttng/keeper.hpp"
#include "monitors/lttng/loopback.hpp"

extern char** environ;

namespace lockstep::monitors {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

LttngError system_error(const std::string& step) {
    return LttngError(step + ": " + std::strerror(errno));
}

class Fd {
 public:
    explicit Fd(int fd = -1) : fd_(fd) {}
    ~Fd() { reset(); }
    Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    Fd& operator=(Fd&& other) noexcept {
        if (this != &other) reset(std::exchange(other.fd_, -1));
        return *this;
    }
    int get() const { return fd_; }
    void reset(int fd = -1) {
        if (fd_ >= 0) close(fd_);
        fd_ = fd;
    }

 private:
    int fd_;
};

std::pair<Fd, Fd> make_pipe() {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) throw system_error("LTTng: a pipe");
    return {Fd(ends[0]), Fd(ends[1])};
}

void write_file(const char* path, const std::string& text) {
    const Fd file(open(path, O_WRONLY | O_CLOEXEC));
    if (file.get() < 0 || write(file.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()))
        throw system_error(std::string("private LTTng: writing ") + path);
}

void enter_user_namespace() {
    const uid_t uid = geteuid();
    const gid_t gid = getegid();
    if (unshare(CLONE_NEWUSER) != 0)
        throw system_error("private LTTng: a user namespace (unprivileged user namespaces may be switched off)");
    write_file("/proc/self/setgroups", "deny");
    write_file("/proc/self/uid_map", "0 " + std::to_string(uid) + " 1");
    write_file("/proc/self/gid_map", "0 " + std::to_string(gid) + " 1");
}

void mount_empty(const char* path) {
    if (mount("tmpfs", path, "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777") != 0)
        throw system_error(std::string("private LTTng: mounting a tmpfs on ") + path);
}

// Three free TCP ports on 127.0.0.1, held until all are known so that they differ. Between here and the relay's own
// bind another program could take one; in a network namespace of one's own there is none.
std::array<std::uint16_t, 3> free_ports() {
    std::array<Fd, 3> holders;
    std::array<std::uint16_t, 3> ports{};
    for (std::size_t i = 0; i < ports.size(); ++i) {
        holders[i] = Fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof address;
        if (bind(holders[i].get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
            getsockname(holders[i].get(), reinterpret_cast<sockaddr*>(&address), &size) != 0)
            throw system_error("private LTTng: a free port on 127.0.0.1 (is lo up in this network namespace?)");
        ports[i] = ntohs(address.sin_port);
    }
    return ports;
}

std::string find_program(const std::string& name) {
    const char* path = std::getenv("PATH");
    std::string_view rest = path != nullptr ? path : "/usr/local/bin:/usr/bin:/bin";
    while (!rest.empty()) {
        const std::size_t end = rest.find(':');
        const std::string candidate = std::string(rest.substr(0, end)) + "/" + name;
        if (access(candidate.c_str(), X_OK) == 0) return candidate;
        rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
    }
    throw LttngError("private LTTng: no " + name + " in PATH (Debian's package lttng-tools)");
}

std::vector<const char*> pointers(const std::vector<std::string>& strings) {
    std::vector<const char*> result;
    for (const std::string& string : strings) result.push_back(string.c_str());
    result.push_back(nullptr);
    return result;
}

// The caller's environment without what would let a daemon read or write outside its work directory; or, to meet the
// user's programs, with all but the preloaded.
std::vector<std::string> daemon_environment(const std::filesystem::path& home, bool meets_users_programs) {
    std::vector<std::string> result;
    if (meets_users_programs) {
        for (char** variable = environ; *variable != nullptr; ++variable)
            if (!std::string_view(*variable).starts_with("LD_PRELOAD=")) result.emplace_back(*variable);
        return result;
    }
    for (char** variable = environ; *variable != nullptr; ++variable) {
        const std::string_view text = *variable;
        if (!text.starts_with("LTTNG_") && !text.starts_with("HOME=") && !text.starts_with("LD_PRELOAD="))
            result.emplace_back(text);
    }
    result.push_back("HOME=" + home.string());
    result.push_back("LTTNG_HOME=" + home.string());
    return result;
}

bool wait_readable(int fd, steady_clock::time_point deadline) {
    for (;;) {
        const auto left = std::chrono::ceil<milliseconds>(deadline - steady_clock::now());
        if (left.count() <= 0) return false;
        pollfd ready{fd, POLLIN, 0};
        const int result = poll(&ready, 1, static_cast<int>(left.count()));
        if (result > 0) return true;
        if (result < 0 && errno != EINTR) return false;
    }
}

}  // namespace

void enter_private_run_directories() {
    if (geteuid() != 0) enter_user_namespace();
    if (unshare(CLONE_NEWNS | CLONE_NEWNET) != 0)
        throw system_error("private LTTng: namespaces of its own (needs root or a user namespace)");
    if (mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0)
        throw system_error("private LTTng: making mounts private");
    mount_empty("/run");
    mount_empty("/dev/shm");
    bring_loopback_up();
    acknowledge_at_once_on_loopback();
}

struct PrivateLttng::Running {
    std::filesystem::path log_file;
    std::array<std::uint16_t, 3> ports{};  // control, data, live
    milliseconds limit{};
    Fd lifeline;  // writing end
    Fd report;    // reading end
    pid_t keeper = -1;
    mutable bool died = false;

    void start(const PrivateLttngOptions& options);
    void expect_ready();
    void stop();
    bool alive() const;
};

void PrivateLttng::Running::start(const PrivateLttngOptions& options) {
    const std::filesystem::path& work_directory = options.work_directory;
    const auto url = [this](int which) { return "tcp://127.0.0.1:" + std::to_string(ports[which]); };
    // Their sockets are for us alone; and the group "tracing" exists in no user namespace of ours.
    const std::string group = options.meets_users_programs ? "--group=tracing" : "--group=root";
    const std::vector<std::string> relay = {find_program("lttng-relayd"), "--output=" + work_directory.string(),
                                            "--control-port=" + url(0),   "--data-port=" + url(1),
                                            "--live-port=" + url(2),      group};
    const std::vector<std::string> session = {find_program("lttng-sessiond"), "--no-kernel", "--sig-parent", group};
    const std::vector<std::string> environment = daemon_environment(work_directory, options.meets_users_programs);
    const auto relay_arguments = pointers(relay), session_arguments = pointers(session),
               variables = pointers(environment);

    const Fd log(open(log_file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600));
    if (log.get() < 0) throw system_error("private LTTng: " + log_file.string());
    auto [lifeline_read, lifeline_write] = make_pipe();
    auto [report_read, report_write] = make_pipe();

    const KeeperPlan plan{relay_arguments.data(),
                          options.only_relay ? nullptr : session_arguments.data(),
                          variables.data(),
                          options.meets_users_programs,
                          log.get(),
                          lifeline_read.get(),
                          report_write.get(),
                          ports[2],
                          limit};
    keeper = start_keeper(plan);
    if (keeper < 0) throw system_error("private LTTng: fork");
    lifeline = std::move(lifeline_write);
    report = std::move(report_read);
}

void PrivateLttng::Running::expect_ready() {
    KeeperReport what = KeeperReport::too_slow;
    // The keeper watches the limit; the second on top is for a keeper that hangs.
    if (wait_readable(report.get(), steady_clock::now() + limit + std::chrono::seconds(1)) &&
        read(report.get(), &what, 1) != 1)
        what = KeeperReport::broken;
    switch (what) {
        case KeeperReport::ready:
            return;
        case KeeperReport::relay_failed:
            throw LttngError("lttng-relayd ended while it was started");
        case KeeperReport::session_failed:
            throw LttngError("lttng-sessiond ended while it was started");
        case KeeperReport::too_slow:
            throw LttngError("the LTTng daemons were not ready after " + std::to_string(limit.count()) + " ms");
        default:
            throw LttngError("the LTTng daemons could not be started");
    }
}

void PrivateLttng::Running::stop() {
    if (keeper < 0) return;
    lifeline.reset();
    const Fd process(static_cast<int>(syscall(SYS_pidfd_open, keeper, 0)));
    const bool ended = wait_readable(process.get(), steady_clock::now() + limit);
    if (!ended) kill(keeper, SIGKILL);  // the daemons then get their parent-death signal
    waitpid(keeper, nullptr, 0);
    keeper = -1;
    if (!ended) throw LttngError("the LTTng daemons had not ended after " + std::to_string(limit.count()) + " ms");
}

bool PrivateLttng::Running::alive() const {
    if (keeper < 0) return false;
    pollfd ready{report.get(), POLLIN, 0};
    if (!died && poll(&ready, 1, 0) > 0) died = true;  // "died", or end of file because the keeper is gone
    return !died;
}

PrivateLttng::PrivateLttng(const PrivateLttngOptions& options) : running_(std::make_unique<Running>()) {
    if (geteuid() != 0 && !options.meets_users_programs)
        throw LttngError("private LTTng: needs to be root of a mount namespace (enter_private_run_directories)");
    std::error_code error;
    std::filesystem::create_directories(options.work_directory, error);
    if (error) throw LttngError("private LTTng: making " + options.work_directory.string() + ": " + error.message());
    if (options.own_network_namespace) acknowledge_at_once_on_loopback();
    running_->limit = options.limit;
    running_->log_file = options.work_directory / "daemons.log";
    running_->ports = free_ports();
    running_->start(options);
    try {
        running_->expect_ready();
    } catch (const LttngError& failure) {
        const std::string log = last_log_lines();
        try {
            running_->stop();
        } catch (const LttngError&) {  // the first error tells more
        }
        throw LttngError(std::string(failure.what()) + (log.empty() ? "" : "\n" + log));
    }
}

bool session_daemon_runs(milliseconds limit) {
    const auto answer = std::make_shared<int>(0);
    DeadlineThread().run("LTTng: looking for a session daemon", limit,
                         [answer] { *answer = lttng_session_daemon_alive(); });
    return *answer == 1;
}

PrivateLttng::~PrivateLttng() {
    try {
        stop();
    } catch (const LttngError&) {
    }
}

void PrivateLttng::stop() {
    running_->stop();
}

bool PrivateLttng::running() const {
    return running_->alive();
}

std::string PrivateLttng::relay_url() const {
    return "net://127.0.0.1:" + std::to_string(running_->ports[0]) + ":" + std::to_string(running_->ports[1]);
}

std::string PrivateLttng::viewer_url() const {
    return "net://127.0.0.1:" + std::to_string(running_->ports[2]);
}

std::filesystem::path PrivateLttng::trace_directory() const {
    return running_->log_file.parent_path();
}

std::string PrivateLttng::last_log_lines(std::size_t lines) const {
    std::ifstream log(running_->log_file);
    std::deque<std::string> last;
    for (std::string line; std::getline(log, line);) {
        last.push_back(std::move(line));
        if (last.size() > lines) last.pop_front();
    }
    std::string text;
    for (const std::string& line : last) text += (text.empty() ? "" : "\n") + line;
    return text;
}

std::vector<std::pair<std::string, std::string>> traced_program_environment(bool no_loss) {
    std::vector<std::pair<std::string, std::string>> variables = {{"LTTNG_UST_REGISTER_TIMEOUT", "5000"}};
    if (no_loss) variables.emplace_back("LTTNG_UST_ALLOW_BLOCKING", "1");
    return variables;
}

}  // namespace lockstep::monitors
