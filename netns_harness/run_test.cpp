// A run of a scenario with programs of our own making in the places of server and client: what happens to them ends up
// in the result, and everything is stopped. The real programs are run by the tests labelled `scenario`.
#include "netns_harness/run.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmath>

namespace lockstep::harness {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

constexpr const char* good_server = "echo nfs_server ready; trap 'exit 0' TERM; while :; do sleep 0.01; done";
constexpr const char* good_client =
    R"(echo lock_client ready; read x; echo '{"turns":5,"reads":3,"writes":2,"events":{"acquired":4,"released":4},"oracle_failures":0,"errors":[]}')";

constexpr const char* scenario_text = R"(name = "test"
duration = "50ms"
[[server]]
[[workload]]
name = "w"
kind = "byte_range_locks"
[[client]]
name = "client"
count = 2
workload = "w"
)";

// Notes what it is told; sees as many events as the clients fired.
class NotingObserver : public Observer {
 public:
    std::vector<std::string> begin() override {
        note("begin");
        return {"a remark"};
    }
    Environment server_environment(const ServerPlan& server) override {
        note("environment of " + server.name);
        return {{"GIVEN", "to the server"}};
    }
    Environment client_environment() override { return {{"GIVEN", "to the client"}}; }
    std::string server_gate(const ServerPlan&) override { return "GATE"; }
    void server_started(const ServerPlan& server) override { note("started " + server.name); }
    void server_will_be_killed(const ServerPlan& server) override { note("killing " + server.name); }
    void server_has_ended(const ServerPlan& server) override { note("ended " + server.name); }
    void server_is_suspended(const ServerPlan& server, bool suspended) override {
        note((suspended ? "suspended " : "resumed ") + server.name);
    }
    std::uint64_t occurrences(const std::string&) override { return seen_events; }
    bool listens_to_clients() const override { return traced_; }
    ObservedProgress progress() override { return {}; }
    void trace_unjudged(bool on) override {
        note(on ? "traced" : "untraced");
        traced_ = on;
    }
    std::vector<PropertyResult> end(const FiredCounts& fired, Counting counting,
                                    std::vector<std::string>& remarks) override {
        remarks.emplace_back("a late remark");
        note("end");
        fired_ = fired;
        counting_ = counting;
        PropertyResult property;
        property.name = "p";
        property.verdict = counting != Counting::unknown ? Verdict::ok : Verdict::inconclusive;
        return {property};
    }

    std::string notes;
    std::uint64_t seen_events = 0;
    FiredCounts fired_;
    Counting counting_ = Counting::unknown;
    bool traced_ = false;  // there is a live property

 private:
    void note(const std::string& what) { notes += what + ";"; }
};

// A run of two scripts in a sandbox; what it yields is sent out of the sandbox as text, one line a fact.
class RunTest : public testing::Test {
 protected:
    void SetUp() override {
        char name[] = "/tmp/lockstep-run-test-XXXXXX";
        ASSERT_NE(mkdtemp(name), nullptr);
        directory_ = name;
    }
    void TearDown() override { fs::remove_all(directory_); }

    fs::path script(const std::string& name, const std::string& text) {
        const fs::path path = directory_ / name;
        write_file(path, "#!/bin/sh\n" + text + "\n");
        chmod(path.c_str(), 0755);
        return path;
    }

    RunOptions options(const std::string& server, const std::string& client) {
        RunOptions made;
        made.scenario = parse_scenario(scenario_text, "test.toml");
        made.seed = 42;
        made.logs = directory_;
        made.programs = {script("server.sh", server), script("client.sh", client), {}};
        return made;
    }

    // Runs it and returns what was found as text; the exit status says whether the run threw.
    std::string run(const RunOptions& options) {
        const int status = run_in_sandbox({}, [&](Sandbox& sandbox) { return run_inside(options, sandbox); });
        EXPECT_EQ(status, 0);
        return read_file(directory_ / "found");
    }

    int run_inside(const RunOptions& options, Sandbox& sandbox) {
        std::string found;
        NotingObserver observer;
        try {
            observer.traced_ = live_;
            const RunResult result = run_scenario(options, observer, sandbox);
            found =
                "verdict " + to_text(result.verdict()) + "\nclients " + std::to_string(result.clients.size()) + "\n";
            for (const std::string& remark : result.remarks) found += "remark " + remark + "\n";
            for (const std::string& problem : result.problems) found += "problem " + problem + "\n";
            for (const HostInfo& host : result.hosts) found += "host " + host.name + " " + host.address + "\n";
            for (const InjectedFault& fault : result.injected_faults)
                found += "fault " + fault.text() + (fault.end_ns > fault.begin_ns ? ", over\n" : "\n");
            if (result.overhead)
                found += "overhead " + std::to_string(result.overhead->slices.size()) + " " +
                         std::to_string(std::lround(result.overhead->percent())) + "\n";
            for (const auto& [event, count] : observer.fired_)
                found += "fired " + event + " " + std::to_string(count) + "\n";
        } catch (const Error& error) {
            found = std::string("error ") + error.what() + "\n";
        }
        write_file(directory_ / "found", found + "notes " + observer.notes + "\n");
        return 0;
    }

    fs::path directory_;
    bool live_ = false;  // there is a live property
};

TEST_F(RunTest, ACommandOfTheUsersRunsOnItsHostAndIsToldWhereTheServerIs) {
    RunOptions made = options(good_server, good_client);
    made.scenario = parse_scenario(std::string(scenario_text) +
                                       "[[client]]\nname = \"teller\"\n"
                                       "command = 'echo $LOCKSTEP_CLIENT $LOCKSTEP_URL $LOCKSTEP_DURATION_MS'\n"
                                       "[[client]]\nname = \"endless\"\ncommand = 'while :; do sleep 0.01; done'\n",
                                   "test.toml");
    const std::string found = run(made);
    EXPECT_THAT(found, HasSubstr("verdict ok\nclients 4\n"));
    EXPECT_EQ(read_file(directory_ / "teller.out"),
              "teller nfs://10.77.0.1/export?version=3&nfsport=2049&mountport=2049 50\n");
}

TEST_F(RunTest, ACommandThatDoesNotEndWhenItIsAskedToIsAProblem) {
    RunOptions made = options(good_server, good_client);
    made.stop_grace = milliseconds(100);
    made.scenario = parse_scenario(std::string(scenario_text) +
                                       "[[client]]\nname = \"deaf\"\n"
                                       "command = 'trap \"\" TERM; while :; do sleep 0.01; done'\n",
                                   "test.toml");
    const std::string found = run(made);
    EXPECT_THAT(found, HasSubstr("verdict inconclusive"));
    EXPECT_THAT(found, HasSubstr("problem deaf did not end when it was asked to, and was killed"));
}

TEST_F(RunTest, ACommandThatFailsIsAProblem) {
    RunOptions made = options(good_server, good_client);
    made.scenario = parse_scenario(
        std::string(scenario_text) + "[[client]]\nname = \"bad\"\ncommand = 'echo wrong >&2; exit 3'\n", "test.toml");
    const std::string found = run(made);
    EXPECT_THAT(found, HasSubstr("verdict inconclusive"));
    EXPECT_THAT(found, HasSubstr("bad failed: exit status 3"));
    EXPECT_THAT(found, HasSubstr("wrong"));
}

TEST_F(RunTest, AGoodRunIsOkAndSumsWhatTheClientsFired) {
    const std::string found = run(options(good_server, good_client));
    EXPECT_THAT(found, HasSubstr("verdict ok\nclients 2\nremark a remark\nremark a late remark\n"));
    EXPECT_THAT(found, HasSubstr("host server 10.77.0.1\nhost client1 10.77.0.2\nhost client2 10.77.0.3\n"));
    EXPECT_THAT(found, HasSubstr("fired lock_api:acquired 8\nfired lock_api:released 8\n"));
    EXPECT_THAT(found, HasSubstr("notes begin;environment of server;started server;end;"));
    EXPECT_THAT(found, testing::Not(HasSubstr("problem")));
}

TEST_F(RunTest, ArgumentsAndEnvironmentReachThePrograms) {
    RunOptions made = options(std::string("echo nfs_server \"$@\" GIVEN=$GIVEN;") + good_server,
                              std::string("echo \"$@\" GIVEN=$GIVEN >&2;") + good_client);
    made.faults = {"double_grant"};
    run(made);
    const std::string server = read_file(directory_ / "server.out");
    EXPECT_THAT(
        server,
        HasSubstr(
            "--disk memory:64M --port 2049 --mount-port 2049 --nlm-port 2049 --fault double_grant --fault-seed 42 "
            "--fault-log "));
    EXPECT_THAT(server, HasSubstr("GIVEN=to the server"));
    const std::string client = read_file(directory_ / "client2.err");
    EXPECT_THAT(client, HasSubstr("--export /export --server 10.77.0.1 --port 2049"));
    EXPECT_THAT(client, HasSubstr("--host client2"));
    EXPECT_THAT(client, HasSubstr("--duration-ms 50"));
    EXPECT_THAT(client, HasSubstr("GIVEN=to the client"));
}

// The server's last argument is where its strikes go.
constexpr const char* striking_server =
    R"(for last; do :; done; printf '{"fault": "double_grant", "time_ns": 5}\n{"fault": "other", "time_ns": 6}\n{"fau' > "$last"; )"
    R"(echo nfs_server ready; trap 'exit 0' TERM; while :; do sleep 0.01; done)";

TEST_F(RunTest, AFaultThatStruckIsNoProblem) {
    RunOptions made = options(striking_server, good_client);
    made.faults = {"double_grant"};
    EXPECT_THAT(run(made), HasSubstr("verdict ok"));
}

TEST_F(RunTest, AFaultThatNeverStruckMakesTheRunInconclusive) {
    RunOptions made = options(striking_server, good_client);
    made.faults = {"skip_barrier"};
    const std::string found = run(made);
    EXPECT_THAT(found, HasSubstr("verdict inconclusive"));
    EXPECT_THAT(found, HasSubstr("problem the deliberate fault skip_barrier in server never struck"));
}

TEST_F(RunTest, ClientsHaveSeedsOfTheirOwnThatFollowFromTheRuns) {
    const auto seed_of = [this](const std::string& client) {
        const std::string text = read_file(directory_ / (client + ".err"));
        return text.substr(text.find("--seed"), text.find("--duration-ms") - text.find("--seed"));
    };
    const RunOptions made = options(good_server, std::string("echo \"$@\" >&2;") + good_client);
    run(made);
    const std::string first = seed_of("client1"), second = seed_of("client2");
    EXPECT_NE(first, second);
    run(made);
    EXPECT_EQ(seed_of("client1"), first);
}

TEST_F(RunTest, AServerThatDoesNotStartShowsItsLastLines) {
    const std::string found = run(options("echo no such disk >&2; exit 2", good_client));
    EXPECT_THAT(found, HasSubstr("error server ended before it was ready: exit status 2"));
    EXPECT_THAT(found, HasSubstr("no such disk"));
}

TEST_F(RunTest, AServerProgramThatIsNotThereIsNamed) {
    RunOptions made = options(good_server, good_client);
    made.programs.nfs_server = "/nonexistent/nfs_server";
    EXPECT_THAT(run(made), HasSubstr("/nonexistent/nfs_server"));
}

TEST_F(RunTest, AServerThatIsNeverReadyIsGivenUp) {
    RunOptions made = options("exec sleep 1000", good_client);
    made.start_limit = milliseconds(100);
    EXPECT_THAT(run(made), HasSubstr("error server was not ready in time"));
}

TEST_F(RunTest, AClientThatCanNotStartShowsItsLastLines) {
    const std::string found = run(options(good_server, "echo no route >&2; exit 2"));
    EXPECT_THAT(found, HasSubstr("error client1 ended before it was ready: exit status 2"));
    EXPECT_THAT(found, HasSubstr("no route"));
}

TEST_F(RunTest, AServerThatDiesMakesTheRunInconclusive) {
    const std::string found =
        run(options("echo nfs_server ready; sleep 0.05; echo panic >&2; kill -9 $$",
                    "echo lock_client ready; read x; trap 'exit 2' TERM; while :; do sleep 0.01; done"));
    EXPECT_THAT(found, HasSubstr("verdict inconclusive"));
    EXPECT_THAT(found, HasSubstr("problem server died: killed by signal 9"));
    EXPECT_THAT(found, HasSubstr("panic"));
}

TEST_F(RunTest, AClientThatHangsIsEndedAndTheVerdictSaysSo) {
    RunOptions made =
        options(good_server, "echo lock_client ready; read x; trap '' TERM; while :; do sleep 0.01; done");
    made.client_end_limit = milliseconds(50);
    made.stop_grace = milliseconds(50);
    const std::string found = run(made);
    EXPECT_THAT(found, HasSubstr("verdict inconclusive"));
    EXPECT_THAT(found, HasSubstr("problem client1 did not end in time and was ended by the run: killed by signal 9"));
    EXPECT_THAT(found, HasSubstr("problem client2 left no summary"));
}

// Clients that work until their time is over, and say which life they are in.
constexpr const char* lasting_client =
    R"(echo lock_client ready; read x; while :; do case $# in 0) break;; esac; [ "$1" = --duration-ms ] && ms=$2; shift; done; )"
    R"(sleep $((ms / 1000)).$(printf %03d $((ms % 1000))); echo '{"events":{},"errors":[]}')";

RunOptions with_fault(RunOptions made, const std::string& fault) {
    made.scenario = parse_scenario(std::string(scenario_text) + "[[fault]]\n" + fault, "test.toml");
    made.scenario.duration = milliseconds(400);
    return made;
}

// The same with one client and a server whose disk outlives it.
RunOptions with_lasting_disk(RunOptions made, const std::string& fault) {
    made.scenario = parse_scenario(
        "name = \"test\"\n[[server]]\ndisk = \"scratch:64M\"\n[[workload]]\nname = \"w\"\nkind = "
        "\"byte_range_locks\"\n[[client]]\nworkload = \"w\"\n[[fault]]\non = \"server\"\nat = \"50ms\"\n" +
            fault,
        "test.toml");
    made.scenario.duration = milliseconds(300);
    return made;
}

TEST_F(RunTest, AServerThatAFaultKillsIsStartedAgainAndItsDeathIsNoProblem) {
    const std::string found =
        run(with_lasting_disk(options(good_server, lasting_client), "kind = \"kill\"\nfor = \"50ms\"\n"));
    EXPECT_THAT(found, HasSubstr("verdict ok"));
    EXPECT_THAT(found, HasSubstr("environment of server;started server;killing server;environment of server;"
                                 "started server;end;"));
    EXPECT_THAT(found, testing::Not(HasSubstr("problem")));
    EXPECT_THAT(found, HasSubstr("fault kill of server, over\n"));
    EXPECT_TRUE(fs::exists(directory_ / "server.2.out")) << "each life has logs of its own";
}

TEST_F(RunTest, AServerThatIsRestartedEndsInGoodOrderFirst) {
    const std::string found = run(with_lasting_disk(options(good_server, lasting_client), "kind = \"restart\"\n"));
    EXPECT_THAT(found, HasSubstr("verdict ok"));
    EXPECT_THAT(found, HasSubstr("started server;ended server;environment of server;started server;end;"));
}

TEST_F(RunTest, AStoppedServerGoesOn) {
    const std::string found = run(with_fault(options(good_server, lasting_client),
                                             "kind = \"stop\"\non = \"server\"\nat = \"20ms\"\nfor = \"100ms\"\n"));
    EXPECT_THAT(found, HasSubstr("verdict ok"));
    EXPECT_THAT(found, HasSubstr("suspended server;resumed server;end;"));
}

TEST_F(RunTest, AClientThatAFaultKillsIsNoProblemAndIsStartedAgain) {
    const std::string found = run(with_fault(options(good_server, lasting_client),
                                             "kind = \"kill\"\non = \"client\"\nat = \"50ms\"\nfor = \"50ms\"\n"));
    EXPECT_THAT(found, HasSubstr("verdict ok\nclients 2\n"));
    EXPECT_THAT(found, HasSubstr("fault kill of client1, client2, over\n"));
    EXPECT_TRUE(fs::exists(directory_ / "client2.2.out"));
}

// Its fault outlasts the work, and everybody else has ended.
TEST_F(RunTest, AClientThatIsDownWhenTheWorkIsOverIsNotStartedAgain) {
    const std::string client = R"(echo lock_client ready; read x; case "$*" in *"--host client1"*) sleep 60;; esac; )"
                               R"(echo '{"reads":1,"events":{},"oracle_failures":0,"errors":[]}')";
    const std::string found = run(
        with_fault(options(good_server, client), "kind = \"kill\"\non = \"client1\"\nat = \"50ms\"\nfor = \"9s\"\n"));
    EXPECT_THAT(found, HasSubstr("verdict ok\nclients 2\n"));
    EXPECT_THAT(found, HasSubstr("fault kill of client1, over\n"));
    EXPECT_FALSE(fs::exists(directory_ / "client1.2.out"));
}

// Clients that are told to wait for a listener make fewer calls.
TEST_F(RunTest, TheOverheadOfLiveTracingIsMeasuredInTurnsAfterTheJudgement) {
    const std::string client =
        R"(echo lock_client ready; read x; calls=100; case "$*" in *--wait-for-listener*) calls=75;; esac; )"
        R"(echo "10 0 5:$calls" > $LOCKSTEP_CALL_TIMES; )"
        R"(echo '{"reads":1,"events":{},"oracle_failures":0,"errors":[]}')";
    RunOptions made = options(good_server, client);
    made.measure_overhead = true;
    EXPECT_THAT(run(made), HasSubstr("remark the overhead of live tracing is not measured"));
    live_ = true;
    const std::string found = run(made);
    EXPECT_THAT(found, HasSubstr("verdict ok"));
    EXPECT_THAT(found, HasSubstr("overhead 6 25\n"));
    EXPECT_THAT(found, HasSubstr(";end;untraced;traced;traced;untraced;untraced;traced;untraced;\n"));
}

TEST_F(RunTest, AFaultOfTheScenarioThatNeverStruckIsAProblem) {
    const std::string found = run(with_fault(options(good_server, lasting_client),
                                             "kind = \"kill\"\non = \"client1\"\nafter = \"nlm:lock_granted\"\n"));
    EXPECT_THAT(found, HasSubstr("verdict inconclusive"));
    EXPECT_THAT(found, HasSubstr("problem the fault kill of client1 never struck"));
}

TEST_F(RunTest, AServerThatCanNotBeStartedAgainIsAProblem) {
    RunOptions made =
        options("case \"$*\" in *--disk*) [ -e $0.once ] && { echo bad disk >&2; exit 2; };; esac; touch $0.once; " +
                    std::string(good_server),
                lasting_client);
    made.scenario = parse_scenario(
        "name = \"test\"\n[[server]]\ndisk = \"scratch:64M\"\n[[workload]]\nname = \"w\"\nkind = \"byte_range_locks\"\n"
        "[[client]]\nworkload = \"w\"\n[[fault]]\nkind = \"kill\"\non = \"server\"\nat = \"50ms\"\nfor = \"10ms\"\n",
        "test.toml");
    made.scenario.duration = milliseconds(300);
    const std::string found = run(made);
    EXPECT_THAT(found, HasSubstr("verdict inconclusive"));
    EXPECT_THAT(found, HasSubstr("problem server could not be started again: "));
    EXPECT_THAT(found, HasSubstr("bad disk"));
}

TEST_F(RunTest, AnErrorOfAClientMakesTheRunInconclusive) {
    const std::string found = run(options(
        good_server, R"(echo lock_client ready; read x; echo '{"events":{},"errors":["LOCK: no answer"]}'; exit 2)"));
    EXPECT_THAT(found, HasSubstr("verdict inconclusive"));
    EXPECT_THAT(found, HasSubstr("problem client1: LOCK: no answer"));
}

TEST_F(RunTest, AnOracleThatFailedIsAViolation) {
    const std::string found =
        run(options(good_server,
                    R"(echo lock_client ready; read x; echo '{"events":{},"oracle_failures":1,"errors":[]}'; exit 1)"));
    EXPECT_THAT(found, HasSubstr("verdict violated"));
}

TEST_F(RunTest, AnOutputThatIsNoSummaryIsAProblemAndNoCrash) {
    for (const char* last_line : {"{", "[]", "null", "{}", "garbage"}) {
        const std::string found =
            run(options(good_server, std::string("echo lock_client ready; read x; echo '") + last_line + "'"));
        EXPECT_THAT(found, HasSubstr("problem client1 left no summary")) << last_line;
    }
}

TEST_F(RunTest, AServerThatDoesNotStopInGoodOrderIsAProblem) {
    const std::string found = run(options(
        "echo nfs_server ready; trap 'echo leaked >&2; exit 9' TERM; while :; do sleep 0.01; done", good_client));
    EXPECT_THAT(found, HasSubstr("problem server did not stop in good order: exit status 9"));
    EXPECT_THAT(found, HasSubstr("leaked"));
}

TEST_F(RunTest, AnInterruptionEndsTheWorkAndStillJudges) {
    RunOptions made = options(good_server,
                              "echo lock_client ready; read x; trap 'echo \"{\\\"events\\\":{},\\\"errors\\\":[]}\"; "
                              "exit 0' TERM; while :; do sleep 0.01; done");
    made.scenario.duration = milliseconds(60'000);
    Pipe working = make_pipe();
    bool told = false;
    made.on_progress = [&](const RunProgress& progress) {
        if (std::string(progress.phase) != "working" || told) return;
        told = true;
        ASSERT_EQ(write(working.write.get(), "x", 1), 1);
    };
    const pid_t caller = fork();
    if (caller == 0) _exit(run_in_sandbox({}, [&](Sandbox& sandbox) { return run_inside(made, sandbox); }));
    char byte = 0;
    ASSERT_EQ(read(working.read.get(), &byte, 1), 1);
    kill(caller, SIGINT);
    int status = 0;
    waitpid(caller, &status, 0);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    const std::string found = read_file(directory_ / "found");
    EXPECT_THAT(found, HasSubstr("verdict inconclusive"));
    EXPECT_THAT(found, HasSubstr("problem interrupted\n"));
    EXPECT_THAT(found, HasSubstr("end;"));
}

}  // namespace
}  // namespace lockstep::harness
