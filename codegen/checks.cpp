#include "codegen/checks.hpp"

#include <algorithm>
#include <map>

#include "codegen/exclusivity.hpp"

namespace lockstep::codegen {
namespace {

class Checker {
 public:
    Checker(const BuiltModel& built, std::vector<Diagnostic>& diagnostics)
        : built_(built), model_(built.model), diagnostics_(diagnostics) {}

    void run() {
        check_reachability();
        check_dead_ends();
        check_determinism();
        check_guards();
        check_bindings(model_, diagnostics_);
    }

 private:
    void report(Severity severity, std::string code, SourcePosition position, std::size_t length, std::string message,
                std::string hint) {
        diagnostics_.push_back({severity, std::move(code), position,
                                static_cast<std::uint32_t>(std::max<std::size_t>(1, length)), std::move(message),
                                std::move(hint)});
    }
    const std::string& state_name(std::uint32_t state) const { return model_.states[state].name; }
    const std::string& event_name(std::uint32_t event) const { return model_.events[event].name; }

    void check_reachability() {
        std::vector<bool> reached(model_.states.size(), false);
        std::vector<std::uint32_t> open = {model_.initial};
        for (const Event& event : model_.events)
            if (event.start == StartRule::process) open.push_back(event.start_state);
        std::vector<std::vector<std::uint32_t>> targets(model_.states.size());
        for (const auto& [source, target] : built_.drawn_edges) targets[source].push_back(target);
        while (!open.empty()) {
            const std::uint32_t state = open.back();
            open.pop_back();
            if (reached[state]) continue;
            reached[state] = true;
            open.insert(open.end(), targets[state].begin(), targets[state].end());
        }
        for (std::uint32_t i = 0; i < model_.states.size(); ++i)
            if (!reached[i])
                report(Severity::error, "unreachable-state", model_.states[i].position, state_name(i).size(),
                       "no path leads to state `" + state_name(i) + "`",
                       "draw an edge to it from a state that is reached, or remove it");
    }

    // A model without a note is the kernel's, whose own tools take a dead end; there it is a warning.
    void check_dead_ends() {
        const Severity severity = built_.has_note ? Severity::error : Severity::warning;
        std::vector<bool> leaves(model_.states.size(), false);
        for (const auto& [source, target] : built_.drawn_edges) leaves[source] = true;
        for (std::uint32_t i = 0; i < model_.states.size(); ++i)
            if (!leaves[i] && !model_.states[i].final)
                report(severity, "dead-end-state", model_.states[i].position, state_name(i).size(),
                       "no edge leaves state `" + state_name(i) + "`, and it is not final",
                       "`" + state_name(i) + " [shape=doublecircle];` if a run may end here, else draw an edge");
    }

    void check_determinism() {
        std::map<std::pair<std::uint32_t, std::uint32_t>, std::vector<const Edge*>> groups;
        for (std::size_t i = 0; i < model_.edges.size(); ++i) {
            const Edge& edge = model_.edges[i];
            if (!built_.doubtful_edges[i]) groups[{edge.source, edge.event}].push_back(&edge);
        }
        for (const auto& [key, edges] : groups)
            for (std::size_t i = 0; i < edges.size(); ++i)
                for (std::size_t j = 0; j < i; ++j)
                    if (!exclude_each_other(edges[j]->guards, edges[i]->guards)) {
                        report_pair(*edges[j], *edges[i]);
                        break;
                    }
    }

    void report_pair(const Edge& first, const Edge& second) {
        const bool unguarded = first.guards.empty() || second.guards.empty();
        const bool same = first.target == second.target && first.text == second.text;
        std::string message =
            "two edges of `" + event_name(second.event) + "` leave `" + state_name(first.source) + "`, ";
        message += same        ? "and they are equal"
                   : unguarded ? "and nothing decides between them"
                               : "and their guards may hold at once, or it can't be shown that they don't";
        message += "; the other is on line " + std::to_string(first.position.line) + ", column " +
                   std::to_string(first.position.column);
        std::string hint = "remove one of them";
        if (!same) {
            const std::vector<Expression>& guards = first.guards.empty() ? second.guards : first.guards;
            const std::string subject = first.guards.empty() ? "the other" : "this one";
            hint = guards.empty() ? "give both edges guards that exclude each other"
                                  : "add the contrary guard to " + subject + ": `!(" + conjunction(guards) + ")`";
        }
        report(Severity::error, "nondeterminism", second.position, event_name(second.event).size(), std::move(message),
               std::move(hint));
    }

    static std::string conjunction(const std::vector<Expression>& guards) {
        std::string text;
        for (const Expression& guard : guards) text += (text.empty() ? "" : " && ") + guard.text;
        return text;
    }

    void check_guards() {
        for (std::size_t i = 0; i < model_.edges.size(); ++i) {
            const Edge& edge = model_.edges[i];
            if (edge.guards.empty() || built_.doubtful_edges[i] || !never_hold(edge.guards)) continue;
            report(Severity::error, "impossible-guard", edge.guards.front().position, edge.guards.front().text.size(),
                   "this edge is never taken: `" + conjunction(edge.guards) + "` can't hold",
                   "correct the guard, or remove the edge");
        }
    }

    const BuiltModel& built_;
    const Model& model_;
    std::vector<Diagnostic>& diagnostics_;
};

}  // namespace

void check_bindings(const Model& model, std::vector<Diagnostic>& diagnostics) {
    const auto condition = [](const Binding& binding) {
        return binding.when ? std::vector<Expression>{*binding.when} : std::vector<Expression>{};
    };
    for (std::size_t i = 0; i < model.bindings.size(); ++i)
        for (std::size_t j = 0; j < i; ++j) {
            const Binding& first = model.bindings[j];
            const Binding& second = model.bindings[i];
            if (first.provider != second.provider || first.tracepoint != second.tracepoint) continue;
            if (exclude_each_other(condition(first), condition(second))) continue;
            diagnostics.push_back({Severity::error, "ambiguous-binding", second.position,
                                   static_cast<std::uint32_t>(std::max<std::size_t>(1, second.text.size())),
                                   "one occurrence of " + second.provider + ":" + second.tracepoint + " may be both `" +
                                       model.events[first.event].name + "` and `" + model.events[second.event].name +
                                       "`",
                                   "give the bindings `when` conditions that exclude each other"});
            break;
        }
}

void check_model(const BuiltModel& built, std::vector<Diagnostic>& diagnostics) {
    if (built.model.states.empty()) return;
    Checker(built, diagnostics).run();
}

}  // namespace lockstep::codegen
