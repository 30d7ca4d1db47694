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

// Only the keys that the kind has are read: the others are refused as unknown.
void read_link(TableReader& table, const FaultKind& kind, FaultPlan& fault) {
    using Rule = LinkRule::Kind;
    LinkRule& rule = fault.link;
    rule.kind = kind.rule;
    const std::string direction = table.text("direction", "both");
    if (direction != "both" && direction != "out" && direction != "in")
        table.complain("direction", "'direction' must be \"both\", \"out\" (what `on` sends) or \"in\"");
    rule.out = direction != "in";
    rule.in = direction != "out";
    if (rule.kind == Rule::loss || rule.kind == Rule::duplicate || rule.kind == Rule::reorder)
        rule.percent = static_cast<unsigned>(table.required_integer("percent", 1, 100));
    if (rule.kind == Rule::delay || rule.kind == Rule::reorder) {
        if (!table.has("delay")) table.complain("delay", "key 'delay' is missing");
        rule.delay = table.optional_duration("delay").value_or(milliseconds(0));
    }
    if (rule.kind == Rule::delay) {
        rule.jitter = table.optional_duration("jitter").value_or(milliseconds(0));
        if (rule.jitter > rule.delay) table.complain("jitter", "'jitter' is at most as long as 'delay'");
    }
    if (rule.kind == Rule::bandwidth)
        rule.bits_per_second =
            static_cast<std::uint64_t>(table.required_integer("kbit_per_second", 1, 100'000'000)) * 1000;
}

void read_shim(TableReader& table, FaultPlan& fault) {
    fault.shim.full = fault.kind == "disk_full";
    if (fault.kind == "disk_failing")
        fault.shim.failing_percent = static_cast<unsigned>(table.required_integer("percent", 1, 100));
    if (fault.kind == "disk_slow") {
        if (!table.has("delay")) table.complain("delay", "key 'delay' is missing");
        fault.shim.delay = table.optional_duration("delay").value_or(milliseconds(0));
        const std::string only = table.text("only", "all");
        if (only != "all" && only != "barriers") table.complain("only", "'only' must be \"all\" or \"barriers\"");
        fault.shim.only_barriers = only == "barriers";
    }
    constexpr std::int64_t century = std::int64_t{100} * 365 * 24 * 3600;
    if (fault.kind == "clock_jump")
        fault.shim.clock_offset = std::chrono::seconds(table.required_integer("seconds", -century, century));
}

}  // namespace

const std::vector<FaultKind>& fault_kinds() {
    using Part = FaultKind::Part;
    using Rule = LinkRule::Kind;
    static const std::vector<FaultKind> kinds{
        {.name = "kill", .meaning = "SIGKILL; started again after `for`, a server on the same disk and ports"},
        {.name = "restart", .meaning = "SIGTERM, and started again when it has ended and `for` is over"},
        {.name = "power_cut",
         .meaning = "as kill, and an arbitrary part, in sectors, of what a server wrote since the last barrier is lost",
         .befalls_clients = false,
         .needs_disk = true},
        {.name = "stop", .meaning = "SIGSTOP; SIGCONT after `for`"},
        {.name = "vanish",
         .meaning = "a client's link is cut and it is killed: nobody hears of its end; after `for` it is back, anew",
         .befalls_servers = false},
        {.name = "partition",
         .meaning = "no packet passes between `on` and `from`, both ways or one way (`direction`)",
         .part = Part::link,
         .rule = Rule::cut},
        {.name = "loss", .meaning = "`percent` of the packets are lost", .part = Part::link, .rule = Rule::loss},
        {.name = "delay",
         .meaning = "packets come `delay` later, give or take `jitter`, in order",
         .part = Part::link,
         .rule = Rule::delay},
        {.name = "duplicate",
         .meaning = "`percent` of the packets come twice",
         .part = Part::link,
         .rule = Rule::duplicate},
        {.name = "reorder",
         .meaning = "`percent` of the packets fall behind those that are sent in the next `delay`",
         .part = Part::link,
         .rule = Rule::reorder},
        {.name = "bandwidth",
         .meaning = "the link carries `kbit_per_second` each way; what a queue of 200 ms does not hold is lost",
         .part = Part::link,
         .rule = Rule::bandwidth},
        {.name = "reset",
         .meaning = "the TCP connections between `on` and `from` are reset",
         .part = Part::connections,
         .has_end = false},
        {.name = "disk_full",
         .meaning = "every write to the server's disk fails: no space",
         .part = Part::shim,
         .befalls_clients = false,
         .needs_disk = true},
        {.name = "disk_failing",
         .meaning = "`percent` of the reads, writes and barriers of the server's disk fail",
         .part = Part::shim,
         .befalls_clients = false,
         .needs_disk = true},
        {.name = "disk_slow",
         .meaning = "every read, write and barrier of the server's disk, or `only` its barriers, takes `delay` longer",
         .part = Part::shim,
         .befalls_clients = false,
         .needs_disk = true},
        {.name = "clock_jump",
         .meaning = "the server's real-time clock jumps by `seconds`, and back at the end",
         .part = Part::shim,
         .befalls_clients = false}};
    return kinds;
}

bool needs_relay(const std::string& kind) {
    const auto found = std::ranges::find(fault_kinds(), kind, &FaultKind::name);
    return kind == "vanish" || (found != fault_kinds().end() && found->part == FaultKind::Part::link);
}

const FaultKind& FaultPlan::what() const {
    return *std::ranges::find(fault_kinds(), kind, &FaultKind::name);
}

std::string FaultPlan::text() const {
    std::string hosts;
    for (const std::string& host : on) hosts += (hosts.empty() ? "" : ", ") + host;
    std::string others;
    for (const std::string& host : from) others += (others.empty() ? " from " : ", ") + host;
    return kind + " of " + (pick_one && on.size() > 1 ? "one of " : "") + hosts + others;
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
    using Part = FaultKind::Part;
    if (kind != nullptr && (kind->part == Part::link || kind->part == Part::connections) && table.has("from"))
        fault.from = read_targets(table, "from", targets);
    if (kind != nullptr && kind->part == Part::link) read_link(table, *kind, fault);
    if (kind != nullptr && kind->part == Part::shim) read_shim(table, fault);
    if (kind == nullptr || kind->has_end) fault.lasts = table.optional_duration("for");
    const bool over_at_once = fault.kind == "restart" || (kind != nullptr && !kind->has_end);
    if (over_at_once && !fault.lasts) fault.lasts = milliseconds(0);
    if (kind != nullptr && !kind->befalls_servers)
        for (const std::string& host : fault.on)
            if (contains(targets.servers, host))
                table.complain("on", std::string("'") + kind->name + "' befalls clients; '" + host + "' is a server");
    if (kind != nullptr && !kind->befalls_clients)
        for (const std::string& host : fault.on)
            if (contains(targets.clients, host))
                table.complain("on", std::string("'") + kind->name + "' befalls servers; '" + host + "' is a client");
    return fault;
}

}  // namespace lockstep::harness
