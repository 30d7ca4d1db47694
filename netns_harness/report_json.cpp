// The result of a run for programs. Names are those of the structs in result.hpp; keys may come, none changes its
// meaning.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "netns_harness/result.hpp"

namespace lockstep::harness {
namespace {

using Json = nlohmann::ordered_json;

class JsonReport {
 public:
    explicit JsonReport(const RunResult& result) : result_(result) {}

    Json write() const {
        return {{"scenario", result_.scenario},
                {"verdict", to_text(result_.verdict())},
                {"seed", result_.seed},
                {"asked_duration_ms", result_.asked_duration.count()},
                {"workload_duration_ms", result_.workload_duration.count()},
                {"whole_duration_ms", result_.whole_duration.count()},
                {"start_ns", result_.start_ns},
                {"faults", list(result_.faults)},
                {"injected_faults", list(result_.injected_faults)},
                {"problems", result_.problems},
                {"remarks", result_.remarks},
                {"hosts", list(result_.hosts)},
                {"properties", list(result_.properties)},
                {"oracle_verdict", json(result_.oracle_verdict())},
                {"oracle_checks", result_.oracle_checks()},
                {"commands_verdict", json(result_.commands_verdict())},
                {"clients", list(result_.clients)},
                {"calls", json(result_.calls)},
                {"resources", json(result_.resources)},
                {"overhead_of_live_tracing", json(result_.overhead)},
                {"samples", list(result_.samples)},
                {"kept_in", result_.kept_in}};
    }

 private:
    template <class T>
    Json list(const std::vector<T>& elements) const {
        Json array = Json::array();
        for (const T& element : elements) array.push_back(json(element));
        return array;
    }

    static Json json(const std::optional<Verdict>& verdict) { return verdict ? Json(to_text(*verdict)) : Json(); }

    // Values are texts, numbers too: 64 bits do not survive every reader's numbers.
    Json json(const std::vector<Field>& fields) const {
        Json object = Json::object();
        for (const Field& field : fields) object[field.name] = field.value;
        return object;
    }

    // Of its strikes the first ones: there may be a million.
    Json json(const ArmedFault& fault) const {
        constexpr std::size_t told = 1000;
        const auto& times = fault.strikes_ns;
        return {{"fault", fault.name},
                {"server", fault.server},
                {"strikes", times.size()},
                {"first_strikes_ns", std::vector(times.begin(), times.begin() + std::min(times.size(), told))}};
    }

    Json json(const InjectedFault& fault) const {
        return {{"kind", fault.kind},         {"text", fault.text()},   {"hosts", fault.hosts},    {"from", fault.from},
                {"begin_ns", fault.begin_ns}, {"end_ns", fault.end_ns}, {"touched", fault.touched}};
    }

    Json json(const HostInfo& host) const {
        return {{"name", host.name}, {"address", host.address}, {"net_ns", host.net_ns}};
    }

    Json json(const ContextEvent& event) const {
        return {{"time_ns", event.time_ns},
                {"host", host_name(event.net_ns)},
                {"net_ns", event.net_ns},
                {"pid", event.pid},
                {"tid", event.tid},
                {"event", event.name},
                {"fields", json(event.fields)},
                {"from_state", event.from_state},
                {"to_state", event.to_state}};
    }

    Json json(const RegisterContent& content) const {
        return {{"name", content.name}, {"kind", content.kind}, {"rows", list(content.rows)}};
    }

    Json json(const Violation& violation) const {
        return {{"keys", json(violation.keys)},
                {"event", json(violation.event)},
                {"tracepoint", violation.tracepoint},
                {"state", violation.event.from_state},
                {"allowed_events", violation.allowed_events},
                {"event_is_guarded", violation.event_is_guarded},
                {"registers", list(violation.registers)},
                {"history", list(violation.history)},
                {"history_omitted", violation.history_omitted}};
    }

    Json json(const PropertyResult& property) const {
        return {{"name", property.name},
                {"attached", property.attached},
                {"verdict", to_text(property.verdict)},
                {"reasons", property.reasons},
                {"contexts", property.contexts},
                {"events", property.events},
                {"lost", property.lost},
                {"violation_count", property.violation_count},
                {"violations", list(property.violations)},
                {"unseen_events", property.unseen_events},
                {"edges", list(property.edges)},
                {"automaton", property.automaton}};
    }

    Json json(const EdgeTaken& edge) const {
        return {{"from_state", edge.from_state},
                {"event", edge.event},
                {"to_state", edge.to_state},
                {"line", edge.line},
                {"taken", edge.taken}};
    }

    Json json(const Sample& sample) const {
        return {{"at_ms", sample.at.count()},
                {"events", sample.events},
                {"contexts", sample.contexts},
                {"violations", sample.violations}};
    }

    Json json(const CallInterval& interval) const {
        return {{"until_ms", interval.until_ms},     {"width_ms", interval.width_ms}, {"answered", interval.answered},
                {"unanswered", interval.unanswered}, {"p50_us", interval.p50_us},     {"p99_us", interval.p99_us}};
    }

    Json json(const CallSeries& calls) const {
        return {{"answered", calls.answered},
                {"unanswered", calls.unanswered},
                {"p50_us", calls.p50_us},
                {"p99_us", calls.p99_us},
                {"intervals", list(calls.intervals)}};
    }

    Json json(const Overhead::Slice& slice) const {
        return {{"traced", slice.traced}, {"calls_per_second", slice.calls_per_second}};
    }

    Json json(const std::optional<Overhead>& overhead) const {
        if (!overhead) return {};
        return {{"percent", overhead->percent()},
                {"calls_per_second_traced", overhead->median(true)},
                {"calls_per_second_untraced", overhead->median(false)},
                {"slices", list(overhead->slices)}};
    }

    Json json(const HeldSample& sample) const {
        return {{"at_ms", sample.at.count()},
                {"who", sample.who},
                {"life", sample.life},
                {"resident_kib", sample.held.resident_kib},
                {"descriptors", sample.held.descriptors}};
    }

    static Json json(const Crowd& crowd) {
        return {{"processes", crowd.processes}, {"network_namespaces", crowd.network_namespaces}};
    }

    Json json(const Resources& resources) const {
        const CpuUse& cpu = resources.cpu;
        return {{"cpu_s", {{"programs", cpu.programs_s}, {"tracing", cpu.tracing_s}, {"harness", cpu.harness_s}}},
                {"at_start", json(resources.at_start)},
                {"at_end", json(resources.at_end)},
                {"held", list(resources.samples)}};
    }

    Json json(const ClientResult& client) const {
        return {{"name", client.name},
                {"turns", client.turns},
                {"reads", client.reads},
                {"writes", client.writes},
                {"events", client.events},
                {"has_oracle", client.has_oracle},
                {"commands", client.commands},
                {"ended_commands", client.ended_commands},
                {"failed_commands", client.failed_commands},
                {"oracle_failures", client.oracle_failures},
                {"first_oracle_failures", client.first_oracle_failures}};
    }

    std::string host_name(std::uint64_t net_ns) const {
        for (const HostInfo& host : result_.hosts)
            if (host.net_ns == net_ns) return host.name;
        return "";
    }

    const RunResult& result_;
};

}  // namespace

std::string to_json(const RunResult& result) {
    // A name inside a traced program need not be UTF-8: replaced, not refused.
    return JsonReport(result).write().dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace lockstep::harness
