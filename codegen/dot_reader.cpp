#include "codegen/dot_reader.hpp"

#include <graphviz/cgraph.h>

#include <algorithm>
#include <deque>
#include <map>
#include <memory>

#include "codegen/graphviz.hpp"

namespace lockstep::codegen {
namespace {

struct CloseGraph {
    void operator()(Agraph_t* graph) const { agclose(graph); }
};
using Graph = std::unique_ptr<Agraph_t, CloseGraph>;

template <class Object>
const char* attribute(Object* object, const char* name) {
    const char* value = agget(object, const_cast<char*>(name));
    return value == nullptr ? "" : value;
}

// A label with the second layer of Graphviz's escapes resolved (the first, quoting, is the lexer's).
LocatedText drawn_label(const LocatedText& raw, const std::string& node_name, const std::string& graph_name) {
    LocatedText drawn;
    for (std::size_t i = 0; i < raw.text.size(); ++i) {
        const std::uint32_t offset = raw.offsets[i];
        if (raw.text[i] != '\\' || i + 1 == raw.text.size()) {
            if (raw.text[i] != '\r') drawn.append(raw.text[i], offset);
            continue;
        }
        const char escaped = raw.text[++i];
        if (escaped == 'n' || escaped == 'l' || escaped == 'r')
            drawn.append('\n', offset);
        else if (escaped == 'N' && !node_name.empty()) {
            for (const char c : node_name) drawn.append(c, offset);
        } else if (escaped == 'G') {
            for (const char c : graph_name) drawn.append(c, offset);
        } else {
            drawn.append(escaped, offset);
        }
    }
    drawn.offsets.push_back(raw.offsets.empty() ? 0 : raw.offsets.back());
    return drawn;
}

// The label that libcgraph says is drawn; where the locator found another one (a default that libcgraph resolves
// differently), libcgraph is right and every byte stands where the statement begins.
LocatedText located(const char* drawn, const std::optional<LocatedText>& found, Span fallback) {
    if (found && found->text == drawn) return *found;
    LocatedText text;
    for (const char* c = drawn; *c != '\0'; ++c) text.append(*c, fallback.begin);
    text.offsets.push_back(fallback.begin);
    return text;
}

class Reader {
 public:
    Reader(const SourceText& source, std::vector<Diagnostic>& diagnostics)
        : source_(source), diagnostics_(diagnostics), located_(locate_dot(source, diagnostics)) {}

    Picture run() {
        picture_.name = located_.name;
        picture_.name_span = located_.name_span;
        picture_.begin = located_.begin;
        if (has_errors(diagnostics_)) return std::move(picture_);
        {
            const GraphvizSession graphviz;
            const Graph graph(agmemread(text_for_graphviz().c_str()));
            if (graph == nullptr || !graphviz.complaints().empty())
                report(graphviz.complaints());
            else
                copy(graph.get());
        }
        picture_.comments = std::move(located_.comments);
        return std::move(picture_);
    }

 private:
    // Without a byte order mark and with line ends of one byte, which is what Graphviz knows of.
    std::string text_for_graphviz() const {
        const std::string& source = source_.text();
        std::string text;
        for (std::size_t i = source.starts_with("\xEF\xBB\xBF") ? 3 : 0; i < source.size(); ++i)
            if (source[i] != '\r' || i + 1 == source.size() || source[i + 1] != '\n') text += source[i];
        return text;
    }

    void report(const std::string& complaint) {
        std::string text = complaint.empty() ? "Graphviz can't read this file" : "Graphviz says: " + complaint;
        diagnostics_.push_back({Severity::error, "dot-syntax", {1, 1}, 1, std::move(text), {}});
    }

    void copy(Agraph_t* graph) {
        std::vector<Agnode_t*> nodes;
        std::vector<Agedge_t*> edges;
        for (Agnode_t* node = agfstnode(graph); node != nullptr; node = agnxtnode(graph, node)) {
            nodes.push_back(node);
            for (Agedge_t* edge = agfstout(graph, node); edge != nullptr; edge = agnxtout(graph, edge))
                edges.push_back(edge);
        }
        std::ranges::sort(nodes, {}, [](Agnode_t* node) { return AGSEQ(node); });
        std::ranges::sort(edges, {}, [](Agedge_t* edge) { return AGSEQ(edge); });
        for (Agnode_t* node : nodes) copy_node(node);
        pair_edges(edges);
    }

    void copy_node(Agnode_t* node) {
        PictureNode copied;
        copied.name = agnameof(node);
        const LocatedNode& place = located_.nodes[copied.name];
        copied.span = place.span;
        copied.shape = place.first_shape.empty() ? attribute(node, "shape") : place.first_shape;
        const std::string label = attribute(node, "label");
        refuse_html(label.c_str(), place.html_label, place.span);
        copied.has_label = !label.empty() && label != "\\N";
        if (copied.has_label)
            copied.label = drawn_label(located(label.c_str(), place.label, place.span), copied.name, picture_.name);
        indices_[copied.name] = picture_.nodes.size();
        picture_.nodes.push_back(std::move(copied));
    }

    // Both sides list the parallel edges of a pair of nodes in the order of the source.
    void pair_edges(const std::vector<Agedge_t*>& edges) {
        std::map<std::pair<std::string, std::string>, std::deque<const LocatedEdge*>> places;
        for (const LocatedEdge& edge : located_.edges) places[{edge.tail, edge.head}].push_back(&edge);
        for (Agedge_t* edge : edges) {
            const std::string tail = agnameof(agtail(edge));
            const std::string head = agnameof(aghead(edge));
            auto& candidates = places[{tail, head}];
            LocatedEdge nowhere{tail, head, located_.nodes[tail].span, {}, false};
            const LocatedEdge* place = candidates.empty() ? &nowhere : candidates.front();
            if (!candidates.empty()) candidates.pop_front();
            const char* label = attribute(edge, "label");
            refuse_html(label, place->html_label, place->span);
            picture_.edges.push_back({indices_[tail], indices_[head],
                                      drawn_label(located(label, place->label, place->span), {}, picture_.name),
                                      place->span});
        }
    }

    void refuse_html(const char* label, bool html, Span span) {
        if (!html || *label == '\0') return;
        diagnostics_.push_back({Severity::error, "html-label", source_.position(span.begin), span.end - span.begin,
                                "HTML labels carry no meaning here", "write the label as quoted text: label=\"…\""});
    }

    const SourceText& source_;
    std::vector<Diagnostic>& diagnostics_;
    LocatedGraph located_;
    Picture picture_;
    std::map<std::string, std::size_t> indices_;
};

}  // namespace

Picture read_dot(const SourceText& source, std::vector<Diagnostic>& diagnostics) {
    return Reader(source, diagnostics).run();
}

}  // namespace lockstep::codegen
