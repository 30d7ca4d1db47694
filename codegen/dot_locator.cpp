#include "codegen/dot_locator.hpp"

#include <strings.h>
#include <algorithm>
#include <cstring>
#include <set>

namespace lockstep::codegen {
namespace {

struct Attribute {
    std::string name;
    LocatedText value;
    bool html = false;
};

// What one brace level says of nodes and edges that have no attributes of their own.
struct Scope {
    std::string node_shape;
    bool shape_is_local = false;  // declared in this subgraph, not inherited from the whole graph
    std::optional<Attribute> node_label;
    std::optional<Attribute> edge_label;
};

using Names = std::vector<std::string>;

class Locator {
 public:
    Locator(const SourceText& source, std::vector<Diagnostic>& diagnostics)
        : source_(source), diagnostics_(diagnostics) {
        DotTokens lexed = tokenise_dot(source, diagnostics);
        tokens_ = std::move(lexed.tokens);
        graph_.comments = std::move(lexed.comments);
    }

    LocatedGraph run() {
        // After an unclosed quote every further message would be noise.
        const auto odd_byte = [](const Diagnostic& diagnostic) { return diagnostic.code == "bad-character"; };
        if (std::ranges::all_of(diagnostics_, odd_byte)) graph();
        return std::move(graph_);
    }

 private:
    const DotToken& token(std::size_t ahead = 0) const { return tokens_[std::min(at_ + ahead, tokens_.size() - 1)]; }
    bool at_end() const { return token().kind == DotToken::Kind::end; }
    void advance() {
        if (!at_end()) ++at_;
    }
    bool keyword(const char* word) const {
        return token().kind == DotToken::Kind::name && strcasecmp(token().text.text.c_str(), word) == 0;
    }
    bool accept(std::string_view mark) {
        if (!token().is(mark)) return false;
        advance();
        return true;
    }

    void error(Span span, std::string code, std::string message, std::string hint) {
        if (diagnostics_.size() >= 100) return;
        diagnostics_.push_back({Severity::error, std::move(code), source_.position(span.begin), span.end - span.begin,
                                std::move(message), std::move(hint)});
    }
    std::string found() const {
        return at_end() ? "the end of the file"
                        : "`" +
                              source_.text().substr(token().span.begin,
                                                    std::min<std::size_t>(token().span.end - token().span.begin, 40)) +
                              "`";
    }
    void unexpected(const std::string& wanted, std::string hint) {
        error(token().span, "dot-syntax", wanted + " is expected here, not " + found(), std::move(hint));
    }

    void graph() {
        if (keyword("strict")) {
            error(token().span, "strict-graph", "`strict` makes Graphviz merge parallel edges and lose their labels",
                  "remove `strict`");
            advance();
        }
        graph_.begin = token().span.begin;
        if (keyword("graph")) {
            error(token().span, "undirected-graph", "an automaton has directed edges", "write `digraph` and `->`");
        } else if (!keyword("digraph")) {
            unexpected("`digraph`", "begin with `digraph name {`");
            return;
        }
        advance();
        graph_.name_span = token().span;
        if (token().is_id()) {
            graph_.name = token().text.text;
            advance();
        }
        if (!accept("{")) return unexpected("`{`", "begin with `digraph name {`");
        opened_.push_back(tokens_[at_ - 1].span);
        scopes_.emplace_back();
        statements();
        if (accept("}") && !at_end()) after_graph();
    }

    void after_graph() {
        const bool another = keyword("digraph") || keyword("graph") || keyword("strict");
        error(token().span, another ? "several-graphs" : "dot-syntax",
              another ? "a second graph in one file" : "something follows the graph's closing `}`",
              another ? "put each automaton into a file of its own" : "remove it, or a `}` too many before");
    }

    // Up to the closing brace, which is left to the caller.
    Names statements() {
        Names mentioned;
        while (!at_end() && !token().is("}")) {
            if (accept(";")) continue;
            const std::size_t before = at_;
            const Names names = statement();
            mentioned.insert(mentioned.end(), names.begin(), names.end());
            if (at_ == before) advance();
            if (diagnostics_.size() >= 100) at_ = tokens_.size() - 1;
        }
        if (at_end() && diagnostics_.empty())
            error(opened_.back(), "unclosed-brace", "this `{` is never closed", "add `}`");
        return mentioned;
    }

    Names statement() {
        for (const char* kind : {"node", "edge", "graph"})
            if (keyword(kind) && !token(1).is("=")) return defaults(kind);
        if (token().is_id() && token(1).is("=")) {
            advance();
            advance();
            if (!token().is_id())
                unexpected("a value", "write `name=value`");
            else
                value();
            return {};
        }
        return nodes_and_edges();
    }

    // node [a=b], edge [a=b], graph [a=b]
    Names defaults(const std::string& kind) {
        advance();
        if (!token().is("[")) {
            unexpected("`[`", "`" + kind + "` is a keyword; a state of that name needs quotes");
            skip_statement();
            return {};
        }
        for (Attribute& attribute : attributes()) {
            Scope& scope = scopes_.back();
            if (kind == "node" && attribute.name == "shape") {
                scope.node_shape = attribute.value.text;
                scope.shape_is_local = scopes_.size() > 1;
            } else if (kind == "node" && attribute.name == "label") {
                scope.node_label = std::move(attribute);
            } else if (kind == "edge" && attribute.name == "label") {
                scope.edge_label = std::move(attribute);
            }
        }
        return {};
    }

    // a; a, b [x=y]; a -> b -> {c d} [x=y]; subgraph s {…}
    Names nodes_and_edges() {
        struct End {
            Names names;
            Span span;
        };
        std::vector<End> ends;
        Names mentioned;
        while (true) {
            const Span begin = token().span;
            Names names = end_point();
            if (names.empty() && !closed_subgraph_) return mentioned;
            mentioned.insert(mentioned.end(), names.begin(), names.end());
            ends.push_back({std::move(names), join(begin, tokens_[at_ == 0 ? 0 : at_ - 1].span)});
            if (token().is("--"))
                error(token().span, "undirected-graph", "an automaton has directed edges", "write `->`");
            if (!accept("->") && !accept("--")) break;
        }
        const bool given = token().is("[");
        const std::vector<Attribute> list = given ? attributes() : std::vector<Attribute>{};
        if (ends.size() == 1) {
            for (const std::string& name : ends[0].names) apply(graph_.nodes[name], list);
        }
        for (std::size_t i = 0; i + 1 < ends.size(); ++i)
            for (const std::string& tail : ends[i].names)
                for (const std::string& head : ends[i + 1].names)
                    add_edge(tail, head, join(ends[i].span, ends[i + 1].span), list);
        return mentioned;
    }

    void apply(LocatedNode& node, const std::vector<Attribute>& list) {
        for (const Attribute& attribute : list) {
            if (attribute.name == "label") {
                node.label = attribute.value;
                node.html_label = attribute.html;
            } else if (attribute.name == "shape" && node.first_shape.empty()) {
                node.first_shape = attribute.value.text;
            }
        }
    }

    void add_edge(const std::string& tail, const std::string& head, Span span, const std::vector<Attribute>& list) {
        if (graph_.edges.size() >= most_edges) {
            if (graph_.edges.size() == most_edges && diagnostics_.empty())
                error(span, "too-long", "more than 100,000 edges; no model has as many", {});
            return;
        }
        LocatedEdge edge{tail, head, span, {}, false};
        if (const auto& inherited = scopes_.back().edge_label) {
            edge.label = inherited->value;
            edge.html_label = inherited->html;
        }
        for (const Attribute& attribute : list) {
            if (attribute.name == "key")
                error(span, "edge-key", "`key` makes Graphviz merge parallel edges and lose their labels",
                      "remove `key=…`");
            if (attribute.name != "label") continue;
            edge.label = attribute.value;
            edge.html_label = attribute.html;
        }
        graph_.edges.push_back(std::move(edge));
    }

    // A node list or a subgraph, as a statement or as one end of an edge.
    Names end_point() {
        closed_subgraph_ = false;
        if (keyword("subgraph") || token().is("{")) return subgraph();
        Names names;
        do {
            if (!token().is_id()) {
                unexpected("a state", "a name, or a quoted text");
                skip_statement();
                return {};
            }
            names.push_back(node());
        } while (accept(","));
        return names;
    }

    std::string node() {
        const Span span = token().span;
        LocatedText name = value();
        for (int port = 0; port < 2 && accept(":"); ++port) {
            if (token().is_id())
                value();
            else
                unexpected("a port", {});
        }
        LocatedNode& node = graph_.nodes.try_emplace(name.text, LocatedNode{span, {}, false, {}}).first->second;
        const Scope& scope = scopes_.back();
        if (node.first_shape.empty() && scope.shape_is_local) node.first_shape = scope.node_shape;
        if (!node.label && scope.node_label) {
            node.label = scope.node_label->value;
            node.html_label = scope.node_label->html;
        }
        return name.text;
    }

    Names subgraph() {
        if (keyword("subgraph")) {
            advance();
            if (token().is_id()) value();
            if (!token().is("{")) return {};  // a reference to a subgraph named before: it adds nothing to an automaton
        }
        opened_.push_back(token().span);
        if (opened_.size() > deepest_nesting) {
            error(token().span, "too-deep", "braces are nested more than 100 deep", {});
            at_ = tokens_.size() - 1;
            return {};
        }
        accept("{");
        scopes_.push_back(scopes_.back());
        Names names = statements();
        accept("}");
        scopes_.pop_back();
        opened_.pop_back();
        closed_subgraph_ = true;
        return names;
    }

    std::vector<Attribute> attributes() {
        std::vector<Attribute> list;
        while (token().is("[")) {
            const Span open = token().span;
            advance();
            while (!at_end() && !token().is("]")) {
                if (!attribute(list)) {
                    skip_attributes();
                    break;
                }
            }
            if (at_end() && !token().is("]")) {
                if (diagnostics_.empty()) error(open, "unclosed-bracket", "this `[` is never closed", "add `]`");
                return list;
            }
            accept("]");
        }
        return list;
    }

    bool attribute(std::vector<Attribute>& list) {
        if (!token().is_id()) {
            unexpected("an attribute", "write `name=value`");
            return false;
        }
        Attribute attribute;
        attribute.name = token().text.text;
        advance();
        if (!accept("=")) {
            unexpected("`=`", "write `" + attribute.name + "=value`, or close the list with `]`");
            return false;
        }
        if (!token().is_id()) {
            unexpected("a value", "a name, a number, or a quoted text");
            return false;
        }
        attribute.html = token().kind == DotToken::Kind::html;
        attribute.value = value();
        list.push_back(std::move(attribute));
        if (!accept(",")) accept(";");
        return true;
    }

    // An ID; quoted texts may be joined: "a" + "b".
    LocatedText value() {
        LocatedText text = token().text;
        bool joinable = token().kind == DotToken::Kind::quoted;
        advance();
        while (joinable && token().is("+")) {
            advance();
            if (token().kind != DotToken::Kind::quoted) {
                unexpected("a quoted text", "`+` joins quoted texts");
                break;
            }
            text.offsets.pop_back();
            text.text += token().text.text;
            text.offsets.insert(text.offsets.end(), token().text.offsets.begin(), token().text.offsets.end());
            advance();
        }
        return text;
    }

    void skip_statement() {
        while (!at_end() && !token().is(";") && !token().is("}") && !token().is("{")) advance();
    }
    void skip_attributes() {
        while (!at_end() && !token().is("]") && !token().is(";") && !token().is("}")) advance();
    }

    static constexpr std::size_t most_edges = 100'000;

    const SourceText& source_;
    std::vector<Diagnostic>& diagnostics_;
    std::vector<DotToken> tokens_;
    std::size_t at_ = 0;
    LocatedGraph graph_;
    std::vector<Scope> scopes_;
    std::vector<Span> opened_;
    bool closed_subgraph_ = false;
};

}  // namespace

LocatedGraph locate_dot(const SourceText& source, std::vector<Diagnostic>& diagnostics) {
    return Locator(source, diagnostics).run();
}

}  // namespace lockstep::codegen
