// Fuzz target of the whole front end, libcgraph included: any bytes give a model or diagnostics, never a crash, and
// what they give is consistent. Bytes that begin with a comment of LTL or a definition are read as LTL, others as DOT.
// Under libFuzzer this is LLVMFuzzerTestOneInput; codegen/fuzz_test.cpp calls it too.
#include <cstdint>
#include <cstdlib>
#include <stdexcept>
#include <string>

#include "codegen/examples.hpp"
#include "codegen/front_end.hpp"
#include "codegen/report_json.hpp"

#ifndef LOCKSTEP_FUZZ_ENTRY
#define LOCKSTEP_FUZZ_ENTRY lockstep_dot_fuzz
#endif

namespace lockstep::codegen {
namespace {

const TracepointDeclarations& tracepoints() {
    static const TracepointDeclarations declarations = [] {
        TracepointDeclarations lock_api;
        lock_api.parse(
            "TRACEPOINT_EVENT(lock_api, acquired, TP_ARGS(const char*, file, const char*, owner, uint64_t, first_byte, "
            "uint64_t, last_byte, uint8_t, mode),"
            "TP_FIELDS(ctf_string(file, file) ctf_string(owner, owner) ctf_integer(uint64_t, first_byte, first_byte)"
            "ctf_integer(uint64_t, last_byte, last_byte) ctf_integer(uint8_t, mode, mode)))"
            "TRACEPOINT_EVENT(lock_api, released, TP_ARGS(const char*, file, const char*, owner, uint64_t, first_byte, "
            "uint64_t, last_byte),"
            "TP_FIELDS(ctf_string(file, file) ctf_string(owner, owner) ctf_integer(uint64_t, first_byte, first_byte) "
            "ctf_integer(uint64_t, last_byte, last_byte)))"
            "TRACEPOINT_EVENT(lock_api, denied, TP_ARGS(const char*, file), TP_FIELDS(ctf_string(file, file)))",
            "lock_api.tp");
        return lock_api;
    }();
    return declarations;
}

void require(bool condition) {
    if (!condition) std::abort();
}

void check_expression(const Model& model, const Expression& e, std::size_t fields) {
    using Kind = Expression::Kind;
    if (e.kind == Kind::field) require(e.index < fields);
    if (e.kind == Kind::parameter) require(e.index < model.parameters.size());
    for (const Kind kind : {Kind::variable, Kind::clock, Kind::contains, Kind::element, Kind::size, Kind::empty,
                            Kind::compatible_with_all, Kind::conflicts, Kind::leaves_empty})
        if (e.kind == kind) require(e.index < model.registers.size());
    for (const Expression& operand : e.operands) check_expression(model, operand, fields);
}

void check_model_is_sound(const Model& model) {
    require(model.initial < model.states.size());
    for (const Event& event : model.events) {
        require(event.start_state < model.states.size());
        require(event.key_fields.size() == model.keys.size());
    }
    for (const Binding& binding : model.bindings) {
        require(binding.event < model.events.size() &&
                binding.values.size() == model.events[binding.event].fields.size());
        for (const Expression& value : binding.values) check_expression(model, value, binding.tracepoint_fields.size());
        if (binding.when) check_expression(model, *binding.when, binding.tracepoint_fields.size());
    }
    for (const Edge& edge : model.edges) {
        require(edge.source < model.states.size() && edge.target < model.states.size() &&
                edge.event < model.events.size());
        const std::size_t fields = model.events[edge.event].fields.size();
        for (const Expression& guard : edge.guards) check_expression(model, guard, fields);
        for (const Action& action : edge.actions) {
            require(action.index < model.registers.size());
            for (const Expression& operand : action.operands) check_expression(model, operand, fields);
        }
    }
}

}  // namespace
}  // namespace lockstep::codegen

extern "C" int LOCKSTEP_FUZZ_ENTRY(const std::uint8_t* data, std::size_t size) {
    using namespace lockstep::codegen;
    const std::string text(reinterpret_cast<const char*>(data), size);
    const bool is_ltl = text.starts_with('#') || text.starts_with("RULE");
    const Reading reading = read_model(text, is_ltl ? "fuzz.ltl" : "fuzz.dot", tracepoints());
    require(reading.model.has_value() == !has_errors(reading.diagnostics));
    for (const Diagnostic& diagnostic : reading.diagnostics) {
        require(!diagnostic.message.empty() && diagnostic.position.line > 0 && diagnostic.position.column > 0);
        require(!format_diagnostic(diagnostic, "fuzz.dot", text, true).empty());
    }
    require(!diagnostics_to_json("fuzz.dot", reading.diagnostics).empty());
    if (!reading.model) return 0;
    check_model_is_sound(*reading.model);
    try {
        run_examples(*reading.model);
    } catch (const std::invalid_argument&) {
        // A parameter has no value.
    }
    return 0;
}
