// Prints the parts of a generated monitor, each a section of the file. Private to the emitter.
#pragma once

#include <fmt/format.h>

#include <iterator>
#include <string>

#include "codegen/emit/emitter.hpp"
#include "codegen/emit/expression_printer.hpp"
#include "codegen/emit/monitor_names.hpp"

namespace lockstep::codegen {

class MonitorPrinter {
 public:
    MonitorPrinter(const Model& model, Encoding encoding) : model_(model), names_(model), encoding_(encoding) {}

    std::string print();

 private:
    // monitor_printer.cpp: what is remembered, what happens, what it does
    void print_head();
    void print_parameters();
    void print_registers();
    void print_states();
    void print_events();
    void print_event(std::uint32_t event);
    void print_edges();
    void print_edge(std::uint32_t edge);
    void print_machine();
    void print_branches();
    void print_event_branches(std::uint32_t event);
    void print_automaton();
    void print_invariants();
    void print_register_functions();

    // binding_printer.cpp: where events come from, and the descriptor
    void print_tracepoints();
    void print_tracepoint(std::uint32_t group);
    void print_binding(std::uint32_t group, std::uint32_t binding);
    void print_probe(std::uint32_t group);
    void print_slots(std::uint32_t group);
    void print_deliver();
    void print_descriptor();
    std::string print_fields(const std::string& name, const std::vector<Field>& fields);
    void print_edge_descriptors();
    void print_register_descriptors();

    template <class... Arguments>
    void line(fmt::format_string<Arguments...> format, Arguments&&... arguments) {
        fmt::format_to(std::back_inserter(text_), format, std::forward<Arguments>(arguments)...);
        text_ += '\n';
    }
    void line() { text_ += '\n'; }
    void section(const char* title) { line("// ---- {} ----\n", title); }

    ExpressionPrinter event_printer(std::uint32_t event) const;
    std::string place(const SourcePosition& position) const;

    const Model& model_;
    MonitorNames names_;
    Encoding encoding_;
    std::string text_;
};

}  // namespace lockstep::codegen
