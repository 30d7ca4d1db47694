#include "codegen/drawing.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <tuple>

#include "codegen/resolver.hpp"

namespace lockstep::codegen {
namespace {

constexpr std::string_view ink = "#1f2933", quiet = "#6b7785", accent = "#0b63b0", visited_fill = "#dff3e4",
                           visited_ink = "#1d7a3a", unvisited_ink = "#a0a7b0", wrong_ink = "#b3261e",
                           wrong_fill = "#fbe4e2";

// What stands between the angle brackets of an HTML-like label. Bytes that are no ASCII pass when they are UTF-8;
// Graphviz would refuse the others.
std::string escaped(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const auto byte = static_cast<unsigned char>(text[i]);
        if (text[i] == '&') {
            out += "&amp;";
        } else if (text[i] == '<') {
            out += "&lt;";
        } else if (text[i] == '>') {
            out += "&gt;";
        } else if (text[i] == '"') {
            out += "&quot;";
        } else if (byte >= 0x20 && byte < 0x80) {
            out += text[i];
        } else if (byte >= 0xc2 && byte < 0xf5) {
            const std::size_t rest = byte < 0xe0 ? 1 : byte < 0xf0 ? 2 : 3;
            const auto continues = [](char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; };
            const std::string_view tail = text.substr(i + 1, rest);
            if (tail.size() == rest && std::ranges::all_of(tail, continues)) {
                out += text.substr(i, rest + 1);
                i += rest;
            } else {
                out += '?';
            }
        } else {
            out += byte < 0x80 ? ' ' : '?';
        }
    }
    return out;
}

std::string font(std::string_view colour, std::string_view text) {
    return text.empty() ? "" : fmt::format("<FONT COLOR=\"{}\">{}</FONT>", colour, text);
}

// The node names of a drawing are numbers: no state's name can clash with ours.
std::string node_of(std::uint32_t state) {
    return fmt::format("state{}", state);
}

template <class Parts>
std::string joined(const Parts& parts, std::string_view between) {
    std::string text;
    for (const auto& part : parts) text += (text.empty() ? "" : std::string(between)) + part.text;
    return text;
}

std::string description_of(const Register& slot) {
    switch (slot.kind) {
        case Register::Kind::integer:
            return type_word(slot.value);
        case Register::Kind::flag:
            return "flag";
        case Register::Kind::clock:
            return "clock";
        case Register::Kind::set:
            return fmt::format("set of {}, at most {}", type_word(slot.key), slot.capacity);
        case Register::Kind::map:
            return fmt::format("map of {}, at most {}", type_word(slot.key), slot.capacity);
        case Register::Kind::ranges:
            return fmt::format("byte ranges, at most {}", slot.capacity);
    }
    return "";
}

// The first sentence of what the author wrote over the graph.
std::string first_sentence(const std::string& summary) {
    std::string line = summary;
    std::ranges::replace(line, '\n', ' ');
    const std::size_t end = line.find(". ");
    return end == std::string::npos ? line : line.substr(0, end + 1);
}

// Words on lines of at most `columns`, each line ended by Graphviz's break.
std::string wrapped(const std::string& text, std::size_t columns) {
    std::string out, line;
    for (std::size_t begin = 0; begin < text.size();) {
        const std::size_t end = std::min(text.find(' ', begin), text.size());
        const std::string word = text.substr(begin, end - begin);
        begin = end + 1;
        if (word.empty()) continue;
        if (!line.empty() && line.size() + 1 + word.size() > columns) {
            out += escaped(line) + "<BR ALIGN=\"LEFT\"/>";
            line.clear();
        }
        line += (line.empty() ? "" : " ") + word;
    }
    return out + escaped(line) + "<BR ALIGN=\"LEFT\"/>";
}

class Drawing {
 public:
    Drawing(const Model& model, const std::vector<EdgeCount>* counts) : model_(model) {
        if (counts != nullptr) take(*counts);
    }
    Drawing(const Model& model, const ViolationPath& path) : model_(model), path_(&path) {}

    std::string text() {
        out_ = "digraph drawing {\n";
        line("graph [rankdir=TB, bgcolor=white, fontname=\"Helvetica,Arial,sans-serif\", nodesep=0.5, ranksep=0.6]");
        line(
            fmt::format("node [shape=box, style=\"rounded,filled\", fillcolor=white, color=\"{0}\", fontcolor=\"{0}\", "
                        "fontname=\"Helvetica,Arial,sans-serif\", fontsize=12, margin=\"0.18,0.09\"]",
                        ink));
        line(
            fmt::format("edge [color=\"{0}\", fontcolor=\"{0}\", fontname=\"Helvetica,Arial,sans-serif\", fontsize=10, "
                        "arrowsize=0.7]",
                        ink));
        legend();
        line(fmt::format(
            "initial [shape=point, width=0.12, fillcolor=\"{0}\", color=\"{0}\", tooltip=\"the initial state\"]", ink));
        for (std::uint32_t state = 0; state < model_.states.size(); ++state) draw_state(state);
        line(fmt::format("initial -> {}", node_of(model_.initial)));
        draw_edges();
        if (path_ != nullptr) draw_violation();
        return out_ + "}\n";
    }

 private:
    using EdgeName = std::tuple<std::string, std::string, std::string, std::uint32_t>;

    EdgeName name_of_edge(const Edge& edge) const {
        return {model_.states[edge.source].name, model_.events[edge.event].name, model_.states[edge.target].name,
                edge.position.line};
    }

    // Two edges of one name (one event, several guards, on one line of the file) come in the order of the file.
    void take(const std::vector<EdgeCount>& counts) {
        std::map<EdgeName, std::vector<std::uint64_t>> by_name;
        for (const EdgeCount& count : counts)
            by_name[{count.from_state, count.event, count.to_state, count.line}].push_back(count.taken);
        std::map<EdgeName, std::size_t> used;
        taken_.emplace();
        for (const Edge& edge : model_.edges) {
            const EdgeName name = name_of_edge(edge);
            const std::size_t place = used[name]++;
            const auto found = by_name.find(name);
            const bool is_there = found != by_name.end() && place < found->second.size();
            taken_->push_back(is_there ? found->second[place] : 0);
        }
    }

    void line(const std::string& text) { out_ += "    " + text + ";\n"; }

    bool visited(std::uint32_t state) const {
        for (std::size_t i = 0; i < model_.edges.size(); ++i)
            if ((*taken_)[i] > 0 && (model_.edges[i].source == state || model_.edges[i].target == state)) return true;
        return false;
    }

    void draw_state(std::uint32_t number) {
        const State& state = model_.states[number];
        std::string label = "<B>" + escaped(state.name) + "</B>";
        for (const Invariant& invariant : state.invariants)
            label += "<BR/>" + font(quiet, "while " + escaped(invariant.text));
        std::string attributes = fmt::format("label=<{}>, peripheries={}, tooltip=\"{}\"", label, state.final ? 2 : 1,
                                             state.final ? "a run may end here" : "a state");
        if (path_ != nullptr && state.name == path_->state) {
            attributes += fmt::format(", fillcolor=\"{}\", color=\"{}\", penwidth=1.6", wrong_fill, wrong_ink);
        } else if (taken_ || path_ != nullptr) {
            if (path_ != nullptr ? on_path(state.name) : visited(number))
                attributes += fmt::format(", fillcolor=\"{}\", color=\"{}\"", visited_fill, visited_ink);
            else
                attributes +=
                    fmt::format(", style=\"rounded,filled,dashed\", color=\"{0}\", fontcolor=\"{0}\"", unvisited_ink);
        }
        line(fmt::format("{} [{}]", node_of(number), attributes));
    }

    std::string label_line(std::size_t number) const {
        const Edge& edge = model_.edges[number];
        const bool unvisited = taken_ && (*taken_)[number] == 0;
        const std::string_view strong = unvisited ? unvisited_ink : accent, weak = unvisited ? unvisited_ink : quiet;
        std::string text = font(strong, "<B>" + escaped(model_.events[edge.event].name) + "</B>");
        if (edge.start) text += font(weak, " <I>start</I>");
        if (!edge.guards.empty()) text += font(weak, " [" + escaped(joined(edge.guards, " and ")) + "]");
        if (!edge.actions.empty()) text += font(weak, " / " + escaped(joined(edge.actions, "; ")));
        if (taken_) text += font(unvisited ? unvisited_ink : visited_ink, fmt::format(" ×{}", (*taken_)[number]));
        return text + "<BR ALIGN=\"LEFT\"/>";
    }

    bool on_path(const std::string& state) const {
        return std::ranges::any_of(path_->steps, [&state](const ViolationPath::Step& step) {
            return step.from_state == state || step.to_state == state;
        });
    }

    // "1 open, 3 close": the steps that went along this arrow. Which of two edges with one event it was, they don't
    // say.
    std::string steps_along(std::uint32_t source, std::uint32_t target) const {
        constexpr std::size_t shown = 6;  // the last ones: they lie nearest to the violation
        std::vector<std::string> steps;
        for (std::size_t i = 0; path_ != nullptr && i < path_->steps.size(); ++i) {
            const ViolationPath::Step& step = path_->steps[i];
            if (step.from_state == model_.states[source].name && step.to_state == model_.states[target].name)
                steps.push_back(fmt::format("{} {}", i + 1, step.event));
        }
        const std::size_t left_out = steps.size() > shown ? steps.size() - shown : 0;
        return (left_out > 0 ? "… " : "") + fmt::format("{}", fmt::join(steps.begin() + left_out, steps.end(), ", "));
    }

    void draw_violation() {
        const auto state = std::ranges::find(model_.states, path_->state, &State::name);
        const std::string what =
            path_->event.empty() ? "its time is over" : fmt::format("{} {}", path_->steps.size() + 1, path_->event);
        line(fmt::format("violation [shape=plaintext, style=\"\", label=<{}>, tooltip=\"the violation\"]",
                         font(wrong_ink, "<B>✗</B> " + escaped(what))));
        if (state != model_.states.end())
            line(fmt::format("{} -> violation [color=\"{}\", penwidth=1.6, style=dashed]",
                             node_of(static_cast<std::uint32_t>(state - model_.states.begin())), wrong_ink));
    }

    void draw_edges() {
        std::map<std::pair<std::uint32_t, std::uint32_t>, std::vector<std::size_t>> arrows;
        std::vector<std::pair<std::uint32_t, std::uint32_t>> order;
        for (std::size_t i = 0; i < model_.edges.size(); ++i) {
            const std::pair ends{model_.edges[i].source, model_.edges[i].target};
            if (arrows[ends].empty()) order.push_back(ends);
            arrows[ends].push_back(i);
        }
        for (const auto& ends : order) {
            std::string label;
            bool was_taken = false;
            for (const std::size_t number : arrows[ends]) {
                label += label_line(number);
                was_taken = was_taken || (taken_ && (*taken_)[number] > 0);
            }
            if (const std::string steps = steps_along(ends.first, ends.second); !steps.empty()) {
                label = font(visited_ink, "<B>" + escaped(steps) + "</B>") + "<BR ALIGN=\"LEFT\"/>" + label;
                was_taken = true;
            }
            std::string attributes = fmt::format("label=<{}>", label);
            if (taken_ || path_ != nullptr)
                attributes += was_taken ? fmt::format(", color=\"{}\", penwidth=1.6", visited_ink)
                                        : fmt::format(", color=\"{}\", style=dashed", unvisited_ink);
            line(fmt::format("{} -> {} [{}]", node_of(ends.first), node_of(ends.second), attributes));
        }
    }

    void legend() {
        std::string label = "<B>" + escaped(model_.name) + "</B><BR ALIGN=\"LEFT\"/>";
        if (!model_.summary.empty()) label += wrapped(first_sentence(model_.summary), 60);
        std::string keys;
        for (const Key& key : model_.keys) keys += (keys.empty() ? "" : ", ") + key.name;
        if (!keys.empty()) label += "one for each " + escaped(keys) + "<BR ALIGN=\"LEFT\"/>";
        for (const Binding& binding : model_.bindings)
            label += font(accent, "<B>" + escaped(model_.events[binding.event].name) + "</B>") +
                     font(quiet, " = " + escaped(binding.provider + ":" + binding.tracepoint) +
                                     (binding.when ? " when " + escaped(binding.when->text) : "")) +
                     "<BR ALIGN=\"LEFT\"/>";
        for (const Register& slot : model_.registers)
            label += escaped(slot.name) + font(quiet, ": " + escaped(description_of(slot))) + "<BR ALIGN=\"LEFT\"/>";
        for (const Parameter& parameter : model_.parameters)
            label += escaped(parameter.name) + font(quiet, ": parameter") + "<BR ALIGN=\"LEFT\"/>";
        line(fmt::format(
            "legend [shape=note, style=filled, fillcolor=\"#fafbfc\", color=\"{}\", fontsize=10, label=<{}>]",
            unvisited_ink, label));
    }

    const Model& model_;
    std::optional<std::vector<std::uint64_t>> taken_;  // of each edge
    const ViolationPath* path_ = nullptr;
    std::string out_;
};

}  // namespace

std::string drawing_of(const Model& model) {
    return Drawing(model, nullptr).text();
}

std::string drawing_of(const Model& model, const std::vector<EdgeCount>& counts) {
    return Drawing(model, &counts).text();
}

std::string drawing_of(const Model& model, const ViolationPath& path) {
    return Drawing(model, path).text();
}

}  // namespace lockstep::codegen
