// Private daemons: ready when the constructor returns, gone afterwards whatever happens.
#include "monitors/lttng/private_lttng.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <lttng/lttng.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace lockstep::monitors {
namespace {

using namespace std::chrono_literals;

std::string command_of(pid_t pid) {
    std::ifstream file("/proc/" + std::to_string(pid) + "/comm");
    std::string name;
    std::getline(file, name);
    return name;
}

std::string mount_namespace(pid_t pid) {
    std::error_code error;
    return std::filesystem::read_symlink("/proc/" + std::to_string(pid) + "/ns/mnt", error).string();
}

// Processes of LTTng in this test's own mount namespace: others run tests of their own at the same time.
std::vector<pid_t> daemons() {
    std::vector<pid_t> found;
    const std::string own = mount_namespace(getpid());
    for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
        const pid_t pid = std::atoi(entry.path().filename().c_str());
        if (pid > 0 && command_of(pid).starts_with("lttng-") && mount_namespace(pid) == own) found.push_back(pid);
    }
    return found;
}

class PrivateLttngTest : public testing::Test {
 protected:
    // gtest's filter runs each test in a process of its own under ctest; run by hand, the second test nests its
    // namespaces.
    void SetUp() override { enter_private_run_directories(); }
};

TEST_F(PrivateLttngTest, IsReadyWhenMadeAndLeavesNoProcessWhenStopped) {
    PrivateLttng lttng;
    EXPECT_EQ(1, lttng_session_daemon_alive());
    EXPECT_TRUE(lttng.running());
    EXPECT_GE(daemons().size(), 3u) << "keeper, relay, session daemon";
    lttng.stop();
    EXPECT_FALSE(lttng.running());
    EXPECT_TRUE(daemons().empty());
    EXPECT_EQ(0, lttng_session_daemon_alive());
}

TEST_F(PrivateLttngTest, CanBeStartedAgainAfterItWasStopped) {
    for (int round = 0; round < 3; ++round) {
        PrivateLttng lttng;
        EXPECT_EQ(1, lttng_session_daemon_alive());
    }
    EXPECT_TRUE(daemons().empty());
}

TEST_F(PrivateLttngTest, ASecondOneInTheSameRunDirectoryIsRefusedWithTheDaemonsOwnWords) {
    PrivateLttng first;
    try {
        PrivateLttng second({.work_directory = "/run/second"});
        FAIL() << "two session daemons share a run directory";
    } catch (const LttngError& error) {
        EXPECT_THAT(error.what(), testing::HasSubstr("lttng-sessiond ended while it was started")) << error.what();
        EXPECT_THAT(error.what(), testing::HasSubstr("already running")) << error.what();
    }
    EXPECT_TRUE(first.running());
    EXPECT_EQ(1, lttng_session_daemon_alive());
}

TEST_F(PrivateLttngTest, ADaemonThatDiesIsNoticed) {
    PrivateLttng lttng;
    for (const pid_t pid : daemons())
        if (command_of(pid) == "lttng-relayd") {
            ASSERT_EQ(0, kill(pid, SIGKILL));
        }
    for (int i = 0; i < 1000 && lttng.running(); ++i) usleep(1000);
    EXPECT_FALSE(lttng.running());
    lttng.stop();
    EXPECT_TRUE(daemons().empty());
}

TEST_F(PrivateLttngTest, NothingOutlivesAnOwnerThatIsKilled) {
    int ready[2];
    ASSERT_EQ(0, pipe(ready));
    const pid_t owner = fork();
    if (owner == 0) {
        PrivateLttng lttng;
        (void)!write(ready[1], "r", 1);
        pause();
        _exit(0);
    }
    char byte;
    ASSERT_EQ(1, read(ready[0], &byte, 1));
    std::vector<int> processes;
    for (const pid_t pid : daemons()) processes.push_back(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
    ASSERT_GE(processes.size(), 3u);
    ASSERT_EQ(0, kill(owner, SIGKILL));
    ASSERT_EQ(owner, waitpid(owner, nullptr, 0));
    for (const int process : processes) {
        pollfd ended{process, POLLIN, 0};
        EXPECT_EQ(1, poll(&ended, 1, 5000)) << "a daemon lives on";
        close(process);
    }
}

TEST_F(PrivateLttngTest, AWorkDirectoryThatCannotBeMadeIsAnErrorThatNamesIt) {
    std::ofstream("/run/in_the_way") << "a file";
    try {
        PrivateLttng lttng({.work_directory = "/run/in_the_way/inside"});
        FAIL();
    } catch (const LttngError& error) {
        EXPECT_THAT(error.what(), testing::HasSubstr("/run/in_the_way/inside"));
    }
}

}  // namespace
}  // namespace lockstep::monitors
