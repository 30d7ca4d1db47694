// The server's promises, watched while it runs: with all of its properties attached, a sound server under load violates
// none, and each deliberate fault is noticed by the one property that is there for it.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include <chrono>
#include <map>
#include <set>
#include <thread>

#include "nfs_server/main_server_process.hpp"
#include "nfs_server/test_load.hpp"
#include "nfs_server/test_many_files.hpp"

namespace lockstep::server::test {
namespace {

using Clock = std::chrono::steady_clock;

const std::vector<std::string> properties = {"two_phase_locking", "reply_after_commit", "write_ahead",
                                             "atomic_file_op",    "no_deadlock_order",  "transaction_lifecycle",
                                             "exactly_once",      "stale_handle",       "write_verifier"};

std::string lockstep_program() {
    return server_program().substr(0, server_program().rfind('/')) + "/lockstep";
}

using Verdicts = std::map<std::string, std::string>;  // by property

std::set<std::string> violated_in(const Verdicts& verdicts) {
    std::set<std::string> names;
    for (const auto& [name, verdict] : verdicts)
        if (verdict == "violated") names.insert(name);
    return names;
}

// While it lives, every process that is started has the agent in it.
class Preloaded {
 public:
    explicit Preloaded(const std::filesystem::path& socket) {
        setenv("LD_PRELOAD", PRELOADED, 1);
        setenv("LOCKSTEP_AGENT_SOCKET", socket.c_str(), 1);
    }
    ~Preloaded() {
        unsetenv("LD_PRELOAD");
        unsetenv("LOCKSTEP_AGENT_SOCKET");
    }
    Preloaded(const Preloaded&) = delete;
    Preloaded& operator=(const Preloaded&) = delete;
};

// A server with the agent in it and the properties attached.
class WatchedServer {
 public:
    WatchedServer(const std::string& disk, std::vector<std::string> more) : socket_(directory_.path() / "agent") {
        {
            Preloaded preloaded(socket_);
            server_ = std::make_unique<ServerProcess>(directory_.path(), disk, std::move(more));
        }
        std::vector<std::string> words = {lockstep_program(), "attach", "--in-process", socket_.string()};
        words.insert(words.end(), properties.begin(), properties.end());
        const auto errors = directory_.path() / "attach.err";
        if (run_program(words, "/dev/null", errors) != 0) throw std::runtime_error(content_of(errors));
    }

    std::string url() const { return server_->url(); }
    int stop() { return server_->stop(); }

    nlohmann::json status() {
        const auto file = directory_.path() / "status";
        run_program({lockstep_program(), "status", "--in-process", socket_.string(), "--json"}, file);
        const auto status = nlohmann::json::parse(content_of(file), nullptr, false);
        return status.is_discarded() ? nlohmann::json::array() : status;
    }
    // The verdict on each property; none when the server has ended: a fault may break an invariant, and then it stops
    // itself.
    Verdicts verdicts() {
        Verdicts found;
        for (const auto& property : status()) found[property.at("name")] = property.at("verdict");
        return found;
    }

 private:
    TemporaryDirectory directory_;
    std::filesystem::path socket_;
    std::unique_ptr<ServerProcess> server_;
};

// A small log is full again and again: blocks go home all the time.
std::string image_with_small_log(const std::filesystem::path& directory) {
    const std::string image = (directory / "image").string();
    if (run_program({server_program(), "mkfs", image, "--size", "32M", "--log-blocks", "128"}) != 0)
        throw std::runtime_error("mkfs");
    return "file:" + image;
}

TEST(ServerProperties, ASoundServerUnderLoadViolatesNone) {
    TemporaryDirectory directory;
    WatchedServer server(image_with_small_log(directory.path()), {});
    {
        Load load(server.url());
        const auto until = Clock::now() + std::chrono::seconds(60);
        while (load.rounds() < 400 && Clock::now() < until) std::this_thread::yield();
        EXPECT_GE(load.rounds(), 400u);
    }
    const auto status = server.status();
    EXPECT_EQ(status.size(), properties.size());
    for (const auto& property : status) EXPECT_EQ(property.at("verdict"), "ok") << property.dump(2);
    EXPECT_EQ(server.stop(), 0);
}

// More files than a table of contexts has room for by default: each is remembered, and the handle of one that is gone
// is noticed when the server takes it for the file that has its inode now.
TEST(ServerProperties, OfSeventyThousandFilesNoneIsForgotten) {
    constexpr uint32_t first_files = 200;
    WatchedServer server("memory:1G", {"--fault", "accept_stale_handle"});
    ManyFiles files(static_cast<uint16_t>(std::stoi(server.url().substr(server.url().rfind('=') + 1))));
    const auto handles = files.make(first_files);
    files.make(70'000);
    EXPECT_EQ(server.verdicts()["stale_handle"], "ok");

    files.remove(0, first_files);
    files.make(5 * first_files);
    EXPECT_LT(files.count_stale(handles), first_files);  // the fault
    EXPECT_EQ(violated_in(server.verdicts()), std::set<std::string>{"stale_handle"});
}

struct Case {
    std::string fault;
    std::string property;

    // Names a test: without it GoogleTest shows addresses, which differ from build to build.
    friend void PrintTo(const Case& which, std::ostream* out) { *out << which.property; }
};

class ServerFault : public testing::TestWithParam<Case> {};

// What was last said of a faulty server: some rounds of the load after its first violation, or when it ended.
Verdicts verdicts_with(const std::string& fault, int seed) {
    TemporaryDirectory directory;
    WatchedServer server(image_with_small_log(directory.path()),
                         {"--fault", fault, "--fault-seed", std::to_string(seed)});
    Verdicts last;
    const auto look = [&] {
        if (Verdicts found = server.verdicts(); !found.empty()) last = std::move(found);
    };
    Load load(server.url());
    const auto until = Clock::now() + std::chrono::seconds(30);
    while (violated_in(last).empty() && load.running() && Clock::now() < until) look();
    const uint64_t rounds = load.rounds() + 100;
    const auto until_then = Clock::now() + std::chrono::seconds(2);
    while (load.rounds() < rounds && load.running() && Clock::now() < until_then) std::this_thread::yield();
    look();
    return last;
}

// All properties are attached, and all but one see nothing amiss: neither a violation nor a reason to be unsure.
// A server that stops itself before it was asked is tried with another seed.
TEST_P(ServerFault, IsNoticedByItsPropertyAlone) {
    Verdicts expected;
    for (const std::string& property : properties) expected[property] = "ok";
    expected[GetParam().property] = "violated";
    Verdicts found;
    for (int seed = 1; seed <= 5 && violated_in(found).empty(); ++seed) found = verdicts_with(GetParam().fault, seed);
    EXPECT_EQ(found, expected);
}

INSTANTIATE_TEST_SUITE_P(
    All, ServerFault,
    testing::Values(Case{"release_lock_early", "two_phase_locking"}, Case{"write_without_lock", "two_phase_locking"},
                    Case{"reply_before_commit", "reply_after_commit"}, Case{"skip_barrier", "write_ahead"},
                    Case{"install_early", "write_ahead"}, Case{"reuse_early", "write_ahead"},
                    Case{"forget_settling", "write_ahead"}, Case{"share_exclusive_lock", "atomic_file_op"},
                    Case{"wait_out_of_order", "no_deadlock_order"}, Case{"dawdle", "transaction_lifecycle"},
                    Case{"execute_again", "exactly_once"}, Case{"accept_stale_handle", "stale_handle"},
                    Case{"drifting_verifier", "write_verifier"}),
    [](const auto& instance) { return instance.param.fault; });

}  // namespace
}  // namespace lockstep::server::test
