// What attached monitors cost the server: its calls per second and its CPU time per call, in one run, interleaved:
//     plain     the server without the agent
//     idle      the server with the agent preloaded, nothing attached
//     attached  the same process with the properties attached (two_phase_locking and reply_after_commit)
// Each round measures the three one after another, in an order that rotates; the rounds' ratios are compared, so what
// the machine does meanwhile hits all three. The calls are small, and the disk is memory unless --directory names
// a place for image files: the worst case for a monitor.
#include <fcntl.h>
#include <fmt/format.h>
#include <time.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "bench/nfs_load.hpp"
#include "monitors/agent/agent_client.hpp"
#include "monitors/runtime/monitor.hpp"
#include "netns_harness/process.hpp"
#include "netns_harness/run.hpp"
#include "netns_harness/sandbox.hpp"

namespace lockstep::bench {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;

struct Options {
    unsigned rounds = 9;
    unsigned connections = 4;
    unsigned duration_ms = 700;
    unsigned threads = 32;            // of the server
    std::filesystem::path directory;  // of image files; empty: the disk is memory
    monitors::InstanceOptions instance;
    std::vector<std::string> properties = {"two_phase_locking", "reply_after_commit"};
};

enum class Kind { plain, idle, attached };
constexpr const char* kind_names[] = {"plain", "idle", "attached"};

struct Sample {
    double calls_per_second = 0;
    double cpu_ns_per_call = 0;
};

double median(std::vector<double> values) {
    std::ranges::sort(values);
    return values[values.size() / 2];
}

// CPU time that all threads of a process used, user and system.
std::chrono::nanoseconds cpu_time(pid_t pid) {
    clockid_t clock = 0;
    timespec used{};
    if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &used) != 0)
        throw harness::Error("cannot read the CPU time of process " + std::to_string(pid));
    return std::chrono::seconds(used.tv_sec) + std::chrono::nanoseconds(used.tv_nsec);
}

// A server on the loopback of the sandbox, with the agent or without.
class Server {
 public:
    Server(const char* name, int port, bool with_agent, const Options& options) : port_(port), host_(loopback_host()) {
        const harness::Programs programs = harness::Programs::beside_us();
        const std::string number = std::to_string(port);
        harness::Command command{.name = name, .program = programs.nfs_server, .arguments = {}, .environment = {}};
        const std::string disk = options.directory.empty()
                                     ? "memory:256M"
                                     : "file:" + (options.directory / (std::string(name) + ".img")).string() + ":256M";
        command.arguments = {"--disk", disk, "--port", number, "--mount-port", number, "--nlm-port", number};
        command.arguments.insert(command.arguments.end(), {"--threads", std::to_string(options.threads)});
        const fs::path socket = fs::path(harness::Sandbox::scratch) / name;
        if (with_agent)
            command.environment = {
                {"LD_PRELOAD", programs.nfs_server.parent_path().parent_path() / "lib/liblockstep_agent.so"},
                {"LOCKSTEP_AGENT_SOCKET", socket.string() + ".agent"}};
        process_ = std::make_unique<harness::Process>(command, host_, harness::Sandbox::scratch);
        process_->wait_for_line("nfs_server ready", harness::Clock::now() + milliseconds(10'000));
        if (with_agent) agent_ = std::make_unique<monitors::AgentClient>(socket.string() + ".agent");
    }

    Sample measure(Operation operation, const Options& options) {
        workloads::ServerAddress address;
        address.address = "127.0.0.1";
        address.nfs_port = address.mount_port = address.nlm_port = port_;
        const auto cpu_before = cpu_time(process_->pid());
        const LoadResult result = load(address, operation, options.connections, milliseconds(options.duration_ms));
        const auto cpu = cpu_time(process_->pid()) - cpu_before;
        return {result.calls_per_second(), static_cast<double>(cpu.count()) / static_cast<double>(result.calls)};
    }

    void attach(const std::vector<std::string>& properties, const monitors::InstanceOptions& instance) {
        for (const std::string& property : properties)
            agent_->attach(monitors::find_monitor(property), {.instance = instance, .reactors = {}});
    }

    // Detaches and returns how many events the properties saw: a benchmark of monitors that saw nothing would mean
    // nothing.
    std::map<std::string, std::uint64_t> detach(const std::vector<std::string>& properties) {
        std::map<std::string, std::uint64_t> events;
        for (const std::string& property : properties) {
            const nlohmann::json summary = agent_->detach(property);
            if (summary.at("counters").at("violations") != 0) throw harness::Error(property + " was violated");
            events[property] = summary.at("counters").at("events");
        }
        return events;
    }

 private:
    static harness::Host loopback_host() {
        harness::Host host;
        host.name = "loopback";
        host.net_namespace =
            harness::Fd(harness::require(open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), "network namespace"));
        return host;
    }

    int port_;
    harness::Host host_;
    std::unique_ptr<harness::Process> process_;
    std::unique_ptr<monitors::AgentClient> agent_;
};

class Comparison {
 public:
    Comparison(Operation operation, const Options& options, Server& plain, Server& with_agent)
        : operation_(operation), options_(options), plain_(plain), with_agent_(with_agent) {}

    void run() {
        plain_.measure(operation_, options_);  // warm
        with_agent_.measure(operation_, options_);
        for (unsigned round = 0; round < options_.rounds; ++round)
            for (unsigned step = 0; step < 3; ++step) measure(static_cast<Kind>((round + step) % 3));
    }

    void print(const char* title) const {
        fmt::print("{}, {} connections, {} rounds of {} ms; medians\n", title, options_.connections, options_.rounds,
                   options_.duration_ms);
        for (const Kind kind : {Kind::plain, Kind::idle, Kind::attached})
            fmt::print(
                "  {:<9} {:>9.0f} calls/s  {:>8.0f} ns of server CPU a call   of plain: {:.3f} calls/s, {:.3f} CPU\n",
                kind_names[static_cast<int>(kind)], calls(kind), cpu(kind), calls(kind) / calls(Kind::plain),
                cpu(kind) / cpu(Kind::plain));
        for (const Kind without : {Kind::idle, Kind::plain})
            fmt::print(
                "  cost of attaching, against {:<5}: {:+.1f} % calls/s, {:+.1f} % CPU (median of the rounds' ratios)\n",
                kind_names[static_cast<int>(without)], 100 * (1 - ratio(without, &Sample::calls_per_second)),
                100 * (ratio(without, &Sample::cpu_ns_per_call) - 1));
        fmt::print("  events a round:");
        for (const auto& [property, events] : events_) fmt::print(" {} {}", property, events / options_.rounds);
        fmt::print("\n");
    }

 private:
    void measure(Kind kind) {
        if (kind == Kind::attached) with_agent_.attach(options_.properties, options_.instance);
        samples_[kind].push_back((kind == Kind::plain ? plain_ : with_agent_).measure(operation_, options_));
        if (kind != Kind::attached) return;
        for (const auto& [property, events] : with_agent_.detach(options_.properties)) {
            if (events == 0) throw harness::Error(property + " saw no event");
            events_[property] += events;
        }
    }

    double median_of(Kind kind, double Sample::*member) const {
        std::vector<double> values;
        for (const Sample& sample : samples_.at(kind)) values.push_back(sample.*member);
        return median(values);
    }
    // Attached over `without`, round by round: between rounds the machine may change its pace altogether.
    double ratio(Kind without, double Sample::*member) const {
        std::vector<double> ratios;
        for (unsigned round = 0; round < options_.rounds; ++round)
            ratios.push_back(samples_.at(Kind::attached)[round].*member / samples_.at(without)[round].*member);
        return median(ratios);
    }
    double calls(Kind kind) const { return median_of(kind, &Sample::calls_per_second); }
    double cpu(Kind kind) const { return median_of(kind, &Sample::cpu_ns_per_call); }

    Operation operation_;
    const Options& options_;
    Server& plain_;
    Server& with_agent_;
    std::map<Kind, std::vector<Sample>> samples_;
    std::map<std::string, std::uint64_t> events_;
};

int run(const Options& options) {
    Server plain("plain", 2049, false, options);
    Server with_agent("with_agent", 2050, true, options);
    for (const auto& [operation, title] :
         {std::pair{Operation::small_file, "small files"}, std::pair{Operation::metadata, "metadata"}}) {
        Comparison comparison(operation, options, plain, with_agent);
        comparison.run();
        comparison.print(title);
    }
    return 0;
}

}  // namespace
}  // namespace lockstep::bench

int main(int argc, char** argv) {
    using namespace lockstep;
    bench::Options options;
    CLI::App app{"What attached monitors cost the NFS server.", "attach_overhead"};
    app.add_option("--rounds", options.rounds, "measurements of each kind")
        ->check(CLI::Range(1, 1000))
        ->capture_default_str();
    app.add_option("--connections", options.connections)->check(CLI::Range(1, 256))->capture_default_str();
    app.add_option("--duration-ms", options.duration_ms, "of one measurement")
        ->check(CLI::Range(10, 600'000))
        ->capture_default_str();
    app.add_option("--threads", options.threads, "of the server")->capture_default_str();
    app.add_option("--directory", options.directory, "image files of the two servers are made here, instead of memory")
        ->check(CLI::ExistingDirectory);
    app.add_option("--property", options.properties, "attach this one; may be repeated")->capture_default_str();
    app.add_option("--contexts", options.instance.contexts, "contexts a property")->capture_default_str();
    app.add_option("--history", options.instance.history_records, "events remembered a thread")->capture_default_str();
    CLI11_PARSE(app, argc, argv);
    try {
        harness::SandboxOptions sandbox;
        sandbox.visible = {std::filesystem::read_symlink("/proc/self/exe").parent_path().parent_path()};
        if (!options.directory.empty()) {
            options.directory = std::filesystem::canonical(options.directory);
            sandbox.visible.push_back(options.directory);
        }
        return harness::run_in_sandbox(sandbox, [&](harness::Sandbox&) { return bench::run(options); });
    } catch (const std::exception& error) {
        std::fprintf(stderr, "attach_overhead: %s\n", error.what());
        return 2;
    }
}
