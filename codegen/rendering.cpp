// Graphviz draws.
#include <graphviz/gvc.h>

#include <memory>

#include "codegen/drawing.hpp"
#include "codegen/graphviz.hpp"

namespace lockstep::codegen {
namespace {

[[noreturn]] void fail(const GraphvizSession& graphviz, const std::string& what) {
    const std::string why = graphviz.complaints();
    throw DrawingError("Graphviz can't draw: " + what + (why.empty() ? "" : ": " + why));
}

// The one context of the process, never freed: Graphviz's Pango plug-in remembers the name of the last font by a
// pointer into the context that it came from, and looks at it when it draws the next graph.
GVC_t* context_of(const GraphvizSession&) {
    static GVC_t* const context = gvContext();
    return context;
}

}  // namespace

std::string render(const std::string& drawing, const std::string& format) {
    const GraphvizSession graphviz;
    GVC_t* const context = context_of(graphviz);
    const std::unique_ptr<Agraph_t, int (*)(Agraph_t*)> graph(agmemread(drawing.c_str()), agclose);
    if (!graph) fail(graphviz, "the drawing is no graph");
    if (gvLayout(context, graph.get(), "dot") != 0) fail(graphviz, "no layout");
    char* data = nullptr;
    unsigned int size_bytes = 0;
    const int status = gvRenderData(context, graph.get(), format.c_str(), &data, &size_bytes);
    std::string rendered;
    if (status == 0 && data != nullptr) rendered.assign(data, size_bytes);
    gvFreeRenderData(data);
    gvFreeLayout(context, graph.get());
    if (rendered.empty()) fail(graphviz, "no output as " + format);
    return rendered;
}

}  // namespace lockstep::codegen
