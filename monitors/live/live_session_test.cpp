// Live sessions with real daemons and real programs. Each test has run directories and namespaces of its own.
#include "monitors/live/live_session.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "monitors/live/marker.hpp"
#include "monitors/lttng/private_lttng.hpp"

namespace lockstep::monitors {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;
using namespace std::chrono_literals;

double since_ms(steady_clock::time_point start) {
    return std::chrono::duration<double, std::milli>(steady_clock::now() - start).count();
}

struct Seen {
    std::size_t wanted;
    std::string owner;
    std::uint64_t first_byte;
    Origin origin;
};

class Recorder : public EventHandler {
 public:
    void on_event(std::size_t wanted, const Slot* slots, const Origin& origin) override {
        if (delay.count() > 0) usleep(static_cast<unsigned>(delay.count()));
        seen.push_back({wanted, slots[1].string, slots[2].unsigned_integer, origin});
    }
    void on_loss(const Loss& loss) override { losses.push_back(loss); }
    void on_mismatch(std::size_t, const std::string& why) override { mismatches.push_back(why); }

    std::chrono::microseconds delay{0};
    std::vector<Seen> seen;
    std::vector<Loss> losses;
    std::vector<std::string> mismatches;
};

std::vector<WantedEvent> lock_events() {
    const std::vector<WantedField> fields = {{"file", FieldType::string},
                                             {"owner", FieldType::string},
                                             {"first_byte", FieldType::unsigned_integer},
                                             {"last_byte", FieldType::unsigned_integer}};
    return {{"lock_api", "acquired", fields}, {"lock_api", "released", fields}};
}

struct Program {
    pid_t pid = -1;
    int input = -1;   // writing end of its standard input
    int output = -1;  // reading end of its standard output
    std::uint64_t net_ns = 0;

    int wait() {
        int status = 0;
        waitpid(pid, &status, 0);
        return status;
    }
};

// `input`, `output`: what becomes its standard input and output; -1: inherited.
Program start(const std::vector<std::string>& arguments, bool no_loss = false, int input = -1, int output = -1) {
    int messages[2];
    EXPECT_EQ(0, pipe(messages));
    Program program;
    program.pid = fork();
    if (program.pid == 0) {
        for (const auto& [name, value] : traced_program_environment(no_loss)) setenv(name.c_str(), value.c_str(), 1);
        if (input >= 0) dup2(input, STDIN_FILENO);
        if (output >= 0) dup2(output, STDOUT_FILENO);
        dup2(messages[1], STDERR_FILENO);
        close_range(3, ~0U, 0);
        const std::string path = default_marker_program().parent_path() / "lock_events";
        std::vector<char*> argv = {const_cast<char*>(path.c_str())};
        for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
        argv.push_back(nullptr);
        execv(path.c_str(), argv.data());
        _exit(127);
    }
    close(messages[1]);
    FILE* stream = fdopen(messages[0], "r");
    unsigned long long inode = 0;
    EXPECT_EQ(1, std::fscanf(stream, "%llu", &inode));
    std::fclose(stream);
    program.net_ns = inode;
    return program;
}

class LiveSessionTest : public testing::Test {
 protected:
    void SetUp() override {
        enter_private_run_directories();
        const auto began = steady_clock::now();
        lttng = std::make_unique<PrivateLttng>();
        RecordProperty("daemons_ready_ms", std::to_string(since_ms(began)));
        options.relay_url = lttng->relay_url();
        options.viewer_url = lttng->viewer_url();
    }

    std::unique_ptr<PrivateLttng> lttng;
    LiveSessionOptions options;
    Recorder recorder;
};

TEST_F(LiveSessionTest, AllEventsOfProcessesInDifferentNetworkNamespacesArriveInTheOrderInWhichTheyHappened) {
    constexpr std::uint64_t count = 3000;
    auto began = steady_clock::now();
    LiveSession session(options, lock_events(), recorder);
    std::printf("session up %.1f ms\n", since_ms(began));

    // A ring: each hands a number on to the next, so that the numbers are the order of the events.
    int pipes[3][2];
    for (auto& ends : pipes) ASSERT_EQ(0, pipe2(ends, O_CLOEXEC));
    std::map<std::string, Program> programs;
    for (int i = 0; i < 3; ++i) {
        const std::string owner = "host" + std::to_string(i) + "/1";
        programs[owner] =
            start({"relay", owner, std::to_string(count), "own_net_ns"}, false, pipes[i][0], pipes[(i + 1) % 3][1]);
    }
    const std::uint64_t first = 0;
    ASSERT_EQ(sizeof first, write(pipes[0][1], &first, sizeof first));
    for (auto& ends : pipes) close(ends[0]), close(ends[1]);
    for (auto& [owner, program] : programs) EXPECT_EQ(0, program.wait());

    began = steady_clock::now();
    const LiveResult result = session.finish();
    std::printf("finish %.1f ms\n", since_ms(began));
    EXPECT_TRUE(result.complete);
    EXPECT_THAT(result.problems, testing::IsEmpty());
    EXPECT_EQ(0u, result.lost);
    EXPECT_EQ(count, result.events);
    ASSERT_EQ(count, recorder.seen.size());
    std::set<std::uint64_t> namespaces;
    for (std::uint64_t i = 0; i < count; ++i) {
        const Seen& seen = recorder.seen[i];
        ASSERT_EQ(i, seen.first_byte) << "out of order";
        ASSERT_EQ("host" + std::to_string(i % 3) + "/1", seen.owner);
        ASSERT_EQ(programs[seen.owner].net_ns, seen.origin.net_ns);
        ASSERT_EQ(static_cast<std::uint32_t>(programs[seen.owner].pid), seen.origin.vpid);
        ASSERT_GE(seen.origin.time_ns, recorder.seen[i == 0 ? 0 : i - 1].origin.time_ns);
        namespaces.insert(seen.origin.net_ns);
    }
    EXPECT_EQ(3u, namespaces.size());
    began = steady_clock::now();
    lttng->stop();
    std::printf("daemons down %.1f ms\n", since_ms(began));
}

}  // namespace
}  // namespace lockstep::monitors
