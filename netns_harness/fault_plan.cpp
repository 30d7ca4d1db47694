#include "netns_harness/fault_plan.hpp"

#include <algorithm>

#include "netns_harness/scenario.hpp"

namespace lockstep::harness {
namespace {

bool contains(const std::vector<std::string>& names, const std::string& name) {
    return std::ranges::find(names, name) != names.end();
}

// The hosts that `name` stands for; empty when nobody has it.
std::vector<std::string> hosts_of(const FaultTargets& targets, const std::string& name) {
    for (const FaultTargets::Group& group : targets.groups)
        if (group.name == name) return group.hosts;
    if (contains(targets.servers, name) || contains(targets.clients, name)) return {name};
    return {};
}

std::vector<std::string> all_names(const FaultTargets& targets) {
    std::vector<std::string> names = targets.servers;
    for (const FaultTargets::Group& group : targets.groups) names.push_back(group.name);
    for (const std::string& client : targets.clients)
        if (!contains(names, client)) names.push_back(client);
    return names;
}

std::vector<std::string> read_targets(TableReader& table, const std::string& key, const FaultTargets& targets) {
    std::vector<std::string> hosts;
    for (const std::string& name : table.text_or_texts(key)) {
        const std::vector<std::string> meant = hosts_of(targets, name);
        if (meant.empty())
            table.complain(
                key, "'" + key + "' names '" + name + "', which is not there; allowed: " + list_of(all_names(targets)));
        for (const std::string& host : meant)
            if (!contains(hosts, host)) hosts.push_back(host);
    }
    return hosts;
}

const FaultKind* read_kind(TableReader& table, FaultPlan& fault) {
    fault.kind = table.required_text("kind");
    std::vector<std::string> names;
    for (const FaultKind& known : fault_kinds()) {
        if (fault.kind == known.name) return &known;
        names.push_back(known.name);
    }
    if (table.has("kind")) table.complain("kind", "there is no fault '" + fault.kind + "'; allowed: " + list_of(names));
    return nullptr;
}

// "provider:name": both there, no blanks.
bool is_tracepoint(const std::string& text) {
    const std::size_t colon = text.find(':');
    return colon != std::string::npos && colon > 0 && colon + 1 < text.size() &&
           text.find_first_of(" \t*") == std::string::npos;
}

void read_when(TableReader& table, FaultPlan& fault) {
    fault.at = table.optional_duration("at");
    fault.every = table.optional_duration("every");
    fault.after = table.text("after", "");
    if (table.has("at") + table.has("every") + table.has("after") != 1)
        table.complain("at", "a fault has exactly one of 'at', 'every' and 'after', which say when it strikes");
    if (table.has("after") && !is_tracepoint(fault.after))
        table.complain("after", "'after' must be a tracepoint, \"provider:name\" (see tracepoints/)");
    fault.occurrences = static_cast<std::uint64_t>(table.integer("occurrences", 1, 1, 1'000'000'000));
    if (table.has("occurrences") && !table.has("after"))
        table.complain("occurrences", "'occurrences' counts those of the tracepoint in 'after', which is missing");
    fault.times = static_cast<std::uint64_t>(table.integer("times", fault.every ? 0 : 1, 1, 1'000'000));
    if (fault.at && table.has("times"))
        table.complain("times", "a fault 'at' a time strikes once: leave 'times' out, or say 'every'");
}

}  // namespace

const std::vector<FaultKind>& fault_kinds() {
    static const std::vector<FaultKind> kinds{
        {"kill", "SIGKILL; started again after `for`, a server on the same disk and ports"},
        {"restart", "SIGTERM, and started again when it has ended and `for` is over"},
        {"stop", "SIGSTOP; SIGCONT after `for`"}};
    return kinds;
}

std::string FaultPlan::text() const {
    std::string hosts;
    for (const std::string& host : on) hosts += (hosts.empty() ? "" : ", ") + host;
    return kind + " of " + (pick_one && on.size() > 1 ? "one of " : "") + hosts;
}

FaultPlan read_fault(TableReader& table, const FaultTargets& targets) {
    FaultPlan fault;
    const FaultKind* kind = read_kind(table, fault);
    if (!table.has("on")) table.complain("on", "key 'on' is missing: the host, or hosts, that it befalls");
    fault.on = read_targets(table, "on", targets);
    const std::string pick = table.text("pick", "all");
    if (pick != "all" && pick != "one") table.complain("pick", "'pick' must be \"all\" or \"one\"");
    fault.pick_one = pick == "one";
    read_when(table, fault);
    fault.lasts = table.optional_duration("for");
    if (fault.kind == "restart" && !fault.lasts) fault.lasts = milliseconds(0);
    if (kind != nullptr && !kind->has_end && table.has("for"))
        table.complain("for", std::string("'") + kind->name + "' takes no time: leave 'for' out");
    if (kind != nullptr && !kind->befalls_clients)
        for (const std::string& host : fault.on)
            if (contains(targets.clients, host))
                table.complain("on", std::string("'") + kind->name + "' befalls servers; '" + host + "' is a client");
    return fault;
}

}  // namespace lockstep::harness
