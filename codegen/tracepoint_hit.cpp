#include "codegen/tracepoint_hit.hpp"

namespace lockstep::codegen {

std::optional<Outcome> deliver(const Model& model, const TracepointHit& hit, Interpreter& interpreter) {
    interpreter.advance(hit.where.time_ns);
    if (hit.binding == no_event) return std::nullopt;
    const Binding& fired = model.bindings[hit.binding];
    for (std::uint32_t i = 0; i < model.bindings.size(); ++i) {
        const Binding& binding = model.bindings[i];
        if (binding.provider != fired.provider || binding.tracepoint != fired.tracepoint) continue;
        if (const auto outcome = interpreter.deliver(i, hit.fields, hit.where)) return outcome;
    }
    return std::nullopt;
}

}  // namespace lockstep::codegen
