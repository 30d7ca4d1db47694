#include "netns_harness/stage.hpp"

#include <signal.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "netns_harness/commands.hpp"
#include "netns_harness/kernel_clients.hpp"

namespace lockstep::harness {
namespace {

using Json = nlohmann::json;

// The last line of a program's output.
std::string last_line_of(const Process& process) {
    std::string text = read_file(process.out_path());
    while (text.ends_with('\n')) text.pop_back();
    const std::size_t begin = text.rfind('\n');
    return begin == std::string::npos ? text : text.substr(begin + 1);
}

Json summary_in(const std::string& line) {
    const Json summary = Json::parse(line, nullptr, false);
    return summary.is_object() && summary.contains("events") ? summary : Json();
}

// What the shim counts of such a fault.
std::uint64_t strikes_of(const shim::Control& control, const ShimFault& fault) {
    return (fault.full ? control.refused.load() : 0) + (fault.failing_percent > 0 ? control.failed.load() : 0) +
           (fault.delay.count() > 0 ? control.delayed.load() : 0) +
           (fault.clock_offset.count() != 0 ? control.clock_readings.load() : 0);
}

void count_command(ClientResult& result, const Ended& how, bool ended_on_purpose) {
    ++result.commands;
    if (ended_on_purpose)
        ++result.ended_commands;
    else if (!how.well())
        ++result.failed_commands;
}

std::uint64_t disk_failures_of(const Program& program) {
    if (!program.shim) return 0;
    return program.shim->control().failed.load() + program.shim->control().refused.load();
}

}  // namespace

Stage::Stage(const RunOptions& options, Observer& observer, RunResult& result)
    : options_(options),
      scenario_(options.scenario),
      observer_(observer),
      result_(result),
      network_(scenario_.subnet, options.seed),
      random_(options.seed, 0) {}

std::unique_ptr<Shim> Stage::make_shim(const ServerPlan& plan) const {
    const auto befalls = [&plan](const FaultPlan& fault) {
        const bool shimmed = fault.what().part == FaultKind::Part::shim || fault.what().needs_disk;
        return shimmed && std::ranges::find(fault.on, plan.name) != fault.on.end();
    };
    if (std::ranges::none_of(scenario_.faults, befalls)) return nullptr;
    const bool power_cuts = std::ranges::any_of(
        scenario_.faults, [&](const FaultPlan& fault) { return befalls(fault) && fault.kind == "power_cut"; });
    return std::make_unique<Shim>(ShimOptions{.library = options_.programs.shim,
                                              .stem = (std::filesystem::path(Sandbox::scratch) / plan.name).string(),
                                              .disk = disk_file(plan),
                                              .power_cuts = power_cuts});
}

const Host& Stage::add_host(const std::string& name) {
    const bool relayed = std::ranges::any_of(scenario_.faults, [&name](const FaultPlan& fault) {
        return needs_relay(fault.kind) && std::ranges::find(fault.on, name) != fault.on.end();
    });
    return network_.add_host(name, relayed);
}

void Stage::make_hosts() {
    for (const ServerPlan& plan : scenario_.servers)
        servers_.push_back(
            {.name = plan.name, .server = &plan, .host = &add_host(plan.name), .lives = {}, .shim = make_shim(plan)});
    std::uint64_t number = 0;
    for (const ClientPlan& plan : scenario_.clients)
        clients_.push_back(
            {.name = plan.name, .client = &plan, .number = ++number, .host = &add_host(plan.name), .lives = {}});
    for (const Host& host : network_.hosts()) result_.hosts.push_back({host.name, host.address, host.net_ns});
}

Program& Stage::find(const std::string& name) {
    for (std::vector<Program>* programs : {&servers_, &clients_}) {
        const auto found = std::ranges::find(*programs, name, &Program::name);
        if (found != programs->end()) return *found;
    }
    throw Error("the run has no host '" + name + "'");
}

void Stage::start(Program& program) {
    const milliseconds worked =
        opened_ ? std::chrono::duration_cast<milliseconds>(Clock::now() - *opened_) : milliseconds(0);
    const Start start{static_cast<unsigned>(program.lives.size() + 1),
                      std::max(milliseconds(1), scenario_.duration - worked)};
    const AddressOf address = [this](const std::string& host) { return find(host).host->address; };
    Command command = program.server != nullptr
                          ? server_command(options_, observer_, *program.server, address, start)
                          : client_command(options_, observer_, *program.client, program.number, address, start);
    if (program.shim) program.shim->add_to(command.environment);
    program.lives.push_back({.process = std::make_unique<Process>(command, *program.host, options_.logs),
                             .disk_failures_before = disk_failures_of(program)});
    if (program.server == nullptr) return;
    observer_.server_started(*program.server);
    program.process().open_gate();
}

void Stage::wait_until_server_is_ready(Program& program) {
    program.process().wait_for_line("nfs_server ready", Clock::now() + options_.start_limit);
}

void Stage::start_servers() {
    for (const Program& server : servers_) {
        if (!is_mounted_by_a_kernel(scenario_, server.name)) continue;
        portmapper_ = std::make_unique<Process>(portmapper_command(server.name), *server.host, options_.logs);
        portmapper_->wait_for_line("portmapper ready", Clock::now() + options_.start_limit);
    }
    for (Program& server : servers_) {
        for (const std::string& fault : options_.faults) result_.faults.push_back({fault, server.name, {}});
        start(server);
    }
    for (Program& server : servers_) wait_until_server_is_ready(server);
}

void Stage::start_clients() {
    for (Program& client : clients_) {
        if (servers_.empty())
            for (const std::string& fault : options_.faults) result_.faults.push_back({fault, client.name, {}});
        start(client);
    }
    for (const Program& client : clients_)
        if (!client.is_command() || !client.client->kernel.empty())
            client.process().wait_for_line(ready_line(client), Clock::now() + options_.start_limit);
}

std::string Stage::ready_line(const Program& client) const {
    if (client.is_command()) return "uml_client ready";
    const std::string& kind = scenario_.workload(client.client->workload).kind;
    if (workload_kind(kind).on_files) return "file_client ready";
    return kind == dlm_locks ? "dlm_node ready" : "lock_client ready";
}

void Stage::open_gates() {
    opened_ = Clock::now();
    for (const Program& client : clients_) client.process().open_gate();
}

// A suspended process can say nothing: it is woken for its last words.
void Stage::end_by_fault(Program& program) {
    program.lives.back().ended_on_purpose = true;
    program.to_be_revived = true;
    if (program.suspended > 0) program.process().signal(SIGCONT);
    if (program.suspended > 0 && program.server != nullptr) observer_.server_is_suspended(*program.server, false);
}

void Stage::kill(const std::string& name) {
    Program& program = find(name);
    if (program.down++ > 0 || !program.runs()) return;
    end_by_fault(program);
    if (program.server != nullptr) observer_.server_will_be_killed(*program.server);
    program.process().stop(milliseconds(0));
}

void Stage::terminate(const std::string& name) {
    Program& program = find(name);
    if (program.down++ > 0 || !program.runs()) return;
    end_by_fault(program);
    const Ended how = program.process().stop(options_.stop_grace);
    if (program.server == nullptr) return;
    observer_.server_has_ended(*program.server);
    judge_end(program, how);
}

// A server whose disk failed may say at its end that it could not write.
void Stage::judge_end(const Program& server, const Ended& how) {
    const bool disk_failed = disk_failures_of(server) > server.lives.back().disk_failures_before;
    if (!how.well() && !disk_failed)
        add_problem(server.name + " did not stop in good order: " + how.text() + server.process().last_lines());
}

void Stage::revive(const std::string& name) {
    Program& program = find(name);
    if (--program.down > 0 || !program.to_be_revived) return;
    program.to_be_revived = false;
    if (program.client != nullptr && clients_stay_away_) return;
    try {
        start(program);
        if (program.server != nullptr)
            wait_until_server_is_ready(program);
        else
            program.process().open_gate();
    } catch (const Error& error) {
        add_problem(name + " could not be started again: " + error.what());
        return;
    }
    if (program.suspended == 0) return;
    --program.suspended;
    suspend(name);
}

std::uint64_t Stage::cut_power(const std::string& name) {
    Program& server = find(name);
    if (server.down > 0 || !server.runs()) {
        kill(name);
        return 0;
    }
    server.shim
        ->switch_off();  // first: what is asked of the server before its end takes time, in which it would write on
    kill(name);
    return server.shim->cut_power(random_);
}

std::uint64_t Stage::add_shim_fault(const std::string& name, const ShimFault& fault) {
    shim::Control& control = find(name).shim->control();
    const std::uint64_t before = strikes_of(control, fault);
    control.full += fault.full ? 1 : 0;
    control.failing_percent += fault.failing_percent;
    (fault.only_barriers ? control.barrier_delay_ns : control.delay_ns) +=
        static_cast<std::uint64_t>(fault.delay.count());
    control.clock_offset_ns += fault.clock_offset.count();
    return before;
}

std::uint64_t Stage::remove_shim_fault(const std::string& name, const ShimFault& fault) {
    shim::Control& control = find(name).shim->control();
    control.full -= fault.full ? 1 : 0;
    control.failing_percent -= fault.failing_percent;
    (fault.only_barriers ? control.barrier_delay_ns : control.delay_ns) -=
        static_cast<std::uint64_t>(fault.delay.count());
    control.clock_offset_ns -= fault.clock_offset.count();
    return strikes_of(control, fault);
}

void Stage::suspend(const std::string& name) {
    Program& program = find(name);
    if (program.suspended++ > 0 || !program.runs()) return;
    if (program.server != nullptr) observer_.server_is_suspended(*program.server, true);
    program.process().signal(SIGSTOP);
}

void Stage::resume(const std::string& name) {
    Program& program = find(name);
    if (--program.suspended > 0 || !program.runs()) return;
    program.process().signal(SIGCONT);
    if (program.server != nullptr) observer_.server_is_suspended(*program.server, false);
}

void Stage::add_link_fault(const std::string& name, LinkRule rule, const std::vector<std::string>& peers) {
    rule.peers = addresses_of(peers, name);
    if (peers.empty() || !rule.peers.empty()) network_.add_rule(name, rule);
}

std::uint64_t Stage::remove_link_fault(const std::string& name, std::uint64_t id) {
    return network_.remove_rule(name, id);
}

std::uint64_t Stage::reset_connections(const std::string& name, const std::vector<std::string>& peers) {
    return network_.reset_connections(*find(name).host, addresses_of(peers, name));
}

std::vector<IpAddress> Stage::addresses_of(const std::vector<std::string>& hosts, const std::string& but) {
    std::vector<IpAddress> addresses;
    for (const std::string& host : hosts)
        if (host != but) addresses.push_back(ip_address(find(host).host->address));
    return addresses;
}

std::optional<std::string> Stage::dead_server() const {
    for (const Program& server : servers_) {
        if (server.runs() || server.lives.back().ended_on_purpose) continue;
        return server.name + " died: " + server.process().ended()->text() + server.process().last_lines();
    }
    return std::nullopt;
}

bool Stage::clients_are_done(bool nobody_comes_back) const {
    return std::ranges::none_of(
        clients_, [&](const Program& client) { return client.runs() || (client.to_be_revived && !nobody_comes_back); });
}

void Stage::end_commands() {
    for (Program& client : clients_) {
        if (!client.is_command() || !client.runs()) continue;
        const Ended how = client.process().stop(options_.stop_grace);
        client.lives.back().ended_on_purpose = true;
        if (how.signal == SIGKILL) add_problem(client.name + " did not end when it was asked to, and was killed");
    }
}

bool Stage::makes_timed_calls() const {
    return std::ranges::any_of(clients_, [this](const Program& client) {
        return !client.is_command() && scenario_.workload(client.client->workload).kind != dlm_locks;
    });
}

double Stage::work_unjudged(milliseconds duration) {
    ++unjudged_lives_;
    const AddressOf address = [this](const std::string& host) { return find(host).host->address; };
    std::vector<std::unique_ptr<Process>> processes;
    for (const Program& client : clients_) {
        if (client.is_command()) continue;
        const Start start{static_cast<unsigned>(client.lives.size()) + unjudged_lives_, duration};
        const Command command = client_command(options_, observer_, *client.client, client.number, address, start);
        processes.push_back(std::make_unique<Process>(command, *client.host, options_.logs));
        processes.back()->wait_for_line(ready_line(client), Clock::now() + options_.start_limit);
    }
    for (const auto& process : processes) process->open_gate();
    const auto deadline = Clock::now() + duration + options_.client_end_limit;
    CallIntervals calls;
    for (const auto& process : processes) {
        if (!process->wait(deadline)) throw Error(process->name() + " did not end in time: overhead can't be measured");
        add_calls(calls, call_times_file(options_, process->name()));
    }
    std::uint64_t answered = 0;
    for (const auto& [interval, histogram] : calls) answered += histogram.answered;
    return static_cast<double>(answered) * 1000 / static_cast<double>(duration.count());
}

void Stage::stop_clients(bool excused) {
    for (const Program& client : clients_) {
        if (!client.runs()) continue;
        const Ended how = client.process().stop(options_.stop_grace);
        if (!excused) add_problem(client.name + " did not end in time and was ended by the run: " + how.text());
    }
}

void Stage::stop_servers() {
    for (const Program& server : servers_) {
        if (!server.runs()) continue;  // reported when it died
        const Ended how = server.process().stop(options_.stop_grace);
        judge_end(server, how);
    }
}

std::vector<int> Stage::end_fds() const {
    std::vector<int> fds;
    for (const std::vector<Program>* programs : {&servers_, &clients_})
        for (const Program& program : *programs)
            if (program.runs()) fds.push_back(program.process().end_fd());
    return fds;
}

Counting Stage::take_summaries(FiredCounts& fired) {
    Counting counting = Counting::exact;
    const auto lower_to = [&counting](Counting less) { counting = std::max(counting, less); };
    for (const Program& program : clients_) {
        ClientResult& result = result_.clients.emplace_back();
        result.name = program.name;
        result.has_oracle = !program.is_command();
        for (const Program::Life& life : program.lives) {
            const Process& process = *life.process;
            const Ended how = *life.process->ended();
            // What was ended by us fired what it fired: some of it may be counted nowhere, none of it lost.
            if (program.is_command() || life.ended_on_purpose) {
                lower_to(Counting::at_least);
                if (program.is_command()) count_command(result, how, life.ended_on_purpose);
                if (!how.well() && !life.ended_on_purpose)
                    add_problem(process.name() + " failed: " + how.text() + process.last_lines());
                continue;
            }
            const std::string line = last_line_of(process);
            if (!summary_in(line).is_null()) {
                take_summary(process.name(), result, line, fired);
                continue;
            }
            lower_to(Counting::unknown);
            add_problem(process.name() + " left no summary: " + how.text() + process.last_lines());
        }
    }
    return counting;
}

std::vector<Stage::RunningServer> Stage::running_servers() const {
    std::vector<RunningServer> running;
    for (const Program& server : servers_)
        if (server.runs()) running.push_back({server.name, server.lives.size(), server.process().pid()});
    return running;
}

CallIntervals Stage::take_call_times() const {
    CallIntervals intervals;
    for (const Program& client : clients_)
        for (const Program::Life& life : client.lives)
            add_calls(intervals, call_times_file(options_, life.process->name()));
    return intervals;
}

void Stage::take_summary(const std::string& name, ClientResult& client, const std::string& line, FiredCounts& fired) {
    const Json summary = summary_in(line);
    client.turns += summary.value("turns", std::uint64_t{0});
    client.reads += summary.value("reads", std::uint64_t{0});
    client.writes += summary.value("writes", std::uint64_t{0});
    client.oracle_failures += summary.value("oracle_failures", std::uint64_t{0});
    client.has_oracle = summary.contains("oracle_failures");
    for (const std::string& failure : summary.value("first_oracle_failures", std::vector<std::string>{}))
        client.first_oracle_failures.push_back(failure);
    for (const auto& [event, count] : summary["events"].items()) {
        fired["lock_api:" + event] += count.get<std::uint64_t>();
        client.events += count.get<std::uint64_t>();
    }
    for (const std::string& error : summary.value("errors", std::vector<std::string>{}))
        add_problem(name + ": " + error);
}

}  // namespace lockstep::harness
