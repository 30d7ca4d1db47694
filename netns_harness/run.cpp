#include "netns_harness/run.hpp"

#include <poll.h>
#include <time.h>

#include <algorithm>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>

namespace lockstep::harness {
namespace {

using Json = nlohmann::json;

std::uint64_t monotonic_ns() {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000U + static_cast<std::uint64_t>(now.tv_nsec);
}

milliseconds since(Clock::time_point begin) {
    return std::chrono::duration_cast<milliseconds>(Clock::now() - begin);
}

// The last line of a program's output as JSON; nothing when it is none.
Json summary_of(const Process& process) {
    std::string text = read_file(process.out_path());
    while (text.ends_with('\n')) text.pop_back();
    const std::size_t begin = text.rfind('\n');
    const Json summary = Json::parse(begin == std::string::npos ? text : text.substr(begin + 1), nullptr, false);
    return summary.is_object() && summary.contains("events") ? summary : Json();
}

// When a fault struck, by the server's log of strikes; a last line that a kill cut short counts for nothing.
std::vector<std::uint64_t> strikes_of(const std::string& fault, const std::string& log) {
    std::vector<std::uint64_t> times_ns;
    std::ifstream lines(log);
    for (std::string line; std::getline(lines, line);) {
        const Json strike = Json::parse(line, nullptr, false);
        if (strike.is_object() && strike.value("fault", "") == fault) times_ns.push_back(strike.at("time_ns"));
    }
    return times_ns;
}

class Run {
 public:
    Run(const RunOptions& options, Observer& observer, const Sandbox& sandbox)
        : options_(options),
          scenario_(options.scenario),
          observer_(observer),
          sandbox_(sandbox),
          network_(scenario_.subnet) {
        result_.scenario = scenario_.name;
        result_.description = scenario_.description;
        result_.seed = options.seed;
        result_.asked_duration = scenario_.duration;
    }

    RunResult run() {
        const auto begin = Clock::now();
        show("starting");
        make_hosts();
        result_.remarks = observer_.begin();
        start_servers();
        start_clients();
        work();
        stop_clients();
        show("judging");
        take_summaries();
        result_.properties = observer_.end(fired_, counting_);
        stop_servers();
        take_strikes();
        result_.whole_duration = since(begin);
        return std::move(result_);
    }

 private:
    void show(const char* phase, milliseconds worked = milliseconds(0)) {
        const ObservedProgress seen = observed();
        if (worked.count() > 0) result_.samples.push_back({worked, seen.events, seen.contexts, seen.violations});
        options_.on_progress({phase, worked, seen});
    }

    ObservedProgress observed() { return begun_ ? observer_.progress() : ObservedProgress{}; }

    void make_hosts() {
        for (const ServerPlan& server : scenario_.servers) network_.add_host(server.name);
        for (const ClientPlan& client : scenario_.clients) network_.add_host(client.name);
        for (const Host& host : network_.hosts()) result_.hosts.push_back({host.name, host.address, host.net_ns});
    }

    const Host& host(const std::string& name) const { return *std::ranges::find(network_.hosts(), name, &Host::name); }

    void start_servers() {
        begun_ = true;
        for (const ServerPlan& plan : scenario_.servers) {
            Command command{.name = plan.name,
                            .program = options_.programs.nfs_server,
                            .arguments = {},
                            .environment = observer_.server_environment(plan)};
            command.arguments = {"--bind",       host(plan.name).address,
                                 "--export",     plan.export_path,
                                 "--disk",       plan.disk,
                                 "--port",       std::to_string(plan.port),
                                 "--mount-port", std::to_string(plan.mount_port),
                                 "--nlm-port",   std::to_string(plan.nlm_port)};
            turn_faults_on(command);
            command.arguments.insert(command.arguments.end(), plan.arguments.begin(), plan.arguments.end());
            servers_.push_back(std::make_unique<Process>(command, host(plan.name), options_.logs));
        }
        for (std::size_t i = 0; i < servers_.size(); ++i) {
            servers_[i]->wait_for_line("nfs_server ready", Clock::now() + options_.start_limit);
            observer_.server_ready(scenario_.servers[i]);
        }
    }

    void turn_faults_on(Command& command) {
        for (const std::string& fault : options_.faults) {
            command.arguments.insert(command.arguments.end(), {"--fault", fault});
            result_.faults.push_back({fault, command.name, {}});
        }
        if (!options_.faults.empty())
            command.arguments.insert(command.arguments.end(), {"--fault-seed", std::to_string(options_.seed),
                                                               "--fault-log", strike_log(command.name)});
    }

    void start_clients() {
        std::uint64_t number = 0;
        for (const ClientPlan& plan : scenario_.clients) {
            ++number;
            clients_.push_back(std::make_unique<Process>(command_of(plan, number), host(plan.name), options_.logs));
        }
        for (std::size_t i = 0; i < clients_.size(); ++i)
            if (const ClientPlan& plan = scenario_.clients[i]; !is_command(plan))
                clients_[i]->wait_for_line(is_dlm_node(plan) ? "dlm_node ready" : "lock_client ready",
                                           Clock::now() + options_.start_limit);
    }

    static bool is_command(const ClientPlan& plan) { return plan.workload.empty(); }
    bool is_dlm_node(const ClientPlan& plan) const {
        return !is_command(plan) && scenario_.workload(plan.workload).kind == dlm_locks;
    }

    Command command_of(const ClientPlan& plan, std::uint64_t number) {
        if (is_command(plan)) return users_command(plan, number);
        Command command = is_dlm_node(plan) ? dlm_command(plan, number) : client_command(plan, number);
        if (observer_.listens_to_clients())
            command.arguments.insert(command.arguments.end(),
                                     {"--wait-for-listener", std::to_string(options_.start_limit.count())});
        return command;
    }

    // A shell waits at the gate and becomes the command.
    Command users_command(const ClientPlan& plan, std::uint64_t number) {
        const ServerPlan& server = scenario_.server(plan.server);
        const std::string address = host(plan.server).address;
        const std::string url_address = address.find(':') == std::string::npos ? address : "[" + address + "]";
        Command command{.name = plan.name,
                        .program = "/bin/sh",
                        .arguments = {"-c", "read -r gate_; exec </dev/null; eval \"$LOCKSTEP_COMMAND\""},
                        .environment = observer_.client_environment(),
                        .gated = true};
        command.environment["LOCKSTEP_COMMAND"] = plan.command;
        command.environment["LOCKSTEP_CLIENT"] = plan.name;
        command.environment["LOCKSTEP_SERVER"] = address;
        command.environment["LOCKSTEP_PORT"] = std::to_string(server.port);
        command.environment["LOCKSTEP_EXPORT"] = server.export_path;
        command.environment["LOCKSTEP_SEED"] = std::to_string(client_seed(number));
        command.environment["LOCKSTEP_DURATION_MS"] = std::to_string(scenario_.duration.count());
        command.environment["LOCKSTEP_URL"] = "nfs://" + url_address + server.export_path +
                                              "?version=3&nfsport=" + std::to_string(server.port) +
                                              "&mountport=" + std::to_string(server.mount_port);
        return command;
    }

    // Streams of one seed: the workload's own choices differ by owner, ours by client.
    std::uint64_t client_seed(std::uint64_t number) const { return options_.seed * 1'000'003 + number; }

    Command client_command(const ClientPlan& plan, std::uint64_t number) {
        const LockWorkloadPlan& workload = scenario_.workload(plan.workload);
        const ServerPlan& server = scenario_.server(workload.server);
        Command command{.name = plan.name,
                        .program = options_.programs.lock_client,
                        .arguments = {},
                        .environment = observer_.client_environment(),
                        .gated = true};
        command.arguments = {"--export",        server.export_path,
                             "--server",        host(workload.server).address,
                             "--port",          std::to_string(server.port),
                             "--mount-port",    std::to_string(server.mount_port),
                             "--nlm-port",      std::to_string(server.nlm_port),
                             "--host",          plan.name,
                             "--owners",        std::to_string(workload.owners),
                             "--files",         std::to_string(workload.files),
                             "--region",        std::to_string(workload.region),
                             "--longest-range", std::to_string(workload.longest_range),
                             "--lock-wait-ms",  std::to_string(workload.wait_ms),
                             "--directory",     workload.name,
                             "--seed",          std::to_string(client_seed(number)),
                             "--duration-ms",   std::to_string(scenario_.duration.count())};
        return command;
    }

    // A node is told of all nodes of its workload, itself included.
    Command dlm_command(const ClientPlan& plan, std::uint64_t number) {
        const LockWorkloadPlan& workload = scenario_.workload(plan.workload);
        Command command{.name = plan.name,
                        .program = options_.programs.dlm_node,
                        .arguments = {},
                        .environment = observer_.client_environment(),
                        .gated = true};
        command.arguments = {"--name",         plan.name,
                             "--listen",       dlm_address(plan.name),
                             "--owners",       std::to_string(workload.owners),
                             "--resources",    std::to_string(workload.files),
                             "--lock-wait-ms", std::to_string(workload.wait_ms),
                             "--seed",         std::to_string(client_seed(number)),
                             "--duration-ms",  std::to_string(scenario_.duration.count())};
        for (const ClientPlan& node : scenario_.clients)
            if (node.workload == plan.workload)
                command.arguments.insert(command.arguments.end(), {"--node", dlm_address(node.name)});
        if (scenario_.servers.empty()) turn_faults_on(command);
        return command;
    }

    // In a namespace of one's own any port is free.
    std::string dlm_address(const std::string& node) const {
        const std::string address = host(node).address;
        return (address.find(':') == std::string::npos ? address : "[" + address + "]") + ":4711";
    }

    // Lets the clients go and waits until all have ended, or the run has to.
    void work() {
        const auto begin = Clock::now();
        const auto deadline = begin + scenario_.duration + options_.client_end_limit;
        result_.start_ns = monotonic_ns();
        for (const auto& client : clients_) client->open_gate();
        while (!work_is_over(deadline)) {
            show("working", since(begin));
            if (Clock::now() >= begin + scenario_.duration) end_commands();
            wait_for_change(std::min(deadline, Clock::now() + milliseconds(100)));
        }
        result_.workload_duration = since(begin);
    }

    bool work_is_over(Clock::time_point deadline) {
        if (sandbox_.stop_requested()) return add_problem("interrupted");
        for (const auto& server : servers_)
            if (const auto how = server->ended())
                return add_problem(server->name() + " died: " + how->text() + server->last_lines());
        const bool all_ended =
            std::ranges::all_of(clients_, [](const auto& client) { return client->ended().has_value(); });
        return all_ended || Clock::now() >= deadline;
    }

    // A command that goes on for ever has done so until its time was over: that is no problem.
    void end_commands() {
        for (std::size_t i = 0; i < clients_.size(); ++i) {
            if (!is_command(scenario_.clients[i]) || clients_[i]->ended()) continue;
            clients_[i]->stop(options_.stop_grace);
            ended_by_us_.insert(clients_[i]->name());
        }
    }

    bool add_problem(const std::string& problem) {
        result_.problems.push_back(problem);
        return true;
    }

    void wait_for_change(Clock::time_point until) {
        std::vector<pollfd> wanted{{sandbox_.stop_fd(), POLLIN, 0}};
        for (const auto& server : servers_) wanted.push_back({server->end_fd(), POLLIN, 0});
        for (const auto& client : clients_)
            if (!client->ended()) wanted.push_back({client->end_fd(), POLLIN, 0});
        poll(wanted.data(), wanted.size(), poll_timeout_ms(until));
    }

    // Clients that have not ended by themselves are ended, and that is a problem unless something else stopped the run.
    void stop_clients() {
        const bool stopped_early = !result_.problems.empty();
        for (const auto& client : clients_) {
            if (client->ended()) continue;
            const Ended how = client->stop(options_.stop_grace);
            if (!stopped_early)
                add_problem(client->name() + " did not end in time and was ended by the run: " + how.text());
        }
    }

    void take_summaries() {
        for (std::size_t i = 0; i < clients_.size(); ++i) {
            const auto& client = clients_[i];
            const Ended how = *client->ended();
            if (is_command(scenario_.clients[i])) {
                if (counting_ == Counting::exact) counting_ = Counting::at_least;
                result_.clients.emplace_back().name = client->name();
                if (!how.well() && !ended_by_us_.contains(client->name()))
                    add_problem(client->name() + " failed: " + how.text() + client->last_lines());
                continue;
            }
            const Json summary = summary_of(*client);
            if (summary.is_null()) {
                counting_ = Counting::unknown;
                add_problem(client->name() + " left no summary: " + how.text() + client->last_lines());
                continue;
            }
            take_summary(client->name(), summary);
        }
    }

    void take_summary(const std::string& name, const Json& summary) {
        ClientResult& client = result_.clients.emplace_back();
        client.name = name;
        client.turns = summary.value("turns", std::uint64_t{0});
        client.reads = summary.value("reads", std::uint64_t{0});
        client.writes = summary.value("writes", std::uint64_t{0});
        client.oracle_failures = summary.value("oracle_failures", std::uint64_t{0});
        client.has_oracle = summary.contains("oracle_failures");
        client.first_oracle_failures = summary.value("first_oracle_failures", std::vector<std::string>{});
        for (const auto& [event, count] : summary["events"].items()) {
            fired_["lock_api:" + event] += count.get<std::uint64_t>();
            client.events += count.get<std::uint64_t>();
        }
        for (const std::string& error : summary.value("errors", std::vector<std::string>{}))
            add_problem(name + ": " + error);
    }

    void stop_servers() {
        for (const auto& server : servers_) {
            if (server->ended()) continue;  // reported when it died
            const Ended how = server->stop(options_.stop_grace);
            if (!how.well())
                add_problem(server->name() + " did not stop in good order: " + how.text() + server->last_lines());
        }
    }

    std::string strike_log(const std::string& server) const { return options_.logs / (server + ".strikes"); }

    // A run whose fault never struck shows nothing about those who should have found it.
    void take_strikes() {
        for (ArmedFault& fault : result_.faults) {
            fault.strikes_ns = strikes_of(fault.name, strike_log(fault.server));
            if (fault.strikes_ns.empty())
                add_problem("the deliberate fault " + fault.name + " in " + fault.server + " never struck");
        }
    }

    const RunOptions& options_;
    const Scenario& scenario_;
    Observer& observer_;
    const Sandbox& sandbox_;
    Network network_;
    std::vector<std::unique_ptr<Process>> servers_;
    std::vector<std::unique_ptr<Process>> clients_;
    std::set<std::string> ended_by_us_;  // names of clients whose command went on until its time was over
    RunResult result_;
    FiredCounts fired_;
    Counting counting_ = Counting::exact;
    bool begun_ = false;
};

}  // namespace

Programs Programs::beside_us() {
    const auto directory = std::filesystem::read_symlink("/proc/self/exe").parent_path();
    Programs programs{directory / "nfs_server", directory / "lock_client", directory / "dlm_node"};
    for (const auto& program : {programs.nfs_server, programs.lock_client, programs.dlm_node})
        if (!std::filesystem::exists(program)) throw Error("program " + program.string() + " is missing");
    return programs;
}

RunResult run_scenario(const RunOptions& options, Observer& observer, const Sandbox& sandbox) {
    return Run(options, observer, sandbox).run();
}

milliseconds longest_run(const Scenario& scenario) {
    constexpr milliseconds for_making_and_judging{60'000};
    return scenario.duration + for_making_and_judging;
}

}  // namespace lockstep::harness
