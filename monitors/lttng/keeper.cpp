// The keeper is a fork without exec of a process that may have many threads, so that no helper program must be found:
// it makes only async-signal-safe calls.
#include "monitors/lttng/keeper.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>

namespace lockstep::monitors {
namespace {

constexpr int probe_interval_ms = 1;
constexpr std::int64_t gentle_limit_ms = 2000;
constexpr rlim_t daemon_files = 4096;

std::int64_t now_ms() {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1'000'000;
}

class Keeper {
 public:
    explicit Keeper(const KeeperPlan& plan) : plan_(plan), deadline_ms_(now_ms() + plan.limit.count()) {}

    [[noreturn]] void run() {
        if (!set_up()) leave(KeeperReport::broken);
        relay_ = start(plan_.relay_arguments);
        session_ready_ = plan_.session_arguments == nullptr;
        if (!session_ready_) session_ = start(plan_.session_arguments);
        if (relay_ < 0 || (!session_ready_ && session_ < 0)) leave(KeeperReport::broken);
        wait_until_ready();
        tell(KeeperReport::ready);
        wait_until_told_to_stop();
        if (plan_.gently) end_session_daemon();
        kill_all();
        _exit(0);
    }

 private:
    bool set_up() {
        // Consumer daemons whose parent died become children of the keeper, so that it can wait for their end too.
        prctl(PR_SET_CHILD_SUBREAPER, 1);
        prctl(PR_SET_NAME, "lttng-keeper");
        keep_only_own_files();
        sigset_t all;
        sigfillset(&all);
        if (sigprocmask(SIG_SETMASK, &all, nullptr) != 0) return false;
        struct sigaction standard {};
        standard.sa_handler = SIG_DFL;  // an inherited SIG_IGN for SIGCHLD would reap the daemons unseen
        sigaction(SIGCHLD, &standard, nullptr);
        sigaction(SIGUSR1, &standard, nullptr);
        sigset_t wanted;
        sigemptyset(&wanted);
        sigaddset(&wanted, SIGCHLD);
        sigaddset(&wanted, SIGUSR1);
        signals_ = signalfd(-1, &wanted, SFD_NONBLOCK | SFD_CLOEXEC);
        return signals_ >= 0;
    }

    // The parent's other descriptors must not be held open by daemons, least of all the lifelines of other keepers.
    void keep_only_own_files() {
        const int limit = static_cast<int>(sysconf(_SC_OPEN_MAX));
        int next = 3;
        for (;;) {
            int kept = limit;
            for (const int fd : {plan_.log_fd, plan_.lifeline_fd, plan_.report_fd})
                if (fd >= next && fd < kept) kept = fd;
            if (kept == limit) break;
            if (kept > next) close_range(static_cast<unsigned>(next), static_cast<unsigned>(kept - 1), 0);
            next = kept + 1;
        }
        close_range(static_cast<unsigned>(next), ~0U, 0);
    }

    pid_t start(const char* const* arguments) {
        const pid_t pid = fork();
        if (pid != 0) {
            if (pid > 0) setpgid(pid, pid);  // here and in the child: whoever comes first
            return pid;
        }
        setpgid(0, 0);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        const int nothing = open("/dev/null", O_RDONLY);
        dup2(nothing, STDIN_FILENO);
        dup2(plan_.log_fd, STDOUT_FILENO);
        dup2(plan_.log_fd, STDERR_FILENO);
        close_range(3, ~0U, 0);
        limit_files();
        sigset_t none;
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, nullptr);
        execve(arguments[0], const_cast<char* const*>(arguments), const_cast<char* const*>(plan_.environment));
        constexpr char message[] = "the program can't be executed\n";
        [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, message, sizeof message - 1);
        _exit(127);
    }

    // The daemons' helpers close every descriptor up to the limit, one by one, before they work.
    static void limit_files() {
        rlimit files{};
        if (getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur <= daemon_files) return;
        files.rlim_cur = daemon_files;
        setrlimit(RLIMIT_NOFILE, &files);
    }

    void wait_until_ready() {
        bool relay_ready = false;
        while (!relay_ready || !session_ready_) {
            pollfd ready[] = {{plan_.lifeline_fd, POLLIN, 0}, {signals_, POLLIN, 0}};
            poll(ready, 2, relay_ready ? static_cast<int>(remaining_ms()) : probe_interval_ms);
            if (ready[0].revents != 0) {
                kill_all();
                _exit(0);
            }
            take_signals();
            if (relay_dead_) leave(KeeperReport::relay_failed);
            if (session_dead_) leave(KeeperReport::session_failed);
            if (!relay_ready) relay_ready = relay_accepts();
            if (remaining_ms() == 0) leave(KeeperReport::too_slow);
        }
    }

    void wait_until_told_to_stop() {
        bool told = false;
        for (;;) {
            pollfd ready[] = {{plan_.lifeline_fd, POLLIN, 0}, {signals_, POLLIN, 0}};
            poll(ready, 2, -1);
            if (ready[0].revents != 0) return;
            take_signals();
            if (!told && (relay_dead_ || session_dead_)) {
                tell(KeeperReport::died);
                told = true;
            }
        }
    }

    void take_signals() {
        signalfd_siginfo info;
        while (read(signals_, &info, sizeof info) == sizeof info)
            if (info.ssi_signo == SIGUSR1) session_ready_ = true;
        for (pid_t pid; (pid = waitpid(-1, nullptr, WNOHANG)) > 0;) {
            if (pid == relay_) relay_dead_ = true;
            if (pid == session_) session_dead_ = true;
        }
    }

    bool relay_accepts() const {
        const int connection = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(plan_.relay_port);
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        const bool accepted = connect(connection, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
        close(connection);
        return accepted;
    }

    void end_session_daemon() {
        if (session_dead_ || session_ <= 0) return;
        kill(session_, SIGTERM);
        const std::int64_t until = now_ms() + gentle_limit_ms;
        while (!session_dead_ && now_ms() < until) {
            pollfd ready{signals_, POLLIN, 0};
            poll(&ready, 1, probe_interval_ms);
            take_signals();
        }
    }

    // Killing a whole process group reaches the consumer daemons and run-as helpers. The group's number can't have been
    // given to somebody else while a member lives, nor while its dead leader was not waited for.
    void kill_all() const {
        if (!relay_dead_ && relay_ > 0) kill(-relay_, SIGKILL);
        if (session_ > 0) kill(-session_, SIGKILL);
        while (waitpid(-1, nullptr, 0) > 0 || errno == EINTR) {
        }
    }

    std::int64_t remaining_ms() const {
        const std::int64_t left = deadline_ms_ - now_ms();
        return left > 0 ? left : 0;
    }

    void tell(KeeperReport report) const {
        [[maybe_unused]] const ssize_t written = write(plan_.report_fd, &report, 1);
    }

    [[noreturn]] void leave(KeeperReport report) const {
        kill_all();
        tell(report);
        _exit(1);
    }

    const KeeperPlan& plan_;
    std::int64_t deadline_ms_;
    int signals_ = -1;
    pid_t relay_ = -1;
    pid_t session_ = -1;
    bool relay_dead_ = false;
    bool session_dead_ = false;
    bool session_ready_ = false;
};

}  // namespace

pid_t start_keeper(const KeeperPlan& plan) {
    // No signal handler of the parent may run in the child before it blocks them all.
    sigset_t all, former;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &former);
    const pid_t pid = fork();
    if (pid == 0) Keeper(plan).run();
    const int error = errno;
    pthread_sigmask(SIG_SETMASK, &former, nullptr);
    errno = error;
    return pid;
}

}  // namespace lockstep::monitors
