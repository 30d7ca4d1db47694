#include "cli/attach_live.hpp"

#include <fmt/format.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <thread>

#include "cli/command.hpp"
#include "cli/property_status.hpp"
#include "cli/running_programs.hpp"
#include "monitors/live/live_verifier.hpp"
#include "monitors/live/watch.hpp"
#include "monitors/lttng/private_lttng.hpp"
#include "monitors/lttng/program_tracepoints.hpp"

namespace lockstep::cli {
namespace {

using monitors::LttngError;
using nlohmann::json;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

// SIGINT, SIGTERM and SIGHUP are waited for, in every thread started from now on. After one was taken, the next kills.
class EndSignals {
 public:
    EndSignals() {
        sigemptyset(&set_);
        for (const int number : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&set_, number);
        pthread_sigmask(SIG_BLOCK, &set_, nullptr);
        signal(SIGPIPE, SIG_IGN);
    }
    bool arrived_within(milliseconds limit) {
        const timespec time{0, static_cast<long>(limit.count()) * 1'000'000};
        if (sigtimedwait(&set_, nullptr, &time) < 0) return false;
        pthread_sigmask(SIG_UNBLOCK, &set_, nullptr);
        return true;
    }

 private:
    sigset_t set_;
};

class LiveAttachment {
 public:
    explicit LiveAttachment(const LiveAttachOptions& options) : options_(options) {
        for (const pid_t pid : options.pids) processes_.push_back(std::make_unique<WatchedProcess>(pid));
        if (options.no_loss) check_blocking();
    }

    // False: a model has errors.
    bool load() {
        monitors::InstanceOptions instance = options_.attach.instance;
        instance.history_records = std::max(instance.history_records, monitors::one_reader().history_records);
        for (const GroupMember& named : options_.properties) {
            const LoadableProperty loadable(named.property);
            if (!loadable.sound()) return false;
            properties_.push_back(std::make_shared<monitors::WatchedProperty>(loadable.file().string(), instance,
                                                                              options_.attach.reactors));
            properties_.back()->set_group(named.group);
        }
        return true;
    }

    int run() {
        EndSignals signals;
        start();
        const auto socket = monitors::default_agent_socket(getpid());
        mkdir(socket.parent_path().c_str(), 0700);
        monitors::Watch watch(properties_, what(), socket);
        fmt::print(stderr, "watching {}; lockstep status --in-process {} tells more, Ctrl-C ends\n", what(), getpid());
        const auto begin = steady_clock::now();
        while (!signals.arrived_within(milliseconds(20)) && !over(watch, begin)) {
        }
        const monitors::LiveResult live = verifier_->finish();
        watch.finish();
        return print(monitors::judge_again_if_broken_off(*verifier_, live, properties_));
    }

 private:
    void check_blocking() const {
        for (const auto& process : processes_)
            if (!process->was_started_with("LTTNG_UST_ALLOW_BLOCKING=1"))
                throw std::runtime_error(fmt::format(
                    "process {} was not started with LTTNG_UST_ALLOW_BLOCKING=1: it will not wait for room (--no-loss)",
                    process->pid()));
    }

    std::vector<monitors::Monitor*> borrowed_monitors() const {
        std::vector<monitors::Monitor*> all;
        for (const auto& property : properties_) all.push_back(&property->monitor());
        return all;
    }

    std::string what() const {
        if (!options_.url.empty()) return options_.url;
        if (processes_.empty()) return "every program";
        std::string text;
        for (const auto& process : processes_)
            text += fmt::format("{}process {}", text.empty() ? "" : ", ", process->pid());
        return text;
    }

    void start() {
        if (!options_.url.empty()) {
            verifier_ = std::make_unique<monitors::LiveVerifier>(
                monitors::JoinedSessionOptions{options_.url, milliseconds(3'000)}, borrowed_monitors());
            return;
        }
        lttng_ = std::make_unique<LttngDaemons>();
        look_at_programs();
        monitors::LiveSessionOptions session;
        session.relay_url = lttng_->get().relay_url();
        session.viewer_url = lttng_->get().viewer_url();
        session.recorded_below = lttng_->get().trace_directory();
        session.live_timer = options_.live_timer;
        session.no_loss = options_.no_loss;
        // The live timer takes a part of the buffer at every tick, however little is in it: many small parts outlast a
        // consumer daemon that is kept waiting.
        session.buffer_bytes = 64 << 10;
        session.buffer_count = 128;
        for (const auto& process : processes_) session.vpids.push_back(process->vpid());
        verifier_ = std::make_unique<monitors::LiveVerifier>(session, borrowed_monitors());
    }

    void look_at_programs() {
        std::vector<const WatchedProcess*> all;
        for (const auto& process : processes_) all.push_back(process.get());
        note_absent(tracepoints_when_registered(all));
    }

    void note_absent(const std::vector<monitors::ProgramTracepoint>& tracepoints) {
        if (processes_.empty()) return;  // programs may come
        std::set<std::string> offered;
        for (const auto& tracepoint : tracepoints)
            if (std::ranges::any_of(processes_, [&](const auto& each) { return each->vpid() == tracepoint.vpid; }))
                offered.insert(tracepoint.name);
        for (const auto& property : properties_) {
            std::vector<std::string> absent;
            for (const auto& binding : property->monitor().bindings())
                if (const auto name = fmt::format("{}:{}", binding.provider, binding.tracepoint);
                    !offered.contains(name))
                    absent.push_back(name);
            for (const std::string& name : absent)
                fmt::print(stderr, "lockstep: {} has no tracepoint {}, which {} listens to\n", what(), name,
                           property->name());
            property->set_absent_tracepoints(std::move(absent));
        }
    }

    bool over(const monitors::Watch& watch, steady_clock::time_point begin) {
        bool some_alive = processes_.empty();
        for (const auto& process : processes_) {
            if (!process->ended())
                some_alive = true;
            else if (ended_.insert(process->pid()).second)
                problems_.push_back(fmt::format("process {} ended {:.1f} s after it was attached to", process->pid(),
                                                std::chrono::duration<double>(steady_clock::now() - begin).count()));
        }
        return !some_alive || watch.all_detached() || !verifier_->session().reading() ||
               (options_.duration && steady_clock::now() - begin >= *options_.duration);
    }

    // What an ended process had begun, nobody will end.
    void doubt(json& property) const {
        const auto pending = property.at("counters").at("contexts_pending").get<std::uint64_t>();
        if (ended_.empty() || pending == 0 || property.at("verdict") == "violated") return;
        property["verdict"] = "inconclusive";
        property["reasons"].push_back(
            fmt::format("{} contexts were pending when {} of the watched processes had ended", pending, ended_.size()));
    }

    int print(const monitors::LiveResult& result) {
        std::vector<json> properties;
        for (const auto& property : properties_) {
            properties.push_back(property->status());
            doubt(properties.back());
        }
        problems_.insert(problems_.end(), result.problems.begin(), result.problems.end());
        const int status = exit_status_of(properties);
        if (options_.as_json) {
            const json all = {{"watches", what()},
                              {"complete", result.complete},
                              {"events", result.events},
                              {"lost", result.lost},
                              {"first_event_ns", result.first_event_ns},
                              {"lost_since_ns", result.lost_since_ns},
                              {"problems", problems_},
                              {"read_again_because", result.read_again_because},
                              {"properties", properties},
                              {"exit_status", status}};
            fmt::print("{}\n", all.dump(2, ' ', false, json::error_handler_t::replace));
        } else {
            print_properties(properties, false);
        }
        std::fflush(stdout);
        print_loss(result.lost, result.losses, result.first_event_ns, result.lost_since_ns);
        print_read_again(result.read_again_because);
        for (const std::string& problem : problems_) fmt::print(stderr, "lockstep: {}\n", problem);
        return status;
    }

    const LiveAttachOptions& options_;
    std::vector<std::unique_ptr<WatchedProcess>> processes_;
    std::set<pid_t> ended_;
    std::vector<std::string> problems_;
    std::unique_ptr<LttngDaemons> lttng_;
    std::vector<std::shared_ptr<monitors::WatchedProperty>> properties_;
    std::unique_ptr<monitors::LiveVerifier> verifier_;  // the last: it delivers to the properties
};

}  // namespace

int attach_live(const LiveAttachOptions& options) {
    LiveAttachment attachment(options);
    if (!attachment.load()) return exit_violated;
    return attachment.run();
}

}  // namespace lockstep::cli
