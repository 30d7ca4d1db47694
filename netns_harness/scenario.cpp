#include "netns_harness/scenario.hpp"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <set>

#include "netns_harness/kernel_clients.hpp"
#include "netns_harness/toml_reader.hpp"

namespace lockstep::harness {
namespace {

constexpr std::size_t longest_host_name = 12;  // the kernel's 15 for a device name, less our prefix

constexpr int highest_port = 65535;

bool is_host_name(const std::string& name) {
    const auto allowed = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; };
    return !name.empty() && name.size() <= longest_host_name && std::ranges::all_of(name, allowed);
}

// Reads the whole file into a Scenario; what refers to something else is checked afterwards, when everything is known.
class ScenarioReader {
 public:
    ScenarioReader(const toml::table& root, Findings& findings) : root_(root, "scenario", findings) {}

    Scenario read() {
        scenario_.name = root_.required_text("name");
        scenario_.description = root_.text("description", "");
        scenario_.duration = read_duration();
        if (const auto seed = root_.optional_integer("seed", 0, INT64_MAX))
            scenario_.seed = static_cast<std::uint64_t>(*seed);
        const std::string record = root_.text("record", "");
        scenario_.record_calls = record == "calls";
        if (root_.has("record") && !scenario_.record_calls)
            root_.complain("record", "'" + record + "' can't be recorded; allowed: calls");
        root_.table("network", [this](TableReader& table) { scenario_.subnet = table.text("subnet", "10.77.0.0/24"); });
        root_.tables("server", 0, [this](TableReader& table) { read_server(table); });
        root_.tables("workload", 0, [this](TableReader& table) { read_workload(table); });
        root_.tables("client", 1, [this](TableReader& table) { read_client(table); });
        root_.tables("fault", 0, [this](TableReader& table) { read_fault_table(table); });
        root_.tables("property", 0, [this](TableReader& table) { read_property(table); });
        root_.refuse_unknown_keys();
        if (scenario_.servers.empty() && !clients_serve_each_other())
            root_.complain("server", "at least one [[server]] is needed");
        return std::move(scenario_);
    }

 private:
    milliseconds read_duration() {
        const std::string text = root_.text("duration", "3s");
        try {
            return parse_duration(text);
        } catch (const Error& error) {
            root_.complain("duration", error.what());
            return milliseconds(0);
        }
    }

    // A name that becomes a host; it must be new.
    void take_host_name(TableReader& table, const std::string& name) {
        if (!is_host_name(name))
            table.complain("name", "'" + name + "' is no host name: 1 to " + std::to_string(longest_host_name) +
                                       " of a-z, 0-9 and -");
        else if (!host_names_.insert(name).second)
            table.complain("name", "there is a host '" + name + "' already");
    }

    void read_server(TableReader& table) {
        ServerPlan server;
        server.name = table.text("name", "server");
        server.disk = table.text("disk", "memory:64M");
        server.export_path = table.text("export", "/export");
        server.port = static_cast<int>(table.integer("port", 2049, 1, highest_port));
        server.mount_port = static_cast<int>(table.integer("mount_port", server.port, 1, highest_port));
        server.nlm_port = static_cast<int>(table.integer("nlm_port", server.port, 1, highest_port));
        server.arguments = table.texts("arguments");
        take_host_name(table, server.name);
        scenario_.servers.push_back(server);
    }

    bool clients_serve_each_other() const {
        return !scenario_.workloads.empty() &&
               std::ranges::all_of(scenario_.workloads, [](const auto& plan) { return plan.kind == dlm_locks; });
    }

    void read_workload(TableReader& table) {
        LockWorkloadPlan workload;
        workload.name = table.required_text("name");
        std::vector<std::string> kinds;
        for (const WorkloadKind& known : workload_kinds()) kinds.push_back(known.name);
        workload.kind = table.required_text("kind");
        if (table.has("kind") && std::ranges::find(kinds, workload.kind) == kinds.end())
            table.complain("kind", "there is no workload '" + workload.kind + "'; allowed: " + list_of(kinds));
        workload.owners = static_cast<unsigned>(table.integer("owners", 2, 1, 64));
        const auto known = std::ranges::find(workload_kinds(), workload.kind, &WorkloadKind::name);
        const bool on_files = known != workload_kinds().end() && known->on_files;
        if (!on_files) workload.wait_ms = static_cast<unsigned>(table.integer("wait_ms", 0, 0, 60'000));
        if (workload.kind == recorded_run) workload.recording = table.required_text("recording");
        if (on_files)
            read_server_of(table, workload);
        else if (workload.kind == dlm_locks)
            workload.files = static_cast<unsigned>(table.integer("resources", 4, 1, 1000));
        else
            read_byte_ranges(table, workload);
        if (std::ranges::count(names_of(scenario_.workloads), workload.name) > 0)
            table.complain("name", "there is a workload '" + workload.name + "' already");
        scenario_.workloads.push_back(workload);
    }

    void read_byte_ranges(TableReader& table, LockWorkloadPlan& workload) {
        read_server_of(table, workload);
        workload.files = static_cast<unsigned>(table.integer("files", 3, 1, 1000));
        workload.region = static_cast<unsigned>(table.integer("region", 256, 1, 1 << 20));
        workload.longest_range = static_cast<unsigned>(table.integer("longest_range", 48, 1, 1 << 20));
        workload.leak_check_ms = static_cast<unsigned>(table.integer("leak_check_ms", 0, 0, 4'500));
    }

    void read_server_of(TableReader& table, LockWorkloadPlan& workload) {
        workload.server = table.text("server", "server");
        refer(table, "server", workload.server, names_of(scenario_.servers));
    }

    void read_client(TableReader& table) {
        const std::string name = table.text("name", "client");
        const bool several = table.has("count");
        const std::int64_t count = table.integer("count", 1, 1, 250);
        ClientPlan client;
        client.workload = table.text("workload", "");
        client.command = table.text("command", "");
        if (table.has("workload") == table.has("command"))
            table.complain("workload", "a client has either a 'workload' or a 'command'");
        if (table.has("workload")) refer(table, "workload", client.workload, names_of(scenario_.workloads));
        if (table.has("command")) {
            client.server = table.text("server", scenario_.servers.empty() ? "" : scenario_.servers.front().name);
            refer(table, "server", client.server, names_of(scenario_.servers));
            read_kernel(table, client);
        }
        if (several) client_groups_.push_back({name, {}});
        for (std::int64_t number = 1; number <= count; ++number) {
            client.name = several ? name + std::to_string(number) : name;
            if (several) client_groups_.back().hosts.push_back(client.name);
            scenario_.clients.push_back(client);
            take_host_name(table, scenario_.clients.back().name);
        }
    }

    void read_kernel(TableReader& table, ClientPlan& client) {
        client.kernel = table.text("kernel", "");
        if (!table.has("kernel")) return;
        if (std::ranges::find(guest_kernels(), client.kernel) == guest_kernels().end())
            table.complain("kernel",
                           "there is no kernel '" + client.kernel + "'; allowed: " + list_of(guest_kernels()));
        client.image = table.text("image", "base");
        if (std::ranges::find(guest_images(), client.image) == guest_images().end())
            table.complain("image", "there is no image '" + client.image + "'; allowed: " + list_of(guest_images()));
        client.mount_options = table.text("mount_options", "hard,lock");
        for (const ClientPlan& other : scenario_.clients)
            if (!other.kernel.empty() && other.server != client.server)
                return table.complain(
                    "server", "clients with a kernel of their own mount one server, which '" + other.server + "' is");
    }

    void read_fault_table(TableReader& table) {
        FaultPlan fault = read_fault(table, targets());
        const bool known = table.has("kind") && std::ranges::count(names_of(fault_kinds()), fault.kind) > 0;
        const bool needs_file =
            fault.kind == "restart" || (fault.kind == "kill" && fault.lasts) || (known && fault.what().needs_disk);
        for (const std::string& name : fault.on)
            for (const ServerPlan& server : scenario_.servers)
                if (server.name == name && needs_file && server.disk.starts_with("memory:"))
                    table.complain("on",
                                   "'" + name + "' has the disk " + server.disk +
                                       ", which is no file and ends with it: give it scratch:SIZE or file:PATH:SIZE");
        for (const std::string& name : fault.on)
            for (const ClientPlan& client : scenario_.clients)
                if (client.name == name && !client.kernel.empty() && !reaches_guests(fault.kind))
                    table.complain("on",
                                   "'" + name + "' has a kernel of its own, where '" + fault.kind + "' does not reach");
        scenario_.faults.push_back(std::move(fault));
    }

    FaultTargets targets() const { return {names_of(scenario_.servers), names_of(scenario_.clients), client_groups_}; }

    void read_property(TableReader& table) {
        PropertyPlan property;
        property.name = table.required_text("name");
        const std::string attach = table.required_text("attach");
        if (table.has("attach") && attach != "live" && attach != "in-process")
            table.complain("attach", "there is no way '" + attach + "' to attach; allowed: live or in-process");
        property.attach = attach == "in-process" ? Attach::in_process : Attach::live;
        property.to = table.text("to", "");
        if (property.attach == Attach::live && table.has("to"))
            table.complain("to", "a property that is attached live sees every process of the run: leave 'to' out");
        if (property.attach == Attach::in_process && !table.has("to"))
            table.complain("to", "key 'to' is missing: the server to attach to");
        if (property.attach == Attach::in_process && table.has("to"))
            refer(table, "to", property.to, names_of(scenario_.servers));
        scenario_.properties.push_back(property);
    }

    template <class Plan>
    static std::vector<std::string> names_of(const std::vector<Plan>& plans) {
        std::vector<std::string> names;
        for (const Plan& plan : plans) names.push_back(plan.name);
        return names;
    }

    static void refer(TableReader& table, const std::string& key, const std::string& name,
                      const std::vector<std::string>& known) {
        if (std::ranges::find(known, name) == known.end())
            table.complain(key, "'" + key + "' names '" + name + "', which is not there; allowed: " + list_of(known));
    }

    TableReader root_;
    Scenario scenario_;
    std::set<std::string> host_names_;
    std::vector<FaultTargets::Group> client_groups_;
};

template <class Plan>
const Plan& find_named(const std::vector<Plan>& plans, const std::string& name) {
    const auto found = std::ranges::find(plans, name, &Plan::name);
    if (found == plans.end()) throw Error("the scenario has no '" + name + "'");
    return *found;
}

}  // namespace

const std::vector<WorkloadKind>& workload_kinds() {
    static const std::vector<WorkloadKind> kinds{
        {"byte_range_locks", "owners contend for byte ranges of a few files, and write and read under their locks"},
        {dlm_locks, "every client is a node of a distributed lock service, and its owners lock all nodes' resources"},
        {"atomic_writes", "a reader never sees half of a write of several blocks", true},
        {"rename_swap", "a file that is replaced by rename is always there, and always whole", true},
        {"create_remove_race", "of several exclusive creates of a name one is granted", true},
        {"append_races", "no record that was appended to a shared log is lost, and none is torn", true},
        {"directory_churn", "a directory holds what was put there, and lists each name once", true},
        {"retransmissions", "a call that is sent again gets the reply of the first", true},
        {"close_to_open", "what was committed before is seen by those who open afterwards", true},
        {"small_files", "a file holds what was written to it, across lost unstable writes", true},
        {"large_files", "so does a large one; what is cut off is gone", true},
        {"metadata_mix", "names and sizes are what they were set to", true},
        {recorded_run, "the calls of a run that was recorded are answered as they were then", true}};
    return kinds;
}

const WorkloadKind& workload_kind(const std::string& name) {
    const auto found = std::ranges::find(workload_kinds(), name, &WorkloadKind::name);
    if (found == workload_kinds().end()) throw Error("there is no workload '" + name + "'");
    return *found;
}

const ServerPlan& Scenario::server(const std::string& name_of_server) const {
    return find_named(servers, name_of_server);
}

const LockWorkloadPlan& Scenario::workload(const std::string& name_of_workload) const {
    return find_named(workloads, name_of_workload);
}

Scenario parse_scenario(const std::string& text, const std::string& file_name) {
    Findings findings(file_name);
    toml::table root;
    try {
        root = toml::parse(text);
    } catch (const toml::parse_error& error) {
        findings.add(error.source(), std::string(error.description()));
        throw ScenarioError(findings.text());
    }
    Scenario scenario = ScenarioReader(root, findings).read();
    if (!findings.empty()) throw ScenarioError(findings.text());
    scenario.source = text;
    return scenario;
}

Scenario read_scenario(const std::filesystem::path& file) {
    if (std::filesystem::is_directory(file)) throw Error("cannot read " + file.string() + ": it is a directory");
    Scenario scenario = parse_scenario(read_file(file), file.string());
    for (LockWorkloadPlan& workload : scenario.workloads) {
        if (workload.recording.empty()) continue;
        workload.recording = std::filesystem::absolute(file).parent_path() / workload.recording;
        if (!std::filesystem::is_regular_file(workload.recording))
            throw Error(file.string() + ": workload '" + workload.name + "': there is no recording " +
                        workload.recording);
    }
    return scenario;
}

milliseconds parse_duration(const std::string& text) {
    constexpr std::int64_t longest_ms = 24LL * 3600 * 1000;
    std::int64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    const std::string unit(end, text.data() + text.size());
    const std::int64_t factor = unit == "ms" ? 1 : unit == "s" ? 1000 : unit == "m" ? 60'000 : 0;
    if (error != std::errc() || factor == 0 || number <= 0 || number > longest_ms / factor)
        throw Error("'" + text + "' is no duration: a whole number with ms, s or m, at most a day, as 500ms, 3s or 2m");
    return milliseconds(number * factor);
}

std::string to_text(milliseconds duration) {
    if (duration.count() < 1000) return std::to_string(duration.count()) + " ms";
    char text[32];
    std::snprintf(text, sizeof text, "%.4g s", static_cast<double>(duration.count()) / 1000);
    return text;
}

}  // namespace lockstep::harness
