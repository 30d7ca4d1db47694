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

}  // namespace

std::string render(const std::string& drawing, const std::string& format) {
    const GraphvizSession graphviz;
    const std::unique_ptr<GVC_t, int (*)(GVC_t*)> context(gvContext(), gvFreeContext);
    const std::unique_ptr<Agraph_t, int (*)(Agraph_t*)> graph(agmemread(drawing.c_str()), agclose);
    if (!graph) fail(graphviz, "the drawing is no graph");
    if (gvLayout(context.get(), graph.get(), "dot") != 0) fail(graphviz, "no layout");
    char* data = nullptr;
    unsigned int size_bytes = 0;
    const int status = gvRenderData(context.get(), graph.get(), format.c_str(), &data, &size_bytes);
    std::string rendered;
    if (status == 0 && data != nullptr) rendered.assign(data, size_bytes);
    gvFreeRenderData(data);
    gvFreeLayout(context.get(), graph.get());
    if (rendered.empty()) fail(graphviz, "no output as " + format);
    return rendered;
}

}  // namespace lockstep::codegen
