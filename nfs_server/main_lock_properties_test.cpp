// The lock manager's promises, watched in the real server and, mutual exclusion, in a client of it: each deliberate
// fault is noticed by the one property that is there for it, and the same requests to a sound server violate none.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include <chrono>
#include <set>
#include <thread>

#include "nfs_server/main_server_process.hpp"
#include "nfs_server/rpc/test_client.hpp"
#include "nfs_server/wire/mount3.hpp"
#include "nfs_server/wire/nfs3.hpp"
#include "nfs_server/wire/nlm4.hpp"

namespace lockstep::server::test {
namespace {

using namespace wire;
using Clock = std::chrono::steady_clock;

const std::vector<std::string> properties = {"lock_lifecycle", "fair_queue",        "grace_period",
                                             "client_crash",   "deadlock_detected", "granted_callback"};

std::string program(const std::string& name) {
    return server_program().substr(0, server_program().rfind('/') + 1) + name;
}
std::string lockstep_program() {
    return program("lockstep");
}

// While it lives, programs that are started have the agent in them, which listens at `socket`.
class AgentEnvironment {
 public:
    explicit AgentEnvironment(const std::filesystem::path& socket) {
        setenv("LD_PRELOAD", PRELOADED, 1);
        setenv("LOCKSTEP_AGENT_SOCKET", socket.c_str(), 1);
    }
    ~AgentEnvironment() {
        unsetenv("LD_PRELOAD");
        unsetenv("LOCKSTEP_AGENT_SOCKET");
    }
};

void attach(const std::filesystem::path& socket, const std::vector<std::string>& names,
            const std::filesystem::path& errors) {
    std::vector<std::string> words = {lockstep_program(), "attach", "--in-process", socket.string()};
    words.insert(words.end(), names.begin(), names.end());
    if (run_program(words, "/dev/null", errors) != 0) throw std::runtime_error(content_of(errors));
}

nlohmann::json status_of(const std::filesystem::path& socket, const std::filesystem::path& file) {
    run_program({lockstep_program(), "status", "--in-process", socket.string(), "--json"}, file);
    return nlohmann::json::parse(content_of(file));
}

// Owners of one process contend for byte ranges of the server, and mutual exclusion is watched among them.
class WatchedOwners {
 public:
    WatchedOwners(const std::filesystem::path& directory, uint16_t port) : directory_(directory) {
        const std::string number = std::to_string(port);
        start({program("lock_client"), "--server", "127.0.0.1", "--port", number, "--mount-port", number, "--nlm-port",
               number, "--owners", "4", "--files", "1", "--region", "64", "--duration-ms", "60000"});
        await_agent();
        attach(socket(), {"mutual_exclusion"}, directory_ / "owners.err");
    }
    ~WatchedOwners() {
        ::kill(pid_, SIGKILL);
        waitpid(pid_, nullptr, 0);
    }
    WatchedOwners(const WatchedOwners&) = delete;
    WatchedOwners& operator=(const WatchedOwners&) = delete;

    // Watches until mutual exclusion is violated, or `enough` events were in order.
    bool is_violated(uint64_t enough) const {
        const auto until = Clock::now() + std::chrono::seconds(30);
        while (Clock::now() < until) {
            const auto property = status_of(socket(), directory_ / "owners").at(0);
            if (property.at("verdict") == "violated") return true;
            if (property.at("counters").at("events") >= enough) return false;
        }
        ADD_FAILURE() << "the owners get nowhere";
        return false;
    }

 private:
    std::filesystem::path socket() const { return directory_ / "owners.agent"; }

    void start(const std::vector<std::string>& words) {
        const AgentEnvironment environment(socket());
        std::vector<char*> arguments;
        for (const auto& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
        arguments.push_back(nullptr);
        pid_ = fork();
        if (pid_ != 0) return;
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        dup2(open("/dev/null", O_RDWR), STDIN_FILENO);  // its gate is open
        dup2(open("/dev/null", O_RDWR), STDOUT_FILENO);
        execv(arguments[0], arguments.data());
        _exit(127);
    }

    void await_agent() const {
        const auto until = Clock::now() + std::chrono::seconds(20);
        while (!std::filesystem::exists(socket())) {
            if (Clock::now() >= until) throw std::runtime_error("lock_client has no agent");
            std::this_thread::sleep_for(std::chrono::milliseconds(2));
        }
    }

    std::filesystem::path directory_;
    pid_t pid_ = -1;
};

// A server with the properties attached, and clients of its lock manager. The locked file is the root directory: its
// handle comes with MNT, and the lock manager takes any file.
class WatchedLocks {
 public:
    explicit WatchedLocks(std::vector<std::string> more = {}) : socket_(directory_.path() / "agent") {
        start(std::move(more));
    }

    void restart(std::vector<std::string> more = {}) {
        server_->kill_now();
        start(std::move(more));
    }

    // owner: also the name of its client.
    nlm4_stats lock(const char* owner, uint64_t byte, bool exclusive, bool block = false, bool reclaim = false) {
        nlm4_lockargs args{};
        args.alock = alock(owner, byte);
        args.exclusive = exclusive;
        args.block = block;
        args.reclaim = reclaim;
        return call(NLMPROC4_LOCK, xdr_nlm4_lockargs, args).stat.stat;
    }
    nlm4_stats unlock(const char* owner, uint64_t byte) {
        nlm4_unlockargs args{};
        args.alock = alock(owner, byte);
        return call(NLMPROC4_UNLOCK, xdr_nlm4_unlockargs, args).stat.stat;
    }
    nlm4_stats cancel(const char* owner, uint64_t byte) {
        nlm4_cancargs args{};
        args.alock = alock(owner, byte);
        args.exclusive = TRUE;
        return call(NLMPROC4_CANCEL, xdr_nlm4_cancargs, args).stat.stat;
    }
    void restarted(const char* client) {
        nlm4_notify notify{.name = const_cast<char*>(client), .state = 1};
        EXPECT_TRUE(client_->call({NLM_PROGRAM, 4, NLMPROC4_FREE_ALL}, xdr_nlm4_notify, notify).has_value());
    }

    std::set<std::string> violated() {
        std::set<std::string> names;
        const auto status = status_of(socket_, directory_.path() / "status");
        EXPECT_EQ(status.size(), properties.size());
        for (const auto& property : status)
            if (property.at("verdict") == "violated") names.insert(property.at("name"));
        return names;
    }

    // The same, and mutual exclusion among owners who contend for a file of this server.
    std::set<std::string> violated_also_for_owners(uint64_t enough_events = 400) {
        const WatchedOwners owners(directory_.path(), server_->port());
        const bool is_exclusion_violated = owners.is_violated(enough_events);
        std::set<std::string> names = violated();
        if (is_exclusion_violated) names.insert("mutual_exclusion");
        return names;
    }

 private:
    void start(std::vector<std::string> more) {
        more.insert(more.end(), {"--grace-period", "2"});
        {
            const AgentEnvironment environment(socket_);
            server_ = std::make_unique<ServerProcess>(
                directory_.path(), "file:" + (directory_.path() / "disk").string() + ":64M", std::move(more));
        }
        attach(socket_, properties, directory_.path() / "attach.err");
        client_ = std::make_unique<rpc::test::Client>(server_->port());
        char path[] = "/export";
        dirpath export_path = path;
        const auto mounted = client_->call({MOUNT_PROGRAM, MOUNT_V3, MOUNTPROC3_MNT}, xdr_dirpath, export_path,
                                           xdr_mountres3, arena_, 0);
        if (!mounted || mounted->fhs_status != MNT3_OK) throw std::runtime_error("MNT");
        const auto& handle = mounted->mountres3_u.mountinfo.fhandle;
        handle_.assign(handle.fhandle3_val, handle.fhandle3_len);
    }

    nlm4_lock alock(const char* owner, uint64_t byte) {
        static char name[] = "owner";
        return {.caller_name = const_cast<char*>(owner),
                .fh = {static_cast<u_int>(handle_.size()), handle_.data()},
                .oh = {sizeof name, name},
                .svid = 1,
                .l_offset = byte,
                .l_len = 1};
    }
    template <class Args>
    nlm4_res call(uint32_t procedure, bool_t (*xdr_args)(XDR*, Args*), Args args) {
        const auto res = client_->call({NLM_PROGRAM, 4, procedure}, xdr_args, args, xdr_nlm4_res, arena_);
        if (!res) ADD_FAILURE() << "no answer to procedure " << procedure;
        return res.value_or(nlm4_res{{}, {NLM4_FAILED}});
    }

    TemporaryDirectory directory_;
    std::filesystem::path socket_;
    std::unique_ptr<ServerProcess> server_;
    std::unique_ptr<rpc::test::Client> client_;
    Arena arena_;
    std::string handle_;
};

void cancel_a_wait(WatchedLocks& locks) {
    EXPECT_EQ(locks.lock("a", 0, true), NLM4_GRANTED);
    EXPECT_EQ(locks.lock("b", 0, true, true), NLM4_BLOCKED);
    EXPECT_EQ(locks.cancel("b", 0), NLM4_GRANTED);
    EXPECT_EQ(locks.unlock("a", 0), NLM4_GRANTED);
}

void pass_a_writer(WatchedLocks& locks) {
    EXPECT_EQ(locks.lock("a", 0, false), NLM4_GRANTED);
    EXPECT_EQ(locks.lock("b", 0, true, true), NLM4_BLOCKED);
    for (int pass = 0; pass < 20; ++pass) {
        locks.lock("c", 0, false);
        locks.unlock("c", 0);
    }
    EXPECT_EQ(locks.cancel("b", 0), NLM4_GRANTED);
}

void wait_for_each_other(WatchedLocks& locks) {
    EXPECT_EQ(locks.lock("a", 0, true), NLM4_GRANTED);
    EXPECT_EQ(locks.lock("b", 1, true), NLM4_GRANTED);
    EXPECT_EQ(locks.lock("a", 1, true, true), NLM4_BLOCKED);
    locks.lock("b", 0, true, true);
}

// Nobody listens at the client's portmapper: it is asked all the same.
void grant_a_wait(WatchedLocks& locks) {
    EXPECT_EQ(locks.lock("a", 0, true), NLM4_GRANTED);
    EXPECT_EQ(locks.lock("b", 0, true, true), NLM4_BLOCKED);
    EXPECT_EQ(locks.unlock("a", 0), NLM4_GRANTED);
    const auto until = Clock::now() + std::chrono::seconds(4);
    while (locks.violated().empty() && Clock::now() < until) std::this_thread::yield();
}

void restart_a_client(WatchedLocks& locks) {
    EXPECT_EQ(locks.lock("a", 0, true), NLM4_GRANTED);
    EXPECT_EQ(locks.lock("b", 1, true), NLM4_GRANTED);
    locks.restarted("a");
}

// The owners do it all.
void contend(WatchedLocks&) {}

struct Case {
    std::string fault;
    std::string property;
    void (*requests)(WatchedLocks&);
    friend void PrintTo(const Case& which, std::ostream* out) { *out << which.fault; }
};

class LockFault : public testing::TestWithParam<Case> {};

TEST_P(LockFault, IsNoticedByItsPropertyAlone) {
    WatchedLocks locks({"--fault", GetParam().fault});
    GetParam().requests(locks);
    EXPECT_EQ(locks.violated_also_for_owners(), std::set{GetParam().property});
}

TEST_P(LockFault, WithoutItNothingIsViolated) {
    WatchedLocks locks;
    GetParam().requests(locks);
    EXPECT_EQ(locks.violated_also_for_owners(), std::set<std::string>{});
}

INSTANTIATE_TEST_SUITE_P(All, LockFault,
                         testing::Values(Case{"double_grant", "mutual_exclusion", contend},
                                         Case{"grant_after_cancel", "lock_lifecycle", cancel_a_wait},
                                         Case{"queue_jump", "fair_queue", pass_a_writer},
                                         Case{"missed_deadlock", "deadlock_detected", wait_for_each_other},
                                         Case{"lost_callback", "granted_callback", grant_a_wait},
                                         Case{"leaked_lock", "client_crash", restart_a_client}),
                         [](const auto& instance) { return instance.param.fault; });

// The property learns from a refused request where it is, so both happen: the fault strikes once in four times.
TEST(GracePeriodFault, IsNoticedByItsPropertyAlone) {
    WatchedLocks locks;
    EXPECT_EQ(locks.lock("a", 0, true), NLM4_GRANTED);
    locks.restart({"--fault", "grant_in_grace"});
    for (uint64_t byte = 1; byte < 100; ++byte) locks.lock("b", byte, true);
    EXPECT_EQ(locks.violated(), std::set<std::string>{"grace_period"});
}

TEST(GracePeriodFault, AReclaimThatComesTooLateIsNoticedByItsPropertyAlone) {
    WatchedLocks locks;
    EXPECT_EQ(locks.lock("a", 0, true), NLM4_GRANTED);
    locks.restart({"--fault", "late_reclaim"});
    const auto until = Clock::now() + std::chrono::seconds(20);
    EXPECT_EQ(locks.lock("b", 1, true), NLM4_DENIED_GRACE_PERIOD);
    while (locks.lock("b", 1, true) == NLM4_DENIED_GRACE_PERIOD && Clock::now() < until) std::this_thread::yield();
    EXPECT_EQ(locks.violated(), std::set<std::string>{});
    for (uint64_t byte = 10; byte < 100 && locks.violated().empty(); ++byte) locks.lock("a", byte, true, false, true);
    EXPECT_EQ(locks.violated(), std::set<std::string>{"grace_period"});
}

TEST(GracePeriodFault, WithoutItNothingIsViolated) {
    WatchedLocks locks;
    EXPECT_EQ(locks.lock("a", 0, true), NLM4_GRANTED);
    locks.restart();
    EXPECT_EQ(locks.lock("b", 1, true), NLM4_DENIED_GRACE_PERIOD);
    EXPECT_EQ(locks.lock("a", 0, true, false, true), NLM4_GRANTED);
    const auto until = Clock::now() + std::chrono::seconds(20);
    while (locks.lock("b", 1, true) == NLM4_DENIED_GRACE_PERIOD && Clock::now() < until) std::this_thread::yield();
    EXPECT_EQ(locks.lock("b", 1, true), NLM4_GRANTED);
    EXPECT_EQ(locks.lock("b", 0, true), NLM4_DENIED) << "a has it back";
    EXPECT_EQ(locks.violated(), std::set<std::string>{});
}

}  // namespace
}  // namespace lockstep::server::test
