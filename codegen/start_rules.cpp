#include "codegen/start_rules.hpp"

#include <algorithm>

namespace lockstep::codegen {
namespace {

std::vector<const Edge*> edges_of_event(const Model& model, std::uint32_t event) {
    std::vector<const Edge*> edges;
    for (const Edge& edge : model.edges)
        if (edge.event == event) edges.push_back(&edge);
    return edges;
}

void use_marks(Model& model, std::vector<Diagnostic>& diagnostics) {
    std::vector<const Edge*> first(model.events.size(), nullptr);
    for (const Edge& edge : model.edges) {
        if (!edge.start) continue;
        Event& event = model.events[edge.event];
        const Edge*& former = first[edge.event];
        if (former != nullptr && former->source != edge.source) {
            diagnostics.push_back(
                {Severity::error, "ambiguous-start", edge.position, static_cast<std::uint32_t>(event.name.size()),
                 "`" + event.name + "` would start an unknown context in `" + model.states[edge.source].name +
                     "` here, but in `" + model.states[former->source].name + "` on line " +
                     std::to_string(former->position.line),
                 "keep the `start` mark on the edges of one state"});
            continue;
        }
        former = &edge;
        event.start = StartRule::process;
        event.start_state = edge.source;
    }
}

bool infer_enter(Model& model) {
    bool found = false;
    for (std::uint32_t i = 0; i < model.events.size(); ++i) {
        const auto edges = edges_of_event(model, i);
        if (edges.empty() ||
            !std::ranges::all_of(edges, [&](const Edge* edge) { return edge->target == model.initial; }))
            continue;
        model.events[i].start = StartRule::enter;
        model.events[i].start_state = model.initial;
        found = true;
    }
    return found;
}

bool infer_process(Model& model) {
    bool found = false;
    for (std::uint32_t i = 0; i < model.events.size(); ++i) {
        const auto edges = edges_of_event(model, i);
        if (edges.size() != 1 || edges.front()->source != model.initial) continue;
        model.events[i].start = StartRule::process;
        model.events[i].start_state = model.initial;
        found = true;
    }
    return found;
}

// A state left alone by an event: one edge, to itself, always taken, changing nothing.
bool ignores(const Model& model, std::uint32_t state, std::uint32_t event) {
    const Edge* only = nullptr;
    for (const Edge& edge : model.edges) {
        if (edge.source != state || edge.event != event) continue;
        if (only != nullptr) return false;
        only = &edge;
    }
    return only != nullptr && only->target == state && only->guards.empty() && only->actions.empty();
}

bool forgetting_is_unnoticed(const Model& model, std::uint32_t state) {
    for (std::uint32_t event = 0; event < model.events.size(); ++event) {
        const Event& candidate = model.events[event];
        const bool same = candidate.start == StartRule::process ? candidate.start_state == state
                          : candidate.start == StartRule::none
                              ? ignores(model, state, event)
                              : candidate.start_state == state && ignores(model, state, event);
        if (!same) return false;
    }
    return true;
}

bool has_clock(const Model& model) {
    return std::ranges::any_of(model.registers, [](const Register& r) { return r.kind == Register::Kind::clock; });
}

}  // namespace

void infer_start_rules(Model& model, std::vector<Diagnostic>& diagnostics) {
    if (model.states.empty() || model.edges.empty()) return;
    const bool marked = std::ranges::any_of(model.edges, &Edge::start);
    if (marked) return use_marks(model, diagnostics);
    if (infer_enter(model) || infer_process(model) || has_errors(diagnostics)) return;
    diagnostics.push_back({Severity::warning, "no-start", model.states[model.initial].position, 1,
                           "no event tells in which state an unknown context is, so it would never be followed",
                           "mark an edge: `event; start; …` begins an unknown context in the edge's source state"});
}

void infer_reclamation(Model& model) {
    for (std::uint32_t i = 0; i < model.states.size(); ++i) {
        State& state = model.states[i];
        const bool leaves = std::ranges::any_of(model.edges, [i](const Edge& edge) { return edge.source == i; });
        state.ends = state.final && !leaves && !model.keys.empty();
        // A clock that runs is not in its initial state, so it never counts as unnoticed.
        state.reclaimable = state.final && !has_clock(model) && forgetting_is_unnoticed(model, i);
    }
}

}  // namespace lockstep::codegen
