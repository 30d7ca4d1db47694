// lockstep attach: verify running processes, from outside through LTTng (live), or from within by their agent.
#include <fmt/format.h>
#include <unistd.h>

#include <charconv>
#include <chrono>
#include <memory>
#include <optional>
#include <stdexcept>

#include "cli/agents.hpp"
#include "cli/attach_live.hpp"
#include "cli/command.hpp"
#include "cli/loadable_property.hpp"
#include "reactors/reactor.hpp"

namespace lockstep::cli {
namespace {

struct Options {
    std::string process;
    std::string session;
    std::string relay = "net://localhost:5344";
    std::string duration;
    bool all = false;
    std::vector<std::string> names;  // processes' numbers, then properties
    unsigned live_timer_ms = 2;
    LiveAttachOptions live;
};

// Nothing when it is not a number.
std::optional<pid_t> to_pid(const std::string& text) {
    pid_t pid = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), pid);
    if (error != std::errc() || end != text.data() + text.size() || pid <= 0) return std::nullopt;
    return pid;
}

// "500ms", "10s", "2m". Throws std::runtime_error.
std::chrono::milliseconds to_duration(const std::string& text) {
    unsigned long count = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
    const std::string unit(end, text.data() + text.size());
    if (error == std::errc() && count <= 1'000'000'000) {
        if (unit == "ms") return std::chrono::milliseconds(count);
        if (unit == "s") return std::chrono::seconds(count);
        if (unit == "m") return std::chrono::minutes(count);
    }
    throw std::runtime_error(fmt::format("{} is no duration: a number with ms, s or m", text));
}

// All of them or none: when one is refused, those before it are detached again.
int attach_in_process(const Options& options) {
    std::vector<std::unique_ptr<LoadableProperty>> loadables;
    for (const GroupMember& named : options.live.properties) {
        loadables.push_back(std::make_unique<LoadableProperty>(named.property));
        if (!loadables.back()->sound()) return exit_violated;
    }
    const auto agent = connect_to(options.process);
    std::vector<std::string> attached;
    try {
        for (std::size_t i = 0; i < loadables.size(); ++i) {
            monitors::AttachOptions attach = options.live.attach;
            attach.group = options.live.properties[i].group;
            attached.push_back(agent->attach(loadables[i]->file(), attach));
        }
    } catch (const monitors::AgentError&) {
        for (const std::string& name : attached) agent->detach(name);
        throw;
    }
    for (const std::string& name : attached) fmt::print("{} is attached\n", name);
    return exit_ok;
}

// A relay names a session by the host that it comes from, and a session of this machine by its name.
std::string url_of_session(const Options& options) {
    char host[256] = {};
    gethostname(host, sizeof host - 1);
    return fmt::format("{}/host/{}/{}", options.relay, host, options.session);
}

// Numbers that come first are processes; the rest are properties.
void sort_names(Options& options) {
    std::vector<std::string> properties;
    for (const std::string& name : options.names) {
        const auto pid = to_pid(name);
        if (pid && properties.empty())
            options.live.pids.push_back(*pid);
        else
            properties.push_back(name);
    }
    options.live.properties = expand_groups(properties);
    if (options.live.properties.empty()) throw std::runtime_error("name a property: lockstep attach PID PROPERTY");
}

int run(Options options) {
    sort_names(options);
    const int ways = static_cast<int>(!options.process.empty()) + static_cast<int>(!options.session.empty()) +
                     static_cast<int>(!options.live.url.empty()) + static_cast<int>(options.all) +
                     static_cast<int>(!options.live.pids.empty());
    if (ways != 1)
        throw std::runtime_error(
            "name what to watch, in one way: processes (PID…), --all, --session, --url, or --in-process");
    if (!options.process.empty()) return attach_in_process(options);
    if (!options.session.empty()) options.live.url = url_of_session(options);
    if (!options.duration.empty()) options.live.duration = to_duration(options.duration);
    options.live.live_timer = std::chrono::milliseconds(options.live_timer_ms);
    return attach_live(options.live);
}

void declare_live(CommandLine& command_line, Options& options) {
    command_line.add_flag("--all", options.all,
                          "Live: every LTTng-UST program of this user, those that start later included");
    command_line.add_option("--session", options.session,
                            "Live: an LTTng live session of this machine that records already");
    command_line.add_option("--relay", options.relay, "With --session: where its relay serves viewers").shows_default();
    command_line.add_option("--url", options.live.url,
                            "Live: a session of any relay, on any host: net://HOST[:PORT]/host/HOSTNAME/SESSION");
    command_line.add_option("--duration", options.duration,
                            "Live: end after this time (500ms, 10s, 2m); default: at Ctrl-C");
    command_line
        .add_option("--live-timer", options.live_timer_ms,
                    "Live: milliseconds that an event may lie in a buffer before it is judged")
        .between(1, 1000)
        .shows_default();
    command_line.add_flag("--no-loss", options.live.no_loss,
                          "Live: the programs wait for room instead of losing events; they must have been started with "
                          "LTTNG_UST_ALLOW_BLOCKING=1");
    command_line.add_flag("--json", options.live.as_json, "Live: the result as one JSON object on standard output");
}

Command::Run declare(CommandLine& command_line) {
    auto options = std::make_shared<Options>();
    auto& attach = options->live.attach;
    command_line
        .add_option("what", options->names,
                    "Processes by number (live), then properties: names of compiled ones, paths to them, groups (a "
                    "folder of them), or automata (.dot, "
                    ".ltl)")
        .required();
    add_process_option(command_line, options->process);
    declare_live(command_line, *options);
    command_line
        .add_option("--reactor", attach.reactors,
                    "What happens on a violation (repeatable; default log). " + reactors::reactors_in_one_line())
        .repeatable();
    command_line
        .add_option("--contexts", attach.instance.contexts, "Contexts alive at once; more are refused and counted")
        .shows_default();
    command_line.add_option("--blocks", attach.instance.blocks, "Blocks of 128 bytes for set, map and ranges registers")
        .shows_default();
    command_line.add_option("--history", attach.instance.history_records, "Events remembered per thread for reports");
    command_line.add_flag("--precise-time", attach.instance.precise_time,
                          "In-process: exact times in reports, for 20 ns an event");
    command_line.footer(
        "Live: `lockstep attach 1234 mutual_exclusion` watches from outside, through LTTng, until Ctrl-C, then gives "
        "the "
        "verdict.\n"
        "Any LTTng-UST program, as it runs; no session daemon is needed. Meanwhile status, detach, react, pause and "
        "resume\n"
        "take --in-process with the number of this command. The programs' end is its end.\n"
        "Exit status: the verdict: 0 ok, 1 violated, 3 inconclusive; 2 it could not be watched.\n"
        "In-process: `lockstep attach --in-process 1234 mutual_exclusion` returns at once; lockstep detach gives the "
        "verdict.\n"
        "The process must have been started with LD_PRELOAD=liblockstep_agent.so:liblttng-ust-fork.so.1, or be linked "
        "with\n"
        "the agent. Exit status: 0 attached, 1 a model has errors, 2 there is no agent or it refused.");
    return [options] { return run(*options); };
}

const Command command{"attach", "Attach properties to running processes, or to an LTTng session", declare};

}  // namespace
}  // namespace lockstep::cli
