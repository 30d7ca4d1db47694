// The agent inside the test itself: the test fires the tracepoints and steers the agent through its socket.
#include "monitors/agent/agent.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <lttng/tracepoint.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include "monitors/agent/agent_client.hpp"
#include "tracepoints/lock_api.tp"
#include "tracepoints/nfs3.tp"
#include "tracepoints/rpc.tp"
#include "tracepoints/txn.tp"

// Counts what the program allocates while it says so: a sanitizer brings a malloc of its own, and then nothing is
// counted.
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define LOCKSTEP_COUNTS_ALLOCATIONS 1
namespace {
thread_local bool counting = false;
thread_local int allocations = 0;
}  // namespace
extern "C" void* __libc_malloc(std::size_t);
extern "C" void* malloc(std::size_t size) {
    if (counting) ++allocations;
    return __libc_malloc(size);
}
#endif

namespace lockstep::monitors {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

void grant(const char* file, const char* owner, std::uint8_t mode = 5) {
    lttng_ust_tracepoint(lock_api, acquired, file, owner, 0, 9, mode);
}
void release(const char* file, const char* owner) {
    lttng_ust_tracepoint(lock_api, released, file, owner, 0, 9);
}

std::string compiled(const std::string& property) {
    return std::string(COMPILED_PROPERTIES) + "/" + property + ".so";
}

class AgentTest : public ::testing::Test {
 protected:
    AgentTest() {
        std::string pattern = ::testing::TempDir() + "lockstep-agent-XXXXXX";
        folder_ = mkdtemp(pattern.data());
        agent_ = std::make_unique<Agent>(folder_ / "socket");
        client_ = std::make_unique<AgentClient>(folder_ / "socket");
    }
    ~AgentTest() override {
        client_.reset();
        agent_.reset();
        std::filesystem::remove_all(folder_);
    }

    AttachOptions options(std::vector<std::string> reactors = {}) {
        AttachOptions options;
        options.instance.contexts = 1000;
        options.reactors = std::move(reactors);
        return options;
    }

    // The property's part of the status.
    json status(const std::string& property = "mutual_exclusion") {
        const json all = client_->status();
        for (const json& each : all["properties"])
            if (each["name"] == property) return each;
        return nullptr;
    }

    // Reports arrive a moment after the violation: asks until there are as many.
    json wait_for_reports(std::size_t count) {
        const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(10);
        json reports = status()["reports"];
        while (reports.size() < count && std::chrono::steady_clock::now() < until) reports = status()["reports"];
        return reports;
    }

    // Sends bytes as they are, and returns what comes back until the agent closes the connection or a line has come.
    std::string raw(const std::string& bytes) {
        const int raw_socket = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::strcpy(address.sun_path, (folder_ / "socket").c_str());
        EXPECT_EQ(0, connect(raw_socket, reinterpret_cast<const sockaddr*>(&address), sizeof(address)));
        (void)!send(raw_socket, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        std::string answer;
        char buffer[4096];
        for (ssize_t size;
             answer.find('\n') == std::string::npos && (size = recv(raw_socket, buffer, sizeof(buffer), 0)) > 0;)
            answer.append(buffer, static_cast<std::size_t>(size));
        close(raw_socket);
        return answer;
    }

    std::filesystem::path folder_;
    std::unique_ptr<Agent> agent_;
    std::unique_ptr<AgentClient> client_;
};

TEST_F(AgentTest, SeesEveryEventBetweenAttachAndDetachAndNoneElse) {
    grant("/before", "a");
    client_->attach(compiled("mutual_exclusion"), options());
    grant("/a", "a");
    release("/a", "a");
    grant("/a", "b");
    const json summary = client_->detach("mutual_exclusion");
    grant("/after", "a");
    EXPECT_EQ(3, summary["counters"]["events"]);
    EXPECT_EQ(0, summary["counters"]["violations"]);
    EXPECT_EQ(1, summary["counters"]["contexts_alive"]);
    EXPECT_EQ("ok", summary["verdict"]);
    EXPECT_EQ("/a", summary["pending"][0]["keys"]["file"]);
    EXPECT_EQ(json::array(), client_->status()["properties"]);
}

TEST_F(AgentTest, APropertyThatSawNothingIsInconclusive) {
    client_->attach(compiled("mutual_exclusion"), options());
    EXPECT_EQ("inconclusive", status()["verdict"]);
    EXPECT_THAT(status()["reasons"][0], HasSubstr("saw nothing"));
    EXPECT_EQ((json::array({"grant", "release"})), status()["unseen_events"]);
}

TEST_F(AgentTest, AViolationIsReportedWithBothOwnersAndReactorsRun) {
    client_->attach(compiled("mutual_exclusion"),
                    options({"log:" + (folder_ / "log").string(), "dump:" + folder_.string()}));
    grant("/a", "host/1", 3);
    grant("/a", "host/2", 5);
    const json reports = wait_for_reports(1);
    ASSERT_EQ(1u, reports.size());
    const json& report = reports[0];
    EXPECT_EQ("/a", report["keys"]["file"]);
    EXPECT_EQ("held", report["state"]);
    EXPECT_EQ("host/2", report["fields"]["owner"]);
    EXPECT_EQ(true, report["event_is_guarded"]);
    EXPECT_EQ("host/1", report["registers"][0]["rows"][0]["owner"]);
    EXPECT_EQ("host/1", report["history"][0]["fields"]["owner"]);
    EXPECT_EQ(getpid(), report["origin"]["vpid"]);
    EXPECT_EQ(gettid(), report["origin"]["vtid"]);
    EXPECT_GT(report["origin"]["net_ns"].get<std::uint64_t>(), 0u);
    EXPECT_EQ("violated", client_->detach("mutual_exclusion")["verdict"]);
    std::ifstream log(folder_ / "log");
    const std::string text{std::istreambuf_iterator<char>(log), {}};
    EXPECT_THAT(text, HasSubstr("mutual_exclusion violated for file=\"/a\""));
    EXPECT_TRUE(std::filesystem::exists(folder_ / ("mutual_exclusion-" + std::to_string(getpid()) + "-0001.json")));
}

#ifdef LOCKSTEP_COUNTS_ALLOCATIONS
TEST_F(AgentTest, AProbeAllocatesNothingNotEvenAtAViolation) {
    client_->attach(compiled("mutual_exclusion"), options());
    client_->attach(compiled("reply_after_commit"), options());
    counting = true;
    for (int i = 0; i < 100; ++i) {
        grant("/a", "a");
        grant("/a", "b");
        release("/a", "a");
        lttng_ust_tracepoint(rpc, call_received, 1, 2, 3, 100003, 3, 21, 7);
        lttng_ust_tracepoint(nfs3, operation_done, 1, 2, 0, 1);
        lttng_ust_tracepoint(rpc, reply_sent, 1, 2, 3, 0, 7);
    }
    delete[] new char[1];
    counting = false;
    EXPECT_EQ(1, allocations) << "the one that shows that they are counted";
    EXPECT_EQ(100, status("reply_after_commit")["counters"]["violations"]);
    EXPECT_GT(status("mutual_exclusion")["counters"]["violations"], 10);
}
#endif

TEST_F(AgentTest, PausedItSeesNothingAndForgets) {
    client_->attach(compiled("mutual_exclusion"), options());
    grant("/a", "a");
    client_->pause("mutual_exclusion");
    EXPECT_EQ(true, status()["paused"]);
    EXPECT_EQ(0, status()["counters"]["contexts_alive"]);
    grant("/a", "b");
    client_->resume("mutual_exclusion");
    grant("/a", "b");
    EXPECT_EQ(2, status()["counters"]["events"]);
    EXPECT_EQ(0, status()["counters"]["violations"]);
}

TEST_F(AgentTest, ReactorsAreExchangedWhileAttached) {
    client_->attach(compiled("mutual_exclusion"), options());
    client_->react("mutual_exclusion", {"log:" + (folder_ / "log").string()});
    EXPECT_EQ(1u, status()["reactors"].size());
    EXPECT_THROW(client_->react("mutual_exclusion", {"explode"}), AgentError);
    EXPECT_EQ(1u, status()["reactors"].size()) << "the former stay";
    grant("/a", "a");
    grant("/a", "b");
    client_->detach("mutual_exclusion");
    EXPECT_GT(std::filesystem::file_size(folder_ / "log"), 0u);
}

TEST_F(AgentTest, SeveralPropertiesAreAttachedAtOnce) {
    client_->attach(compiled("mutual_exclusion"), options());
    client_->attach(compiled("two_phase_locking"), options());
    lttng_ust_tracepoint(txn, began, 1, 1);
    lttng_ust_tracepoint(txn, lock_acquired, 1, 7, 1);
    lttng_ust_tracepoint(txn, written, 1, 8, 0, 0, 4);
    EXPECT_EQ(1, status("two_phase_locking")["counters"]["violations"]);
    EXPECT_EQ(0, status("mutual_exclusion")["counters"]["events"]);
    EXPECT_THROW(client_->attach(compiled("two_phase_locking"), options()), AgentError) << "it is attached already";
    EXPECT_EQ(2u, client_->status()["properties"].size());
}

TEST_F(AgentTest, WhatCannotBeAttachedIsRefusedInOneSentence) {
    const auto refused = [this](const std::string& file) -> std::string {
        try {
            client_->attach(file, options());
        } catch (const AgentError& error) {
            return error.what();
        }
        return "attached";
    };
    EXPECT_THAT(refused("/nowhere.so"), HasSubstr("cannot load the property /nowhere.so"));
    EXPECT_THAT(refused("/lib/x86_64-linux-gnu/libm.so.6"), HasSubstr("is not a compiled property"));
    EXPECT_THROW(client_->detach("mutual_exclusion"), AgentError);
}

TEST_F(AgentTest, ATracepointWithOtherArgumentsIsRefusedBeforeItsEntryIsPoisoned) {
    try {
        client_->attach(OTHER_SIGNATURE, options());
        FAIL();
    } catch (const AgentError& error) {
        EXPECT_THAT(error.what(),
                    HasSubstr("lock_api:released with the arguments (const char*, file, uint64_t, first_byte), this "
                              "process has (const char*, file, const char*, owner, uint64_t, first_byte"));
    }
    client_->attach(compiled("mutual_exclusion"), options());
    release("/a", "a");
    EXPECT_EQ(1, status()["counters"]["events"]) << "the right one still works";
}

TEST_F(AgentTest, OnlyTheOwnerCanOpenTheSocket) {
    struct stat status;
    ASSERT_EQ(0, stat((folder_ / "socket").c_str(), &status));
    EXPECT_EQ(0600u, status.st_mode & 0777);
}

TEST_F(AgentTest, GarbageIsAnsweredAndTheNextClientIsServed) {
    EXPECT_THAT(raw("not json\n"), HasSubstr("one JSON object"));
    EXPECT_THAT(raw("[1,2,3]\n"), HasSubstr("one JSON object"));
    EXPECT_THAT(raw("{\"do\":\"fly\"}\n"), HasSubstr("is one of attach"));
    EXPECT_THAT(raw("{\"do\":7}\n"), HasSubstr("\"ok\":false"));
    EXPECT_THAT(raw("{\"do\":\"attach\",\"file\":[]}\n"), HasSubstr("\"ok\":false"));
    EXPECT_THAT(raw("{\"do\":\"attach\",\"file\":\"/x\",\"options\":{\"contexts\":0}}\n"), HasSubstr("out of range"));
    EXPECT_THAT(raw(std::string(100'000, '[') + "\n"), HasSubstr("one JSON object"));
    EXPECT_THAT(raw(std::string(2 << 20, 'x')), HasSubstr("at most 1 MiB"));
    EXPECT_THAT(raw(std::string("\0\xff\n", 3)), HasSubstr("one JSON object"));
    EXPECT_EQ(getpid(), client_->status()["pid"]);
}

TEST_F(AgentTest, ASecondAgentAtTheSamePathListensBesideIt) {
    Agent second(folder_ / "socket");
    EXPECT_EQ((folder_ / "socket").string() + "." + std::to_string(getpid()), second.socket());
    AgentClient client(second.socket());
    EXPECT_EQ(json::array(), client.status()["properties"]);
}

TEST(AgentClientTest, NoAgentIsAnErrorWithinTheTimeLimit) {
    EXPECT_THROW(AgentClient("/tmp/lockstep-no-such-socket", std::chrono::milliseconds(20)), AgentError);
}

// The long run is LOCKSTEP_ATTACH_CYCLES=1000.
int attach_cycles() {
    const char* asked = std::getenv("LOCKSTEP_ATTACH_CYCLES");
    return asked != nullptr ? std::atoi(asked) : ATTACH_CYCLES;
}

// Two threads hand locks round while the property comes and goes. Each file is one thread's own, so whatever moment a
// context is first seen at, no violation can be true; and between two statuses of an attached property, every event is
// counted once.
TEST_F(AgentTest, AttachAndDetachUnderLoadLoseNothingAndCrashNothing) {
    std::atomic<bool> stop{false};
    std::atomic<std::uint64_t> fired{0};
    std::vector<std::thread> hammers;
    for (int t = 0; t < 2; ++t)
        hammers.emplace_back([&, t] {
            const std::string file = "/file" + std::to_string(t);
            while (!stop.load(std::memory_order_relaxed)) {
                grant(file.c_str(), "a");
                release(file.c_str(), "a");
                fired.fetch_add(2, std::memory_order_relaxed);
            }
        });
    struct Ending {
        ~Ending() {
            stop = true;
            for (auto& hammer : hammers) hammer.join();
        }
        std::atomic<bool>& stop;
        std::vector<std::thread>& hammers;
    };
    auto ending = std::make_unique<Ending>(stop, hammers);
    // Whenever `fired` is read, each thread may have fired its two events and not yet said so.
    constexpr std::uint64_t untold = 4;
    for (int cycle = 0; cycle < attach_cycles(); ++cycle) {
        const std::uint64_t before = fired.load();
        client_->attach(compiled("mutual_exclusion"), options());
        const std::uint64_t attached = fired.load();
        while (fired.load() < attached + 100) std::this_thread::yield();
        const std::uint64_t still_attached = fired.load();
        const json summary = client_->detach("mutual_exclusion");
        const std::uint64_t after = fired.load();
        ASSERT_EQ(0, summary["counters"]["violations"]) << summary;
        ASSERT_EQ(0, summary["counters"]["table_full"]);
        const auto events = summary["counters"]["events"].get<std::uint64_t>();
        ASSERT_GE(events + untold, still_attached - attached) << "lost in cycle " << cycle;
        ASSERT_LE(events, after - before + untold) << "doubled in cycle " << cycle;
    }
    ending.reset();

    client_->attach(compiled("mutual_exclusion"), options());
    std::vector<std::thread> counted;
    for (int t = 0; t < 2; ++t)
        counted.emplace_back([t] {
            for (int i = 0; i < 5000; ++i) {
                grant(t == 0 ? "/x" : "/y", "a");
                release(t == 0 ? "/x" : "/y", "a");
            }
        });
    for (auto& thread : counted) thread.join();
    EXPECT_EQ(20'000, client_->detach("mutual_exclusion")["counters"]["events"]);
}

}  // namespace
}  // namespace lockstep::monitors
