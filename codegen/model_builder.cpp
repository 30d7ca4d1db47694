#include "codegen/model_builder.hpp"

#include <algorithm>
#include <map>
#include <optional>

#include "codegen/comments.hpp"
#include "codegen/parser.hpp"
#include "codegen/resolver.hpp"
#include "codegen/start_rules.hpp"
#include "codegen/vocabulary.hpp"

namespace lockstep::codegen {
namespace {

constexpr std::string_view initial_prefix = "__init_";

enum class Role : std::uint8_t { state, initial_mark, note };

Role role_of(const PictureNode& node) {
    if (node.name.starts_with(initial_prefix) || node.shape == "point") return Role::initial_mark;
    if (node.shape == "note") return Role::note;
    return Role::state;
}

class Builder {
 public:
    Builder(const Picture& picture, const SourceText& source, const TracepointDeclarations& tracepoints,
            std::vector<Diagnostic>& diagnostics)
        : picture_(picture), source_(source), tracepoints_(tracepoints), diagnostics_(diagnostics) {}

    BuiltModel run() {
        model_.name = picture_.name;
        model_.source = source_.text();
        read_nodes();
        read_edges();
        find_initial();
        add_states();
        gaps_ = build_vocabulary({note_, has_note_, states_, edges_}, tracepoints_, source_, model_, diagnostics_);
        add_invariants();
        for (std::size_t i = 0; i < edges_.size(); ++i) add_edges(edges_[i], doubtful_labels_[i]);
        infer_start_rules(model_, diagnostics_);
        infer_reclamation(model_);
        if (!model_.edges.empty()) warn_of_unused_events();
        read_comments(picture_, source_, gaps_, model_, diagnostics_);
        return {std::move(model_), std::move(doubtful_edges_), std::move(drawn_edges_), has_note_};
    }

 private:
    void error(Span span, std::string code, std::string message, std::string hint = {}) {
        diagnostics_.push_back({Severity::error, std::move(code), source_.position(span.begin),
                                std::max<std::uint32_t>(1, span.end - span.begin), std::move(message),
                                std::move(hint)});
    }

    // --- the picture -------------------------------------------------------------------------------------------------

    void read_nodes() {
        for (std::size_t i = 0; i < picture_.nodes.size(); ++i) {
            const PictureNode& node = picture_.nodes[i];
            switch (role_of(node)) {
                case Role::note:
                    has_note_ = true;
                    parse_note(node.label, source_, note_, diagnostics_);
                    break;
                case Role::initial_mark:
                    break;
                case Role::state:
                    read_state(i, node);
                    break;
            }
        }
        if (states_.empty()) error(picture_.name_span, "no-states", "the graph has no states", "draw one: `idle;`");
    }

    void read_state(std::size_t node_index, const PictureNode& node) {
        LabelledState state;
        state.span = node.span;
        state.final = node.shape == "doublecircle" || node.shape == "ellipse";
        if (node.has_label)
            state.label = parse_state_label(node.label, source_, diagnostics_);
        else
            state.label.name = name_of_node(node);
        const std::string& name = state.label.name.text;
        const auto [former, added] = state_names_.try_emplace(name, states_.size());
        if (!added && !name.empty())
            error(state.label.name.span, "duplicate-state", "two states are drawn with the name `" + name + "`",
                  "give each its own name");
        state_of_node_[node_index] = static_cast<std::uint32_t>(states_.size());
        states_.push_back(std::move(state));
    }

    syntax::Name name_of_node(const PictureNode& node) {
        LocatedText text;
        for (const char c : node.name) text.append(c, node.span.begin);
        text.offsets.push_back(node.span.end);
        return parse_state_label(text, source_, diagnostics_).name;
    }

    void read_edges() {
        for (const PictureEdge& edge : picture_.edges) {
            const PictureNode& tail = picture_.nodes[edge.tail];
            const PictureNode& head = picture_.nodes[edge.head];
            if (role_of(tail) == Role::initial_mark) {
                if (role_of(head) == Role::state)
                    initial_edges_.push_back(&edge);
                else
                    error(edge.span, "bad-edge", "`" + head.name + "` is not a state, so it can't be the initial one",
                          "let the edge lead to a state");
                if (!edge.label.text.empty())
                    error(edge.span, "bad-edge", "the edge that marks the initial state has no event",
                          "remove its label");
                continue;
            }
            // A line between the note and whatever it explains is decoration.
            if (role_of(tail) == Role::note || role_of(head) == Role::note) continue;
            if (role_of(head) == Role::initial_mark) {
                error(edge.span, "bad-edge", "no edge leads to the mark of the initial state",
                      "let it lead to the state itself");
                continue;
            }
            const std::size_t errors_before = diagnostics_.size();
            LabelledEdge labelled{state_of_node_[edge.tail], state_of_node_[edge.head],
                                  parse_edge_label(edge.label, source_, diagnostics_), edge.span};
            doubtful_labels_.push_back(diagnostics_.size() > errors_before);
            drawn_edges_.emplace_back(labelled.source, labelled.target);
            if (edge.label.text.find_first_not_of(" \t\n") == std::string::npos)
                error(edge.span, "no-event", "this edge has no event", "add `[label=\"event\"]`");
            edges_.push_back(std::move(labelled));
        }
    }

    // --- the initial state -------------------------------------------------------------------------------------------

    void find_initial() {
        std::vector<std::pair<std::uint32_t, Span>> found;
        for (const PictureEdge* edge : initial_edges_) found.emplace_back(state_of_node_[edge->head], edge->span);
        for (std::size_t i = 0; i < picture_.nodes.size(); ++i) add_initial_by_name(i, found);
        if (found.empty()) {
            if (states_.empty()) return;
            const std::string& example = states_.front().label.name.text;
            error(picture_.name_span, "no-initial-state", "no initial state is declared",
                  "declare it: `__init_" + example + " [shape=point]; __init_" + example + " -> " + example + ";`");
            return;
        }
        model_.initial = found.front().first;
        for (std::size_t i = 1; i < found.size(); ++i)
            error(found[i].second, "two-initial-states",
                  "a second initial state is declared; the first is `" + states_[found.front().first].label.name.text +
                      "` on line " + std::to_string(source_.position(found.front().second.begin).line),
                  "keep one of them");
    }

    // The kernel's line-based reader knows the initial state by the name of the mark, with or without an edge.
    void add_initial_by_name(std::size_t index, std::vector<std::pair<std::uint32_t, Span>>& found) {
        const PictureNode& node = picture_.nodes[index];
        if (!node.name.starts_with(initial_prefix)) return;
        for (const PictureEdge* edge : initial_edges_)
            if (edge->tail == index) return;
        const std::string name = node.name.substr(initial_prefix.size());
        for (std::size_t i = 0; i < picture_.nodes.size(); ++i)
            if (picture_.nodes[i].name == name && role_of(picture_.nodes[i]) == Role::state) {
                found.emplace_back(state_of_node_[i], node.span);
                return;
            }
        error(node.span, "undeclared-name",
              "`" + node.name + "` marks the initial state, but there is no state `" + name + "`",
              "draw an edge from it to the initial state");
    }

    // --- states and edges of the model -------------------------------------------------------------------------------

    void add_states() {
        const bool some_final = std::ranges::any_of(states_, &LabelledState::final);
        for (std::size_t i = 0; i < states_.size(); ++i) {
            State state;
            state.name = states_[i].label.name.text;
            state.final = some_final ? states_[i].final : i == model_.initial;
            state.position = source_.position(states_[i].span.begin);
            model_.states.push_back(std::move(state));
        }
    }

    void add_invariants() {
        Resolver resolver(model_, source_, diagnostics_, gaps_.broken_names, !has_note_);
        for (std::size_t i = 0; i < states_.size(); ++i)
            for (const syntax::Term& term : states_[i].label.invariants)
                for (Invariant& invariant : resolver.invariants(term))
                    model_.states[i].invariants.push_back(std::move(invariant));
    }

    void add_edges(const LabelledEdge& labelled, bool doubtful) {
        for (const syntax::EventPart& part : labelled.parts) {
            const auto event = std::ranges::find(model_.events, part.event.text, &Event::name);
            Edge edge;
            edge.source = labelled.source;
            edge.target = labelled.target;
            edge.event = static_cast<std::uint32_t>(event - model_.events.begin());
            edge.position = source_.position(part.event.span.begin);
            edge.text = part.text;
            const bool resolved = add_clauses(part, *event, edge);
            model_.edges.push_back(std::move(edge));
            doubtful_edges_.push_back(doubtful || !resolved);
        }
    }

    // Returns whether all of them could be resolved.
    bool add_clauses(const syntax::EventPart& part, const Event& event, Edge& edge) {
        Resolver resolver(model_, source_, diagnostics_, gaps_.broken_names, !has_note_);
        const bool incomplete =
            gaps_.incomplete_events.contains(edge.event) || (has_bindings() && !is_bound(edge.event));
        const Scope scope{&event.fields, "`" + event.name + "`", true, incomplete};
        bool resolved = true;
        for (const syntax::Clause& clause : part.clauses) {
            if (clause.kind == syntax::Clause::Kind::start) {
                edge.start = true;
            } else if (clause.kind == syntax::Clause::Kind::guard) {
                if (!edge.actions.empty())
                    error(clause.span, "guard-after-action",
                          "a guard stands after an action, but all guards are evaluated before any action",
                          "move it before `" + edge.actions.front().text + "`");
                auto guard = resolver.condition(clause.value, scope);
                resolved &= guard.has_value();
                if (guard) edge.guards.push_back(std::move(*guard));
            } else {
                auto action = resolver.action(clause, scope);
                resolved &= action.has_value();
                if (action) edge.actions.push_back(std::move(*action));
            }
        }
        return resolved;
    }

    bool has_bindings() const { return !note_.bindings.empty(); }
    bool is_bound(std::uint32_t event) const {
        return std::ranges::find(model_.bindings, event, &Binding::event) != model_.bindings.end();
    }

    void warn_of_unused_events() {
        for (std::uint32_t i = 0; i < model_.events.size(); ++i) {
            const bool used = std::ranges::any_of(model_.edges, [i](const Edge& edge) { return edge.event == i; });
            if (used) continue;
            const Event& event = model_.events[i];
            diagnostics_.push_back(
                {Severity::warning, "unused-event", event.position, static_cast<std::uint32_t>(event.name.size()),
                 "no edge has the event `" + event.name + "`, so it is a violation whenever it occurs",
                 "draw an edge for it, or remove its binding"});
        }
    }

    const Picture& picture_;
    const SourceText& source_;
    const TracepointDeclarations& tracepoints_;
    std::vector<Diagnostic>& diagnostics_;
    Model model_;
    VocabularyGaps gaps_;
    syntax::Note note_;
    bool has_note_ = false;
    std::vector<LabelledState> states_;
    std::vector<LabelledEdge> edges_;
    std::vector<bool> doubtful_labels_;  // of edges_
    std::vector<bool> doubtful_edges_;   // of Model::edges
    std::vector<std::pair<std::uint32_t, std::uint32_t>> drawn_edges_;
    std::vector<const PictureEdge*> initial_edges_;
    std::map<std::string, std::size_t> state_names_;
    std::map<std::size_t, std::uint32_t> state_of_node_;
};

}  // namespace

BuiltModel build_model(const Picture& picture, const SourceText& source, const TracepointDeclarations& tracepoints,
                       std::vector<Diagnostic>& diagnostics) {
    return Builder(picture, source, tracepoints, diagnostics).run();
}

}  // namespace lockstep::codegen
