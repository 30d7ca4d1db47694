#include "monitors/runtime/summary_json.hpp"

#include <nlohmann/json.hpp>

namespace lockstep::monitors {
namespace {

nlohmann::json counters_json(const Counters& counters) {
    return {{"events", counters.events},
            {"ignored_unknown", counters.ignored_unknown},
            {"contexts_created", counters.contexts_created},
            {"contexts_reclaimed", counters.contexts_reclaimed},
            {"contexts_alive", counters.contexts_alive},
            {"contexts_pending", counters.contexts_pending},
            {"violations", counters.violations},
            {"lost", counters.lost},
            {"table_full", counters.table_full},
            {"register_full", counters.register_full},
            {"contended", counters.contended},
            {"reentrant", counters.reentrant},
            {"hash_collisions", counters.hash_collisions},
            {"reports_dropped", counters.reports_dropped}};
}

}  // namespace

nlohmann::json to_json(const Summary& summary) {
    nlohmann::json edges = nlohmann::json::array();
    for (const EdgeCoverage& edge : summary.edges)
        edges.push_back({{"from_state", edge.from_state},
                         {"event", edge.event},
                         {"to_state", edge.to_state},
                         {"line", edge.line},
                         {"taken", edge.taken}});
    nlohmann::json states = nlohmann::json::array();
    for (const StateCount& each : summary.states)
        states.push_back({{"state", each.state}, {"contexts", each.contexts}});
    nlohmann::json pending = nlohmann::json::array();
    for (const PendingContext& context : summary.pending) {
        nlohmann::json keys = nlohmann::json::object();
        for (const reactors::NamedValue& key : context.keys) keys[key.name] = key.value;
        pending.push_back({{"keys", keys}, {"state", context.state}});
    }
    return {{"name", summary.name},
            {"verdict", to_string(summary.verdict)},
            {"reasons", summary.reasons},
            {"counters", counters_json(summary.counters)},
            {"edges", edges},
            {"states", states},
            {"unseen_events", summary.unseen_events},
            {"pending", pending}};
}

}  // namespace lockstep::monitors
