// The sandbox: what the body returns comes back, what it starts is gone, whatever happened to whom.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>

#include "netns_harness/network.hpp"
#include "netns_harness/sandbox.hpp"

namespace lockstep::harness {
namespace {

namespace fs = std::filesystem;

// Every process of this machine of which `link` ("ns/net", "ns/pid") leads to `inode`.
std::set<pid_t> processes_in(const std::string& link, ino_t inode) {
    std::set<pid_t> found;
    for (const auto& entry : fs::directory_iterator("/proc")) {
        const std::string name = entry.path().filename();
        if (name.find_first_not_of("0123456789") != std::string::npos) continue;
        struct stat status {};
        if (stat((entry.path() / link).c_str(), &status) == 0 && status.st_ino == inode) found.insert(std::stoi(name));
    }
    return found;
}

ino_t inode_of(const std::string& path) {
    struct stat status {};
    return stat(path.c_str(), &status) == 0 ? status.st_ino : 0;
}

// What a body tells its test through memory that both share.
struct Told {
    std::atomic<ino_t> pid_namespace;
    std::atomic<ino_t> net_namespace;
};

class SandboxTest : public testing::Test {
 protected:
    SandboxTest()
        : told_(new (mmap(nullptr, sizeof(Told), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)) Told{}) {
        prctl(PR_SET_CHILD_SUBREAPER, 1);  // the dead of a killed caller are ours to reap, so that they vanish at once
    }
    ~SandboxTest() override { munmap(told_, sizeof(Told)); }

    void tell_namespaces() {
        told_->net_namespace = inode_of("/proc/self/ns/net");
        told_->pid_namespace = inode_of("/proc/self/ns/pid");
    }

    // Waits for processes to be gone: the kernel kills them at once, but a killed process takes a moment to vanish.
    bool namespaces_are_empty() {
        const auto deadline = Clock::now() + milliseconds(10'000);
        while (Clock::now() < deadline) {
            while (waitpid(-1, nullptr, WNOHANG) > 0) {
            }
            if (processes_in("ns/pid", told_->pid_namespace).empty() &&
                processes_in("ns/net", told_->net_namespace).empty())
                return true;
            poll(nullptr, 0, 5);
        }
        return false;
    }

    Told* told_;
};

// Runs `work` in a process of its own, which may be killed or change its user.
template <class Work>
pid_t start_process(Work work) {
    const pid_t child = fork();
    if (child == 0) {
        int status = 99;
        try {
            status = work();
        } catch (const std::exception& error) {
            std::fprintf(stderr, "%s\n", error.what());
        }
        _exit(status);
    }
    return child;
}

int exit_status_of(pid_t child) {
    int status = 0;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

// A process that never ends by itself and ignores SIGTERM.
void start_stubborn_process() {
    if (fork() != 0) return;
    setsid();
    signal(SIGTERM, SIG_IGN);
    for (;;) pause();
}

void wait_for_end_of_time() {
    for (;;) pause();
}

// A session is a scheduling group of its own: two runs at once would compete as groups. A process group keeps the
// terminal's signals away.
TEST_F(SandboxTest, StaysInTheCallersSessionInAProcessGroupOfItsOwn) {
    const int status = run_in_sandbox({}, [](Sandbox&) {
        const bool session_is_outside = getsid(0) == 0;  // no process of this PID namespace leads it
        const bool group_is_inside = getpgid(0) != 0;
        return session_is_outside && group_is_inside ? 0 : 1;
    });
    EXPECT_EQ(status, 0);
}

TEST_F(SandboxTest, TheBodysExitStatusComesBack) {
    EXPECT_EQ(run_in_sandbox({}, [](Sandbox&) { return 0; }), 0);
    EXPECT_EQ(run_in_sandbox({}, [](Sandbox&) { return 3; }), 3);
}

TEST_F(SandboxTest, AnExceptionInTheBodyIsExitStatusTwo) {
    EXPECT_EQ(run_in_sandbox({}, [](Sandbox&) -> int { throw Error("this message is expected"); }), 2);
}

TEST_F(SandboxTest, TheBodyIsRootAloneInItsNamespacesWithEmptyRun) {
    const ino_t outer_net = inode_of("/proc/self/ns/net");
    const ino_t outer_pid = inode_of("/proc/self/ns/pid");
    const int status = run_in_sandbox({}, [&](Sandbox&) {
        if (geteuid() != 0) return 10;
        if (inode_of("/proc/self/ns/net") == outer_net) return 11;
        if (inode_of("/proc/self/ns/pid") == outer_pid) return 12;
        if (getppid() != 1) return 13;
        for (const auto& entry : fs::directory_iterator("/run"))
            if (entry.path() != Sandbox::scratch) return 14;
        if (!fs::is_empty("/dev/shm")) return 15;
        return 0;
    });
    EXPECT_EQ(status, 0);
}

TEST_F(SandboxTest, ProcessesTheBodyLeftAreKilledWhenItReturns) {
    run_in_sandbox({}, [this](Sandbox&) {
        tell_namespaces();
        start_stubborn_process();
        return 0;
    });
    EXPECT_TRUE(namespaces_are_empty());
}

TEST_F(SandboxTest, ACrashOfTheBodyIsReportedAndLeavesNothing) {
    const auto crash = [this](Sandbox&) -> int {
        tell_namespaces();
        start_stubborn_process();
        raise(SIGKILL);
        return 0;
    };
    EXPECT_THROW(run_in_sandbox({}, crash), SandboxKilled);
    EXPECT_TRUE(namespaces_are_empty());
}

TEST_F(SandboxTest, TheLimitEndsABodyThatHangs) {
    SandboxOptions options;
    options.limit = milliseconds(200);
    try {
        run_in_sandbox(options, [this](Sandbox&) -> int {
            tell_namespaces();
            wait_for_end_of_time();
            return 0;
        });
        FAIL() << "the body can't have ended";
    } catch (const SandboxKilled& killed) {
        EXPECT_EQ(killed.reason, SandboxKilled::Reason::limit);
    }
    EXPECT_TRUE(namespaces_are_empty());
}

TEST_F(SandboxTest, SigkillOfTheCallerLeavesNothing) {
    Pipe running = make_pipe();
    const pid_t caller = start_process([&] {
        return run_in_sandbox({}, [&](Sandbox&) -> int {
            tell_namespaces();
            start_stubborn_process();
            Network network("10.77.0.0/24");
            network.add_host("a");
            if (write(running.write.get(), "x", 1) != 1) return 1;
            wait_for_end_of_time();
            return 0;
        });
    });
    char byte = 0;
    ASSERT_EQ(read(running.read.get(), &byte, 1), 1);
    EXPECT_FALSE(processes_in("ns/pid", told_->pid_namespace).empty());
    kill(caller, SIGKILL);
    EXPECT_EQ(exit_status_of(caller), -SIGKILL);
    EXPECT_TRUE(namespaces_are_empty());
}

TEST_F(SandboxTest, ASignalToTheCallerReachesTheBodyWhichEndsInGoodOrder) {
    for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
        Pipe running = make_pipe();
        const pid_t caller = start_process([&] {
            return run_in_sandbox({}, [&](Sandbox& sandbox) -> int {
                tell_namespaces();
                if (sandbox.stop_requested() || write(running.write.get(), "x", 1) != 1) return 1;
                pollfd stop{sandbox.stop_fd(), POLLIN, 0};
                poll(&stop, 1, -1);
                return sandbox.stop_requested() ? 7 : 1;
            });
        });
        char byte = 0;
        ASSERT_EQ(read(running.read.get(), &byte, 1), 1);
        kill(caller, signal);
        EXPECT_EQ(exit_status_of(caller), 7);
        EXPECT_TRUE(namespaces_are_empty());
    }
}

TEST_F(SandboxTest, ASecondSignalKillsABodyThatIgnoresTheFirst) {
    Pipe running = make_pipe();
    const pid_t caller = start_process([&] {
        try {
            run_in_sandbox({}, [&](Sandbox& sandbox) -> int {
                tell_namespaces();
                pollfd stop{sandbox.stop_fd(), POLLIN, 0};
                if (write(running.write.get(), "1", 1) != 1) return 1;
                poll(&stop, 1, -1);
                if (write(running.write.get(), "2", 1) != 1) return 1;
                wait_for_end_of_time();
                return 0;
            });
        } catch (const SandboxKilled& killed) {
            return killed.reason == SandboxKilled::Reason::signal ? 8 : 9;
        }
        return 10;
    });
    char byte = 0;
    ASSERT_EQ(read(running.read.get(), &byte, 1), 1);
    kill(caller, SIGINT);
    ASSERT_EQ(read(running.read.get(), &byte, 1), 1);
    kill(caller, SIGINT);
    EXPECT_EQ(exit_status_of(caller), 8);
    EXPECT_TRUE(namespaces_are_empty());
}

TEST_F(SandboxTest, WithoutRootItMakesAUserNamespaceOfItsOwn) {
#ifdef __SANITIZE_THREAD__
    GTEST_SKIP() << "the kernel refuses a process with threads, and ThreadSanitizer has one of its own";
#endif
    const pid_t caller = start_process([&] {
        if (geteuid() == 0) {
            if (setgid(65534) != 0 || setuid(65534) != 0) return 20;
            prctl(PR_SET_DUMPABLE, 1);  // what exec would have done: or /proc/self stays root's
        }
        return run_in_sandbox({}, [&](Sandbox&) {
            tell_namespaces();
            if (geteuid() != 0) return 21;
            Network network("10.77.0.0/24");
            network.add_host("server");
            network.add_host("client1");
            std::ofstream(std::string(Sandbox::scratch) + "/file") << "x";
            return network.hosts().size() == 2 ? 0 : 22;
        });
    });
    EXPECT_EQ(exit_status_of(caller), 0);
    EXPECT_TRUE(namespaces_are_empty());
}

TEST_F(SandboxTest, DirectoriesUnderHiddenOnesStayVisibleWhenAsked) {
    char directory[] = "/dev/shm/lockstep-sandbox-test-XXXXXX";
    ASSERT_NE(mkdtemp(directory), nullptr);
    SandboxOptions options;
    options.visible = {directory, "/tmp"};
    const int status = run_in_sandbox(options, [&](Sandbox&) {
        std::ofstream(std::string(directory) + "/inside") << "seen outside";
        return 0;
    });
    EXPECT_EQ(status, 0);
    EXPECT_EQ(read_file(std::string(directory) + "/inside"), "seen outside");
    fs::remove_all(directory);
}

TEST_F(SandboxTest, ADirectoryThatDoesNotExistIsAnErrorBeforeAnythingStarts) {
    SandboxOptions options;
    options.visible = {"/nonexistent/directory"};
    EXPECT_ANY_THROW(run_in_sandbox(options, [](Sandbox&) { return 0; }));
}

}  // namespace
}  // namespace lockstep::harness
