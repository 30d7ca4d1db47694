// Reactors that reach outside the process: exec, stop, abort of another process, capture.
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include "reactors/child_process.hpp"
#include "reactors/culprit.hpp"
#include "reactors/folder_for_test.hpp"
#include "reactors/reactor.hpp"

namespace lockstep::reactors {
namespace {

using ::testing::HasSubstr;
using namespace std::chrono_literals;

std::uint64_t monotonic_ns() {
    timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(now.tv_nsec);
}

Report a_report() {
    Report report;
    report.monitor = "some_property";
    report.keys = {{"file", "/a; rm -rf \"$HOME\"", true}, {"byte", "7", false}};
    report.state = "here";
    report.event = "went";
    report.origin.time_ns = monotonic_ns();
    return report;
}

std::string failure_of(const std::function<void()>& call) {
    try {
        call();
    } catch (const ReactorError& error) {
        return error.what();
    }
    return "";
}

class OutsideTest : public FolderTest {};

// A process that waits for its end, in a network namespace of its own if told so.
class Sleeper {
 public:
    Sleeper() {
        pid_ = fork();
        if (pid_ == 0) {
            for (;;) pause();
        }
    }
    ~Sleeper() {
        kill(pid_, SIGKILL);
        waitpid(pid_, nullptr, 0);
    }
    Sleeper(const Sleeper&) = delete;
    Sleeper& operator=(const Sleeper&) = delete;
    pid_t pid() const { return pid_; }
    int wait(int options) const {
        int status = 0;
        return waitpid(pid_, &status, options) == pid_ ? status : -1;
    }

 private:
    pid_t pid_;
};

Report report_of(pid_t vpid) {
    Report report = a_report();
    report.origin.vpid = static_cast<std::uint32_t>(vpid);
    struct stat status;
    if (stat("/proc/self/ns/net", &status) == 0) report.origin.net_ns = status.st_ino;
    return report;
}

TEST_F(OutsideTest, ExecGetsTheReportAsJsonAndItsPartsInTheEnvironment) {
    const std::string out = (folder_ / "out").string();
    make_reactor("exec:cat >" + out + "; echo \"$LOCKSTEP_PROPERTY|$LOCKSTEP_KEYS|$LOCKSTEP_STATE\" >>" + out)
        ->react(a_report());
    const std::string text = content(out);
    EXPECT_EQ("went", nlohmann::json::parse(text.substr(0, text.find('\n')))["event"]);
    EXPECT_THAT(text, HasSubstr("\nsome_property|file=/a; rm -rf \"$HOME\" byte=7|here\n"));
}

TEST_F(OutsideTest, ACommandsFailureNamesItsStatusAndTheCommand) {
    EXPECT_EQ("exit status 3: exit 3", failure_of([] { make_reactor("exec:exit 3")->react(a_report()); }));
    EXPECT_EQ("exit status 137: kill -9 $$", failure_of([] { make_reactor("exec:kill -9 $$")->react(a_report()); }));
    EXPECT_THAT(failure_of([] { make_reactor("exec"); }), HasSubstr("exec:COMMAND"));
}

TEST_F(OutsideTest, ACommandThatDoesNotEndIsKilledWithWhatItStarted) {
    const std::string pids = (folder_ / "pids").string();
    const std::string why = failure_of([&] {
        run_command({"sleep 1000 & echo $! >" + pids + "; wait", {}, "", {}}, 300ms);
    });
    EXPECT_THAT(why, HasSubstr("killed after 300 ms"));
    // Gone, or a zombie that nobody has reaped yet.
    const std::string grandchild = "/proc/" + std::to_string(std::stoi(content(pids))) + "/stat";
    const auto until = std::chrono::steady_clock::now() + 10s;
    const auto alive = [&] {
        const std::string stat = content(grandchild);
        return !stat.empty() && stat.find(") Z ") == std::string::npos;
    };
    while (alive() && std::chrono::steady_clock::now() < until) std::this_thread::yield();
    EXPECT_FALSE(alive());
}

// The watched program may count its children, and have handlers for SIGCHLD and for forks.
TEST_F(OutsideTest, TheProgramNoticesNothingOfACommand) {
    static std::atomic<int> noticed{0};
    noticed = 0;
    signal(SIGCHLD, [](int) { ++noticed; });
    pthread_atfork([] { ++noticed; }, [] { ++noticed; }, [] { ++noticed; });
    std::atomic<bool> stop{false};
    std::atomic<bool> reaped{false};
    std::thread waiter([&] {
        while (!stop)
            if (waitpid(-1, nullptr, WNOHANG) > 0) reaped = true;
    });
    setenv("LD_PRELOAD", "/nowhere.so", 1);
    const std::string out = (folder_ / "out").string();
    make_reactor("exec:echo \"preload:$LD_PRELOAD\" >" + out)->react(a_report());
    unsetenv("LD_PRELOAD");
    stop = true;
    waiter.join();
    signal(SIGCHLD, SIG_DFL);
    EXPECT_EQ(0, noticed);
    EXPECT_FALSE(reaped);
    EXPECT_EQ("preload:\n", content(out));
}

TEST_F(OutsideTest, AReportLargerThanAPipeReachesACommandThatDoesNotReadIt) {
    Report report = a_report();
    report.dot_source.assign(1 << 20, 'x');
    make_reactor("exec:true")->react(report);
    const std::string out = (folder_ / "out").string();
    make_reactor("exec:wc -c >" + out)->react(report);
    EXPECT_GT(std::stoi(content(out)), 1 << 20);
}

TEST_F(OutsideTest, StopHaltsTheWholeProcessInPlaceUntilItIsContinued) {
    const auto stop = make_reactor("stop");
    ASSERT_TRUE(stop->acts_in_place());
    const pid_t child = fork();
    if (child == 0) {
        stop->act();
        _exit(7);
    }
    int status = 0;
    ASSERT_EQ(child, waitpid(child, &status, WUNTRACED));
    EXPECT_TRUE(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
    kill(child, SIGCONT);
    ASSERT_EQ(child, waitpid(child, &status, 0));
    EXPECT_EQ(7, WEXITSTATUS(status));
}

TEST_F(OutsideTest, FromOutsideStopHaltsAndAbortEndsTheProcessOfTheEvent) {
    const Sleeper culprit, bystander;
    make_reactor("stop")->react_from_outside(report_of(culprit.pid()));
    EXPECT_TRUE(WIFSTOPPED(culprit.wait(WUNTRACED)));
    kill(culprit.pid(), SIGCONT);
    make_reactor("abort")->react_from_outside(report_of(culprit.pid()));
    const int status = culprit.wait(0);
    EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    EXPECT_EQ(-1, bystander.wait(WNOHANG | WUNTRACED));
}

TEST_F(OutsideTest, AProcessThatIsNotTheEventsIsNotTouched) {
    const Sleeper sleeper;
    Report report = report_of(sleeper.pid());
    ++report.origin.net_ns;
    EXPECT_THAT(failure_of([&] { culprit_of(report); }), HasSubstr("is gone, or not on this machine"));
    report.origin.vpid = 0;
    EXPECT_THAT(failure_of([&] { culprit_of(report); }), HasSubstr("does not say which process"));
    report.history.push_back({report_of(sleeper.pid()).origin, "before", {}, "", ""});
    EXPECT_EQ(sleeper.pid(), culprit_of(report)) << "a violation by time: the context's last event";
}

// A network namespace of the test's own, with nothing in it but lo.
void enter_own_network() {
    ASSERT_EQ(0, unshare(geteuid() == 0 ? CLONE_NEWNET : CLONE_NEWNET | CLONE_NEWUSER)) << std::strerror(errno);
    ifreq lo{};
    std::strcpy(lo.ifr_name, "lo");
    lo.ifr_flags = IFF_UP;
    const int any = socket(AF_INET, SOCK_DGRAM, 0);
    ASSERT_EQ(0, ioctl(any, SIOCSIFFLAGS, &lo)) << std::strerror(errno);
    close(any);
}

void send_datagram(const std::string& payload) {
    const int from = socket(AF_INET, SOCK_DGRAM, 0);
    sockaddr_in to{};
    to.sin_family = AF_INET, to.sin_port = htons(9), to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(static_cast<ssize_t>(payload.size()),
              sendto(from, payload.data(), payload.size(), 0, reinterpret_cast<sockaddr*>(&to), sizeof(to)));
    close(from);
}

// Takes what send_datagram() sends. While it lives, packets are stamped as they arrive.
class Receiver {
 public:
    Receiver() {
        const int on = 1;
        sockaddr_in here{};
        here.sin_family = AF_INET, here.sin_port = htons(9), here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        EXPECT_EQ(0, bind(socket_, reinterpret_cast<sockaddr*>(&here), sizeof(here)));
        setsockopt(socket_, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof(on));
    }
    ~Receiver() { close(socket_); }
    Receiver(const Receiver&) = delete;
    Receiver& operator=(const Receiver&) = delete;

    // Waits for a datagram: all who listen have had it then. When it arrived.
    timespec take() {
        char byte;
        alignas(cmsghdr) char control[CMSG_SPACE(sizeof(timespec))];
        iovec part{&byte, 1};
        msghdr message{};
        message.msg_iov = &part, message.msg_iovlen = 1;
        message.msg_control = control, message.msg_controllen = sizeof(control);
        EXPECT_LE(0, recvmsg(socket_, &message, 0));
        timespec stamp{};
        std::memcpy(&stamp, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(stamp));
        return stamp;
    }

 private:
    const int socket_ = socket(AF_INET, SOCK_DGRAM, 0);
};

// Once a socket asks for time stamps, the kernel takes some time until it stamps packets as they arrive; until then
// they are stamped when they are read.
void wait_until_packets_are_stamped_on_arrival(Receiver& receiver) {
    for (bool on_arrival = false; !on_arrival;) {
        send_datagram("warm-up");
        timespec read_at{};
        std::this_thread::sleep_for(1ms);
        clock_gettime(CLOCK_REALTIME, &read_at);
        const timespec stamp = receiver.take();
        on_arrival =
            stamp.tv_sec < read_at.tv_sec || (stamp.tv_sec == read_at.tv_sec && stamp.tv_nsec < read_at.tv_nsec);
    }
}

// Blocks of a pcapng file: type and body.
std::vector<std::pair<std::uint32_t, std::string>> blocks_of(const std::string& file) {
    std::vector<std::pair<std::uint32_t, std::string>> blocks;
    for (std::size_t at = 0; at + 12 <= file.size();) {
        std::uint32_t type = 0, size = 0, again = 0;
        std::memcpy(&type, &file[at], 4), std::memcpy(&size, &file[at + 4], 4);
        if (size < 12 || size % 4 != 0 || at + size > file.size()) break;
        std::memcpy(&again, &file[at + size - 4], 4);
        EXPECT_EQ(size, again);
        blocks.emplace_back(type, file.substr(at + 8, size - 12));
        at += size;
    }
    return blocks;
}

TEST_F(OutsideTest, CaptureWritesThePacketsBeforeAndAfterTheViolation) {
    enter_own_network();
    const auto capture = make_reactor("capture:" + folder_.string());
    Receiver receiver;
    wait_until_packets_are_stamped_on_arrival(receiver);
    send_datagram("before the violation");
    receiver.take();
    const Report report = a_report();
    send_datagram("after the violation");
    capture->react(report);

    const std::string file = content(folder_ / ("some_property-" + std::to_string(getpid()) + "-0001.pcapng"));
    const auto blocks = blocks_of(file);
    ASSERT_GE(blocks.size(), 6u);
    EXPECT_EQ(0x0A0D0D0Au, blocks[0].first);
    EXPECT_THAT(blocks[0].second, HasSubstr("some_property violated"));
    EXPECT_EQ(1u, blocks[1].first);
    const auto before = std::ranges::find_if(
        blocks, [](const auto& block) { return block.second.find("before the violation") != std::string::npos; });
    ASSERT_NE(blocks.end(), before);
    EXPECT_EQ(6u, before->first);
    const std::size_t moment = file.find("some_property was violated after this packet");
    ASSERT_NE(std::string::npos, moment);
    EXPECT_LT(moment, file.find("after the violation"));
    EXPECT_NE(std::string::npos, file.find("after the violation"));
    EXPECT_EQ(5u, blocks.back().first) << "statistics, which tell of dropped packets";
    std::uint32_t captured = 0;
    std::memcpy(&captured, &before->second[12], 4);
    EXPECT_EQ(20 + 20 + 8 + std::strlen("before the violation"), captured) << "SLL2, IPv4, UDP, and each packet once";
}

TEST_F(OutsideTest, CaptureListensInAnotherNamespaceWhenTold) {
    const std::string other = folder_ / "other";
    std::ofstream(other).put('\n');
    EXPECT_THAT(failure_of([&] { make_reactor("capture:" + folder_.string() + "@/nowhere"); }),
                HasSubstr("cannot enter /nowhere"));
    EXPECT_THAT(failure_of([&] { make_reactor("capture:" + folder_.string() + "@" + other); }),
                HasSubstr("cannot enter " + other));
    std::atomic<pid_t> thread{0};
    std::atomic<bool> capturing{false}, sent{false};
    std::thread there([&] {
        enter_own_network();
        thread = gettid();
        thread.notify_all();
        capturing.wait(false);
        send_datagram("said elsewhere");
        sent = true;
        sent.notify_all();
    });
    thread.wait(0);
    const auto capture =
        make_reactor("capture:" + folder_.string() + "@/proc/self/task/" + std::to_string(thread) + "/ns/net");
    capturing = true;
    capturing.notify_all();
    sent.wait(false);
    there.join();
    capture->react(a_report());
    EXPECT_THAT(content(folder_ / ("some_property-" + std::to_string(getpid()) + "-0001.pcapng")),
                HasSubstr("said elsewhere"));
}

}  // namespace
}  // namespace lockstep::reactors
