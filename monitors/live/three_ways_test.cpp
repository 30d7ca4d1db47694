// One program, one run, three judges at once: the agent inside it, a live session, and afterwards the trace of that
// session. They must have seen the same and say the same, also where the violation is that nothing happened.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/prctl.h>

#include <nlohmann/json.hpp>
#include <thread>

#include "monitors/agent/agent_client.hpp"
#include "monitors/live/live_test_support.hpp"
#include "monitors/live/live_verifier.hpp"
#include "monitors/lttng/private_lttng.hpp"
#include "monitors/offline/offline_verifier.hpp"
#include "monitors/runtime/summary_json.hpp"

namespace lockstep::monitors {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;

// lockstep_agent_target with the agent preloaded, registered with the session daemon.
class Target {
 public:
    Target() {
        int in[2], out[2];
        EXPECT_EQ(0, pipe2(in, O_CLOEXEC));
        EXPECT_EQ(0, pipe2(out, O_CLOEXEC));
        pid_ = fork();
        if (pid_ == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            for (const auto& [name, value] : traced_program_environment(false)) setenv(name.c_str(), value.c_str(), 1);
            setenv("LD_PRELOAD", PRELOADED, 1);
            setenv("LOCKSTEP_AGENT_SOCKET", "/run/agent", 1);
            dup2(in[0], STDIN_FILENO);
            dup2(out[1], STDOUT_FILENO);
            execl(TARGET_PROGRAM, TARGET_PROGRAM, nullptr);
            _exit(127);
        }
        close(in[0]), close(out[1]);
        in_ = fdopen(in[1], "w"), out_ = fdopen(out[0], "r");
    }
    ~Target() {
        fclose(in_), fclose(out_);
        waitpid(pid_, nullptr, 0);
    }
    Target(const Target&) = delete;
    Target& operator=(const Target&) = delete;

    void tell(const std::string& line) {
        fprintf(in_, "%s\n", line.c_str());
        fflush(in_);
        char answer[100];
        EXPECT_NE(nullptr, fgets(answer, sizeof(answer), out_));
    }

 private:
    pid_t pid_;
    FILE* in_;
    FILE* out_;
};

// What must be the same: everything that is counted and taken, whoever counts.
json essence(const json& summary) {
    json counters;
    for (const char* name : {"events", "violations", "contexts_created", "contexts_reclaimed", "contexts_alive",
                             "contexts_pending", "ignored_unknown"})
        counters[name] = summary["counters"][name];
    return {{"verdict", summary["verdict"]},
            {"counters", counters},
            {"edges", summary["edges"]},
            {"unseen_events", summary["unseen_events"]},
            {"pending", summary["pending"]}};
}

struct Property {
    std::string name;
    std::string file;
    std::unique_ptr<Monitor> live;
    json in_process;
};

class ThreeWays : public testing::Test {
 protected:
    void SetUp() override {
        enter_private_run_directories();
        lttng_ = std::make_unique<PrivateLttng>(PrivateLttngOptions{.work_directory = "/run/trace"});
        properties_.push_back({"held_shortly", HELD_SHORTLY, nullptr, {}});
        properties_.push_back({"mutual_exclusion", find_monitor("mutual_exclusion").string(), nullptr, {}});
        LiveSessionOptions options;
        options.relay_url = lttng_->relay_url();
        options.viewer_url = lttng_->viewer_url();
        options.keep_trace = true;
        std::vector<Monitor*> monitors;
        for (Property& property : properties_) {
            property.live = Monitor::load(property.file);
            monitors.push_back(property.live.get());
        }
        verifier_ = std::make_unique<LiveVerifier>(options, monitors);
        target_ = std::make_unique<Target>();
        agent_ = std::make_unique<AgentClient>("/run/agent");
        for (const Property& property : properties_)
            agent_->attach(property.file, {.instance = {.precise_time = true}, .reactors = {}});
    }

    // Until both judges of held_shortly have so many violations; nothing else is fired meanwhile.
    void wait_for_violations(std::uint64_t count) {
        const auto until = std::chrono::steady_clock::now() + 10s;
        const auto told = [&] {
            return properties_[0].live->counters().violations >= count &&
                   agent_->status()["properties"][0]["counters"]["violations"] >= count;
        };
        while (!told() && std::chrono::steady_clock::now() < until) std::this_thread::sleep_for(1ms);
        EXPECT_TRUE(told()) << "a state's time was over, and nobody noticed";
    }

    // Ends the run; all three must agree on each property. Their verdicts, in the properties' order.
    std::vector<std::string> verdicts() {
        for (Property& property : properties_) property.in_process = agent_->detach(property.name);
        target_.reset();
        const LiveResult result = verifier_->finish();
        EXPECT_TRUE(result.complete) << testing::PrintToString(result.problems);
        EXPECT_EQ(0u, result.lost);
        std::vector<std::string> all;
        for (Property& property : properties_) {
            const auto offline = Monitor::load(property.file);
            EXPECT_TRUE(verify_trace("/run/trace", {offline.get()}).complete);
            const json live = to_json(property.live->summary());
            EXPECT_EQ(essence(property.in_process), essence(live)) << property.name;
            EXPECT_EQ(essence(live), essence(to_json(offline->summary()))) << property.name;
            all.push_back(live["verdict"]);
        }
        return all;
    }

    std::unique_ptr<PrivateLttng> lttng_;
    std::vector<Property> properties_;
    std::unique_ptr<LiveVerifier> verifier_;
    std::unique_ptr<Target> target_;
    std::unique_ptr<AgentClient> agent_;
};

TEST_F(ThreeWays, AStateWhoseTimeIsOverIsAViolationWithoutAnEventInAllThree) {
    target_->tell("grant /a x 0 9 5");
    wait_for_violations(1);
    EXPECT_THAT(verdicts(), testing::ElementsAre("violated", "ok"));
}

TEST_F(ThreeWays, ARunWithoutAndWithOrdinaryViolationsIsJudgedAlike) {
    for (int i = 0; i < 50; ++i) {
        const std::string file = "/" + std::to_string(i % 7);
        target_->tell("grant " + file + " x 0 9 5");
        if (i % 10 == 3) target_->tell("grant " + file + " y 0 9 5");
        target_->tell("release " + file + " x 0 9");
    }
    EXPECT_THAT(verdicts(), testing::ElementsAre("violated", "violated"));
}

// LTTng's users see what the monitors say beside the events that it was about.
TEST_F(ThreeWays, AViolationIsAnEventOfTheTraceRightAfterTheOneThatItIsAbout) {
    class Names : public EventHandler {
     public:
        void on_event(std::size_t wanted, const Slot* slots, const Origin& origin) override {
            seen.emplace_back(wanted == 0 ? "acquired" : slots[0].string, origin.vtid);
            if (wanted == 1) description = slots[3].string;
        }
        void on_loss(const Loss&) override {}
        void on_mismatch(std::size_t, const std::string& why) override { ADD_FAILURE() << why; }
        std::vector<std::pair<std::string, std::uint32_t>> seen;
        std::string description;
    } names;
    const std::vector<WantedField> fields = {{"property", FieldType::string},
                                             {"state", FieldType::string},
                                             {"event", FieldType::string},
                                             {"description", FieldType::string}};
    LiveSessionOptions options;
    options.relay_url = lttng_->relay_url();
    options.viewer_url = lttng_->viewer_url();
    LiveSession session(options, {{"lock_api", "acquired", {}}, {"lockstep", "violation", fields}}, names);
    target_->tell("grant /a x 0 9 5");
    target_->tell("grant /a y 0 9 5");
    agent_->detach("held_shortly");
    EXPECT_TRUE(session.finish().complete);
    std::vector<std::string> in_order;
    for (const auto& [name, thread] : names.seen) {
        in_order.push_back(name);
        EXPECT_EQ(names.seen[0].second, thread);
    }
    EXPECT_THAT(in_order, testing::UnorderedElementsAre("acquired", "acquired", "held_shortly", "mutual_exclusion"));
    EXPECT_EQ("acquired", in_order[0]);
    EXPECT_THAT(names.description, testing::HasSubstr("file=\"/a\""));
}

TEST_F(ThreeWays, ATransitionIsAnEventOfTheTraceWithTheStatesThatItLeads) {
    class Texts : public EventHandler {
     public:
        void on_event(std::size_t, const Slot* slots, const Origin&) override {
            std::string line;
            for (int i = 0; i < 5; ++i) line += std::string(slots[i].string) + "|";
            seen.push_back(line + std::to_string(slots[5].unsigned_integer));
        }
        void on_loss(const Loss&) override {}
        void on_mismatch(std::size_t, const std::string& why) override { ADD_FAILURE() << why; }
        std::vector<std::string> seen;
    } texts;
    std::vector<WantedField> fields;
    for (const char* name : {"property", "key", "old_state", "event", "new_state"})
        fields.push_back({name, FieldType::string});
    fields.push_back({"step", FieldType::unsigned_integer});
    LiveSessionOptions options;
    options.relay_url = lttng_->relay_url();
    options.viewer_url = lttng_->viewer_url();
    agent_->detach("held_shortly");
    target_->tell("grant /unseen x 0 9 5");
    {
        LiveSession session(options, {{"lockstep", "transition", fields}}, texts);
        target_->tell("grant /a x 0 9 5");
        target_->tell("grant /a x 20 29 5");
        target_->tell("release /a x 0 9");
        target_->tell("release /a x 20 29");
        EXPECT_TRUE(session.finish().complete);
    }
    target_->tell("grant /unseen x 20 29 5");
    const std::string of = "mutual_exclusion|file=\"/a\"|";
    EXPECT_THAT(texts.seen, testing::ElementsAre(of + "free|grant|held|1", of + "held|grant|held|2",
                                                 of + "held|release|held|3", of + "held|release|free|4"));
}

TEST_F(ThreeWays, AKeptPromiseIsOkInAllThree) {
    target_->tell("grant /a x 0 9 5");
    target_->tell("release /a x 0 9");
    target_->tell("grant /a y 0 9 5");
    target_->tell("release /a y 0 9");
    EXPECT_THAT(verdicts(), testing::ElementsAre("ok", "ok"));
}

}  // namespace
}  // namespace lockstep::monitors
