#include "netns_harness/commands.hpp"

#include "netns_harness/kernel_clients.hpp"

namespace lockstep::harness {
namespace {

// Streams of one seed: the workload's own choices differ by owner, ours by client and by life.
std::uint64_t client_seed(const RunOptions& options, std::uint64_t number, const Start& start) {
    return options.seed * 1'000'003 + number + (start.life - 1) * std::uint64_t{1'000'000'007};
}

std::string life_name(const std::string& name, const Start& start) {
    return start.life == 1 ? name : name + "." + std::to_string(start.life);
}

// "scratch:64M" is a file in the sandbox's memory: it outlives the server, and not the run.
std::string disk_of(const ServerPlan& plan) {
    constexpr std::string_view scratch = "scratch:";
    if (!plan.disk.starts_with(scratch)) return plan.disk;
    return "file:" + std::string(Sandbox::scratch) + "/" + plan.name + ".disk:" + plan.disk.substr(scratch.size());
}

// A shell waits at the gate and becomes the command.
Command users_command(const RunOptions& options, Observer& observer, const ClientPlan& plan, std::uint64_t number,
                      const AddressOf& address_of, const Start& start) {
    const ServerPlan& server = options.scenario.server(plan.server);
    const std::string address = address_of(plan.server);
    const std::string url_address = address.find(':') == std::string::npos ? address : "[" + address + "]";
    Command command{.name = life_name(plan.name, start),
                    .program = "/bin/sh",
                    .arguments = {"-c", "read -r gate_; exec </dev/null; eval \"$LOCKSTEP_COMMAND\""},
                    .environment = observer.client_environment(),
                    .gated = true};
    const char* path = std::getenv("PATH");
    command.environment["PATH"] =
        options.programs.nfs_server.parent_path().string() + ":" + (path != nullptr ? path : "/usr/bin:/bin");
    command.environment["LOCKSTEP_COMMAND"] = plan.command;
    command.environment["LOCKSTEP_CLIENT"] = plan.name;
    command.environment["LOCKSTEP_SERVER"] = address;
    command.environment["LOCKSTEP_PORT"] = std::to_string(server.port);
    command.environment["LOCKSTEP_EXPORT"] = server.export_path;
    command.environment["LOCKSTEP_SEED"] = std::to_string(client_seed(options, number, start));
    command.environment["LOCKSTEP_DURATION_MS"] = std::to_string(start.remaining.count());
    command.environment["LOCKSTEP_LIFE"] = std::to_string(start.life);
    command.environment["LOCKSTEP_URL"] = "nfs://" + url_address + server.export_path +
                                          "?version=3&nfsport=" + std::to_string(server.port) +
                                          "&mountport=" + std::to_string(server.mount_port);
    return command;
}

void turn_faults_on(Command& command, const RunOptions& options, const std::string& host, const Start& start) {
    for (const std::string& fault : options.faults)
        command.arguments.insert(command.arguments.end(), {"--fault", fault});
    if (!options.faults.empty())
        command.arguments.insert(
            command.arguments.end(),
            {"--fault-seed", std::to_string(options.seed + start.life - 1), "--fault-log", strike_log(options, host)});
}

// In a namespace of one's own any port is free.
std::string node_address(const AddressOf& address_of, const std::string& node) {
    const std::string address = address_of(node);
    return (address.find(':') == std::string::npos ? address : "[" + address + "]") + ":4711";
}

// A node of dlm_locks is told of all nodes of its workload, itself included.
Command node_command(const RunOptions& options, Observer& observer, const ClientPlan& plan, std::uint64_t number,
                     const AddressOf& address_of, const Start& start) {
    const LockWorkloadPlan& workload = options.scenario.workload(plan.workload);
    Command command{.name = life_name(plan.name, start),
                    .program = options.programs.dlm_node,
                    .arguments = {},
                    .environment = observer.client_environment(),
                    .gated = true};
    command.arguments = {"--name",         plan.name,
                         "--listen",       node_address(address_of, plan.name),
                         "--owners",       std::to_string(workload.owners),
                         "--resources",    std::to_string(workload.files),
                         "--lock-wait-ms", std::to_string(workload.wait_ms),
                         "--seed",         std::to_string(client_seed(options, number, start)),
                         "--duration-ms",  std::to_string(start.remaining.count())};
    for (const ClientPlan& node : options.scenario.clients)
        if (node.workload == plan.workload)
            command.arguments.insert(command.arguments.end(), {"--node", node_address(address_of, node.name)});
    if (options.scenario.servers.empty()) turn_faults_on(command, options, plan.name, start);
    return command;
}

// Whether the disk of the server fails in some fault of the scenario.
bool disk_may_fail(const Scenario& scenario, const std::string& server) {
    return std::ranges::any_of(scenario.faults, [&server](const FaultPlan& fault) {
        return (fault.shim.full || fault.shim.failing_percent > 0) &&
               std::ranges::find(fault.on, server) != fault.on.end();
    });
}

Command file_command(const RunOptions& options, Observer& observer, const ClientPlan& plan, std::uint64_t number,
                     const AddressOf& address_of, const Start& start) {
    const LockWorkloadPlan& workload = options.scenario.workload(plan.workload);
    const ServerPlan& server = options.scenario.server(workload.server);
    Command command{.name = life_name(plan.name, start),
                    .program = options.programs.file_client,
                    .arguments = {},
                    .environment = observer.client_environment(),
                    .gated = true};
    command.arguments = {"--kind",        workload.kind,
                         "--server",      address_of(workload.server),
                         "--port",        std::to_string(server.port),
                         "--mount-port",  std::to_string(server.mount_port),
                         "--export",      server.export_path,
                         "--host",        life_name(plan.name, start),
                         "--workers",     std::to_string(workload.owners),
                         "--directory",   workload.name,
                         "--seed",        std::to_string(client_seed(options, number, start)),
                         "--duration-ms", std::to_string(start.remaining.count())};
    if (!options.scenario.faults.empty())
        command.arguments.insert(command.arguments.end(), {"--patient", "--call-limit-ms", "800"});
    if (!workload.recording.empty())
        command.arguments.insert(command.arguments.end(), {"--recording", workload.recording});
    if (disk_may_fail(options.scenario, workload.server)) command.arguments.push_back("--disk-may-fail");
    return command;
}

Command workload_command(const RunOptions& options, Observer& observer, const ClientPlan& plan, std::uint64_t number,
                         const AddressOf& address_of, const Start& start) {
    const LockWorkloadPlan& workload = options.scenario.workload(plan.workload);
    const ServerPlan& server = options.scenario.server(workload.server);
    Command command{.name = life_name(plan.name, start),
                    .program = options.programs.lock_client,
                    .arguments = {},
                    .environment = observer.client_environment(),
                    .gated = true};
    command.arguments = {"--export",        server.export_path,
                         "--server",        address_of(workload.server),
                         "--port",          std::to_string(server.port),
                         "--mount-port",    std::to_string(server.mount_port),
                         "--nlm-port",      std::to_string(server.nlm_port),
                         "--host",          plan.name,
                         "--owners",        std::to_string(workload.owners),
                         "--files",         std::to_string(workload.files),
                         "--region",        std::to_string(workload.region),
                         "--longest-range", std::to_string(workload.longest_range),
                         "--lock-wait-ms",  std::to_string(workload.wait_ms),
                         "--leak-check-ms", std::to_string(workload.leak_check_ms),
                         "--directory",     workload.name,
                         "--seed",          std::to_string(client_seed(options, number, start)),
                         "--duration-ms",   std::to_string(start.remaining.count())};
    if (!options.scenario.faults.empty())
        command.arguments.insert(command.arguments.end(), {"--patient", "--call-limit-ms", "800"});
    if (start.life > 1) command.arguments.insert(command.arguments.end(), {"--life", std::to_string(start.life)});
    return command;
}

}  // namespace

std::string disk_file(const ServerPlan& plan) {
    constexpr std::string_view kind = "file:";
    std::string path = disk_of(plan);
    if (!path.starts_with(kind)) return "";
    path.erase(0, kind.size());
    const std::size_t colon = path.rfind(':');
    const bool has_size = colon != std::string::npos && colon + 1 < path.size() && std::isdigit(path[colon + 1]) != 0;
    return has_size ? path.substr(0, colon) : path;
}

std::filesystem::path call_times_file(const RunOptions& options, const std::string& life) {
    return options.logs / (life + ".calls");
}

std::string strike_log(const RunOptions& options, const std::string& server) {
    return options.logs / (server + ".strikes");
}

Command server_command(const RunOptions& options, Observer& observer, const ServerPlan& plan, const AddressOf& address,
                       const Start& start) {
    Command command{.name = life_name(plan.name, start),
                    .program = options.programs.nfs_server,
                    .arguments = {},
                    .environment = observer.server_environment(plan),
                    .gated = false,
                    .gate_variable = observer.server_gate(plan)};
    command.arguments = {"--bind",       address(plan.name),
                         "--export",     plan.export_path,
                         "--disk",       disk_of(plan),
                         "--port",       std::to_string(plan.port),
                         "--mount-port", std::to_string(plan.mount_port),
                         "--nlm-port",   std::to_string(plan.nlm_port)};
    turn_faults_on(command, options, plan.name, start);
    if (is_mounted_by_a_kernel(options.scenario, plan.name)) command.arguments.push_back("--register-rpcbind");
    command.arguments.insert(command.arguments.end(), plan.arguments.begin(), plan.arguments.end());
    return command;
}

Command client_command(const RunOptions& options, Observer& observer, const ClientPlan& plan, std::uint64_t number,
                       const AddressOf& address, const Start& start) {
    if (plan.workload.empty()) {
        Command command = users_command(options, observer, plan, number, address, start);
        if (plan.kernel.empty()) return command;
        return in_a_guest(std::move(command), options.scenario, plan, address(plan.name),
                          options.programs.nfs_server.parent_path());
    }
    const std::string& kind = options.scenario.workload(plan.workload).kind;
    const bool on_files = workload_kind(kind).on_files;
    Command command = on_files            ? file_command(options, observer, plan, number, address, start)
                      : kind == dlm_locks ? node_command(options, observer, plan, number, address, start)
                                          : workload_command(options, observer, plan, number, address, start);
    command.environment["LOCKSTEP_CALL_TIMES"] = call_times_file(options, command.name);
    if (!on_files && observer.listens_to_clients())
        command.arguments.insert(command.arguments.end(),
                                 {"--wait-for-listener", std::to_string(options.start_limit.count())});
    return command;
}

}  // namespace lockstep::harness
