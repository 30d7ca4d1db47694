// The agent as users meet it: preloaded into a program that knows nothing of it.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <thread>

#include "monitors/agent/agent_client.hpp"

namespace lockstep::monitors {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

// The target program as a child, with pipes to its standard input, output and error.
class Target {
 public:
    explicit Target(const std::filesystem::path& agent_socket) {
        std::array<int, 2> in{}, out{}, err{};
        if (pipe2(in.data(), O_CLOEXEC) != 0 || pipe2(out.data(), O_CLOEXEC) != 0 || pipe2(err.data(), O_CLOEXEC) != 0)
            abort();
        pid_ = fork();
        if (pid_ == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            dup2(in[0], 0);
            dup2(out[1], 1);
            dup2(err[1], 2);
            setenv("LD_PRELOAD", PRELOADED, 1);
            setenv("LOCKSTEP_AGENT_SOCKET", agent_socket.c_str(), 1);
            // The agent starts a thread in a forked child, which ThreadSanitizer forbids unless told.
            const char* options = getenv("TSAN_OPTIONS");
            setenv("TSAN_OPTIONS", (std::string(options == nullptr ? "" : options) + ":die_after_fork=0").c_str(), 1);
            execl(TARGET_PROGRAM, TARGET_PROGRAM, nullptr);
            _exit(127);
        }
        close(in[0]), close(out[1]), close(err[1]);
        in_ = fdopen(in[1], "w"), out_ = fdopen(out[0], "r"), err_ = fdopen(err[0], "r");
    }
    ~Target() {
        if (in_ != nullptr) fclose(in_);
        if (!ended_) kill(pid_, SIGKILL), waitpid(pid_, nullptr, 0);
        fclose(out_), fclose(err_);
    }
    Target(const Target&) = delete;
    Target& operator=(const Target&) = delete;

    // Sends a line and returns the answer; empty when the program died instead.
    std::string tell(const std::string& line) {
        send(line);
        return receive();
    }

    void send(const std::string& line) {
        fprintf(in_, "%s\n", line.c_str());
        fflush(in_);
    }

    bool has_answered() const {
        pollfd waiting{fileno(out_), POLLIN, 0};
        return poll(&waiting, 1, 0) > 0;
    }

    std::string receive() {
        char answer[100];
        return fgets(answer, sizeof(answer), out_) == nullptr ? "" : answer;
    }

    // The wait status, when it has ended by itself.
    int await_end() {
        int status = 0;
        waitpid(pid_, &status, 0);
        ended_ = true;
        return status;
    }

    // Waits for the end; the wait status.
    int end() {
        fclose(in_);
        in_ = nullptr;
        int status = 0;
        waitpid(pid_, &status, 0);
        ended_ = true;
        return status;
    }

    std::string errors() {
        std::string text;
        for (int c; (c = fgetc(err_)) != EOF;) text += static_cast<char>(c);
        return text;
    }

    int pid() const { return pid_; }

 private:
    pid_t pid_ = -1;
    bool ended_ = false;
    FILE* in_ = nullptr;
    FILE* out_ = nullptr;
    FILE* err_ = nullptr;
};

class Preload : public ::testing::Test {
 protected:
    Preload() {
        signal(SIGPIPE, SIG_IGN);
        std::string pattern = ::testing::TempDir() + "lockstep-preload-XXXXXX";
        folder_ = mkdtemp(pattern.data());
    }
    ~Preload() override { std::filesystem::remove_all(folder_); }

    static std::string property() { return std::string(COMPILED_PROPERTIES) + "/mutual_exclusion.so"; }
    static AttachOptions with(std::vector<std::string> reactors) {
        AttachOptions options;
        options.reactors = std::move(reactors);
        return options;
    }

    std::filesystem::path folder_;
};

TEST_F(Preload, AProgramThatKnowsNothingIsWatchedAndLeavesNoSocketBehind) {
    Target target(folder_ / "socket-%p");
    const auto socket = folder_ / ("socket-" + std::to_string(target.pid()));
    AgentClient client(socket);
    EXPECT_EQ(target.pid(), client.status()["pid"]);
    client.attach(property(), with({}));
    EXPECT_EQ("done\n", target.tell("grant /a x 0 9 5"));
    EXPECT_EQ("done\n", target.tell("grant /a y 5 5 5"));
    EXPECT_EQ("violated", client.detach("mutual_exclusion")["verdict"]);
    EXPECT_EQ("done\n", target.tell("grant /a z 5 5 5"));
    EXPECT_EQ(0, target.end());
    EXPECT_FALSE(std::filesystem::exists(socket));
}

TEST_F(Preload, AbortEndsItAtTheViolationAfterTheMessageAndTheDump) {
    Target target(folder_ / "socket");
    AgentClient client(folder_ / "socket");
    client.attach(property(), with({"dump:" + folder_.string(), "abort"}));
    EXPECT_EQ("done\n", target.tell("grant /a x 0 9 5"));
    EXPECT_EQ("", target.tell("grant /a y 5 5 5")) << "it must not get past the violation";
    const int status = target.end();
    EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT) << status;
    EXPECT_THAT(target.errors(), HasSubstr("lockstep: mutual_exclusion violated for file=\"/a\": in state held, event "
                                           "grant(file=\"/a\", owner=\"y\", first_byte=5, last_byte=5, mode=5)"));
    EXPECT_TRUE(std::filesystem::exists(folder_ / ("mutual_exclusion-" + std::to_string(target.pid()) + "-0001.json")));
}

TEST_F(Preload, StopHaltsItBeforeTheAnswerUntilItIsContinued) {
    Target target(folder_ / "socket");
    AgentClient client(folder_ / "socket");
    client.attach(property(), with({"stop"}));
    EXPECT_EQ("done\n", target.tell("grant /a x 0 9 5"));
    target.send("grant /a y 5 5 5");
    int status = 0;
    ASSERT_EQ(target.pid(), waitpid(target.pid(), &status, WUNTRACED));
    EXPECT_TRUE(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP) << status;
    EXPECT_FALSE(target.has_answered());
    kill(target.pid(), SIGCONT);
    EXPECT_EQ("done\n", target.receive());
    EXPECT_EQ(0, target.end());
}

// An event that was fired is judged, and the next one ends there: what is killed now had nothing more to say.
TEST_F(Preload, FrozenItGetsPastNoTracepointAndAnswersItsLastStatus) {
    Target target(folder_ / "socket");
    AgentClient client(folder_ / "socket");
    client.attach(property(), with({}));
    EXPECT_EQ("done\n", target.tell("grant /a x 0 9 5"));
    EXPECT_EQ("done\n", target.tell("grant /a y 5 5 5"));
    const json last = client.freeze();
    EXPECT_EQ("violated", last["properties"][0]["verdict"]);
    EXPECT_EQ(2, last["properties"][0]["counters"]["events"]);
    target.send("release /a x 0 9");
    const auto seen = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (client.status()["properties"][0]["counters"]["events"] != 3 && std::chrono::steady_clock::now() < seen) {
    }
    EXPECT_FALSE(target.has_answered()) << "it must not get past the tracepoint";
    kill(target.pid(), SIGKILL);
    EXPECT_EQ("", target.receive());
}

// The reactor hangs until the test lets it go on: whatever the program got done until then, it did not wait for it.
TEST_F(Preload, AReactorThatHangsBlocksNeitherTheProgramNorItsMonitorNorTheStatus) {
    ASSERT_EQ(0, mkfifo((folder_ / "gate").c_str(), 0600));
    Target target(folder_ / "socket");
    AgentClient client(folder_ / "socket");
    const std::string started = (folder_ / "started").string(), gate_path = (folder_ / "gate").string();
    client.attach(property(), with({"exec:: >" + started + "; cat " + gate_path + " >/dev/null"}));
    const auto violate = [&target](int number) {
        const std::string file = "/" + std::to_string(number);
        ASSERT_EQ("done\n", target.tell("grant " + file + " x 0 9 5"));
        ASSERT_EQ("done\n", target.tell("grant " + file + " y 0 9 5"));
    };
    violate(0);
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!std::filesystem::exists(started) && std::chrono::steady_clock::now() < until) std::this_thread::yield();
    ASSERT_TRUE(std::filesystem::exists(started));
    constexpr int violations = 300;  // more than the queue of reports has room for
    for (int i = 1; i < violations; ++i) violate(i);
    const json counters = client.status()["properties"][0]["counters"];
    EXPECT_EQ(violations, counters["violations"]);
    EXPECT_GT(counters["reports_dropped"], 0);
    client.react("mutual_exclusion", {});  // also while it hangs
    const int gate = open(gate_path.c_str(), O_WRONLY);
    close(gate);
    EXPECT_EQ("violated", client.detach("mutual_exclusion")["verdict"]);
}

TEST_F(Preload, AReactorThatFailsIsCountedAndTheNextOneRuns) {
    Target target(folder_ / "socket");
    AgentClient client(folder_ / "socket");
    client.attach(property(), with({"exec:exit 3", "dump:" + folder_.string()}));
    target.tell("grant /a x 0 9 5");
    target.tell("grant /a y 5 5 5");
    EXPECT_EQ(1, client.detach("mutual_exclusion")["reactor_failures"]);
    EXPECT_TRUE(std::filesystem::exists(folder_ / ("mutual_exclusion-" + std::to_string(target.pid()) + "-0001.json")));
    target.end();
    EXPECT_THAT(target.errors(), HasSubstr("the reactor exec:exit 3 of mutual_exclusion failed: exit status 3"));
}

// No instruction broke the promise, so no thread waits: the others react first, and then the process ends.
TEST_F(Preload, AbortAfterAStatesTimeIsOverComesAfterTheDumpAndAtOnce) {
    Target target(folder_ / "socket");
    AgentClient client(folder_ / "socket");
    client.attach(HELD_SHORTLY, with({"dump:" + folder_.string(), "abort"}));
    target.send("grant /a x 0 9 5");
    const int status = target.await_end();
    EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT) << status;
    EXPECT_TRUE(std::filesystem::exists(folder_ / ("held_shortly-" + std::to_string(target.pid()) + "-0001.json")));
}

TEST_F(Preload, AForkedChildIsNotJudgedAndTheParentStillIs) {
    Target target(folder_ / "socket");
    AgentClient client(folder_ / "socket");
    client.attach(property(), with({}));
    EXPECT_EQ("done 7\n", target.tell("fork"));
    EXPECT_EQ(0, client.status()["properties"][0]["counters"]["events"]);
    target.tell("grant /a x 0 9 5");
    EXPECT_EQ(1, client.status()["properties"][0]["counters"]["events"]);
}

TEST_F(Preload, TheEndOfTheProcessIsAnErrorOfTheClientNotAHang) {
    Target target(folder_ / "socket");
    AgentClient client(folder_ / "socket");
    client.attach(property(), with({}));
    target.end();
    EXPECT_THROW(client.status(), AgentError);
}

}  // namespace
}  // namespace lockstep::monitors
