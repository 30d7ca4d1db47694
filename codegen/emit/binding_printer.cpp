// The second half of a generated monitor: its tracepoints, each with a typed probe for LTTng-UST and a way in for
// recorded events, and the descriptor that the host reads.
#include <algorithm>
#include <filesystem>

#include "codegen/emit/monitor_printer.hpp"
#include "codegen/emit/names.hpp"

namespace lockstep::codegen {
namespace {

bool is_text(const Field& field) {
    return field.type.type == Type::string;
}

// The probe's parameters must have the types that the tracepoint passes. A pointer that is no string is passed on
// unread.
std::string parameter_type(const Field& argument) {
    const bool pointer = argument.c_type.find('*') != std::string::npos;
    return pointer ? (is_text(argument) ? "const char*" : "const void*") : argument.c_type;
}

const char* field_type(ValueType type) {
    if (type.type == Type::string) return "FieldType::string";
    return type.is_signed ? "FieldType::signed_integer" : "FieldType::unsigned_integer";
}

const char* register_kind(Register::Kind kind) {
    switch (kind) {
        case Register::Kind::integer:
            return "integer";
        case Register::Kind::flag:
            return "flag";
        case Register::Kind::clock:
            return "clock";
        case Register::Kind::set:
            return "set";
        case Register::Kind::map:
            return "map";
        case Register::Kind::ranges:
            return "ranges";
    }
    return "";
}

}  // namespace

void MonitorPrinter::print_tracepoints() {
    section("Tracepoints: what they record, and which event that is");
    for (std::uint32_t group = 0; group < names_.groups.size(); ++group) print_tracepoint(group);
    print_deliver();
}

void MonitorPrinter::print_tracepoint(std::uint32_t index) {
    const TracepointGroup& group = names_.groups[index];
    const Binding& first = model_.bindings[group.bindings.front()];
    line("// {}:{}", comment_text(first.provider), comment_text(first.tracepoint));
    line("struct {} {{", group.identifier);
    for (std::size_t i = 0; i < group.fields.size(); ++i)
        line("    {} {};", cpp_type(first.tracepoint_fields[i].type), group.fields[i]);
    line("}};\n");

    line("[[gnu::always_inline]] inline void take(Visit& visit, const {}& fields) {{", group.identifier);
    for (const std::uint32_t binding : group.bindings) print_binding(index, binding);
    line("}}\n");
    print_probe(index);
    print_slots(index);
}

void MonitorPrinter::print_binding(std::uint32_t index, std::uint32_t binding_index) {
    const TracepointGroup& group = names_.groups[index];
    const Binding& binding = model_.bindings[binding_index];
    std::vector<ValueType> types;
    for (const Field& field : binding.tracepoint_fields) types.push_back(field.type);
    const ExpressionPrinter printer(
        model_, {group.fields, names_.registers, names_.parameters, "fields", "visit.origin"}, std::move(types));

    std::string values;
    for (std::size_t i = 0; i < binding.values.size(); ++i)
        values += (values.empty() ? "" : ", ") +
                  printer.value(binding.values[i], model_.events[binding.event].fields.at(i).type);
    line("    // {}  {}", place(binding.position), comment_text(binding.text));
    const std::string take = fmt::format("visit.take(event::{}{{{}}});", names_.events[binding.event], values);
    if (binding.when)
        line("    if ({}) {{ {} return; }}", printer.condition(*binding.when), take);
    else
        line("    {}", take);
}

// The tracepoint records a C expression over its arguments, mostly just one of them; the parameters have the arguments'
// names, so the expression is printed as it was declared.
void MonitorPrinter::print_probe(std::uint32_t index) {
    const TracepointGroup& group = names_.groups[index];
    const Binding& first = model_.bindings[group.bindings.front()];
    std::string parameters, fields;
    for (std::size_t i = 0; i < group.arguments.size(); ++i)
        parameters += fmt::format(", {} {}", parameter_type(first.arguments[i]), group.arguments[i]);
    for (std::size_t i = 0; i < group.fields.size(); ++i) {
        const Field& field = first.tracepoint_fields[i];
        const auto same = std::ranges::find(first.arguments, field.c_expression, &Field::name);
        const bool plain = same != first.arguments.end();
        const std::string recorded =
            plain ? group.arguments[static_cast<std::size_t>(same - first.arguments.begin())] : field.c_expression;
        fields += i == 0 ? "" : ", ";
        if (is_text(field))
            fields += fmt::format("visit_.intern({})", recorded);
        else if (plain && same->c_type == field.c_type)
            fields += fmt::format("static_cast<{}>({})", cpp_type(field.type), recorded);
        else
            fields += fmt::format("static_cast<{}>(static_cast<{}>({}))", cpp_type(field.type), field.c_type, recorded);
    }
    line("void probe_{}(void* monitor_{}) {{", group.identifier, parameters);
    line("    Host<Automaton, void>::of(monitor_).probe({}, [&](Visit& visit_) {{", index);
    line("        take(visit_, {}{{{}}});", group.identifier, fields);
    line("    }});");
    line("}}\n");
}

void MonitorPrinter::print_slots(std::uint32_t index) {
    const TracepointGroup& group = names_.groups[index];
    const Binding& first = model_.bindings[group.bindings.front()];
    std::string fields;
    for (std::size_t i = 0; i < group.fields.size(); ++i) {
        const Field& field = first.tracepoint_fields[i];
        fields += i == 0 ? "" : ", ";
        fields += is_text(field)         ? fmt::format("visit.intern(slots[{}].string)", i)
                  : field.type.is_signed ? fmt::format("slots[{}].signed_integer", i)
                                         : fmt::format("slots[{}].unsigned_integer", i);
    }
    line("{0} recorded_{0}(Visit& visit, const Slot* slots) {{ return {{{1}}}; }}\n", group.identifier, fields);
}

void MonitorPrinter::print_deliver() {
    line("struct Recorded {{");
    line("    static void deliver(Visit& visit, std::uint32_t binding, const Slot* slots) {{");
    line("        switch (binding) {{");
    for (std::size_t i = 0; i < names_.groups.size(); ++i)
        line("            case {0}: return take(visit, recorded_{1}(visit, slots));", i, names_.groups[i].identifier);
    line("            default: return (void)visit;");
    line("        }}");
    line("    }}");
    line("}};\n");
}

std::string MonitorPrinter::print_fields(const std::string& name, const std::vector<Field>& fields) {
    if (fields.empty()) return "nullptr";
    line("constexpr FieldDescriptor {}[] = {{", name);
    for (const Field& field : fields)
        line("    {{{}, {}, {}}},", string_literal(field.name), string_literal(field.c_type), field_type(field.type));
    line("}};");
    return name;
}

void MonitorPrinter::print_edge_descriptors() {
    line("constexpr EdgeDescriptor edges[] = {{");
    for (const Edge& edge : model_.edges)
        line("    {{{}, {}, {}, {}, {}}},", edge.source, edge.event, edge.target, edge.position.line,
             string_literal(comment_text(edge.text)));
    line("    {{0, 0, 0, 0, nullptr}}}};");
}

void MonitorPrinter::print_register_descriptors() {
    line("constexpr RegisterDescriptor registers[] = {{");
    for (const Register& reg : model_.registers) {
        const bool scalar = reg.kind == Register::Kind::integer;
        line("    {{{}, RegisterKind::{}, {}, {}}},", string_literal(reg.name), register_kind(reg.kind),
             field_type(scalar ? reg.value : reg.key), field_type(reg.value));
    }
    line("    {{nullptr, RegisterKind::integer, FieldType::unsigned_integer, FieldType::unsigned_integer}}}};");
}

void MonitorPrinter::print_descriptor() {
    section("The descriptor");
    std::string states, events, bindings, keys;
    for (const State& state : model_.states) states += string_literal(state.name) + ", ";
    for (std::size_t i = 0; i < model_.events.size(); ++i) {
        const Event& event = model_.events[i];
        events += fmt::format("    {{{}, {}, {}}},\n", string_literal(event.name),
                              print_fields("fields_of_event_" + names_.events[i], event.fields), event.fields.size());
    }
    for (const TracepointGroup& group : names_.groups) {
        const Binding& first = model_.bindings[group.bindings.front()];
        bindings += fmt::format("    {{{}, {}, {}, {}, {}, reinterpret_cast<void (*)()>(&probe_{})}},\n",
                                string_literal(first.provider), string_literal(first.tracepoint),
                                string_literal(first.signature),
                                print_fields("fields_of_" + group.identifier, first.tracepoint_fields),
                                first.tracepoint_fields.size(), group.identifier);
    }
    for (const Key& key : model_.keys)
        keys += fmt::format("    {{{}, {}}},\n", string_literal(key.name), field_type(key.type));

    line("constexpr const char* states[] = {{{}nullptr}};", states);
    line("constexpr EventDescriptor events[] = {{\n{}    {{nullptr, nullptr, 0}}}};", events);
    line("const BindingDescriptor bindings[] = {{\n{}    {{nullptr, nullptr, nullptr, nullptr, 0, nullptr}}}};",
         bindings);
    line("constexpr KeyDescriptor keys[] = {{\n{}    {{nullptr, FieldType::unsigned_integer}}}};", keys);
    print_register_descriptors();
    print_edge_descriptors();
    line("constexpr char dot_source[] =\n    {};", string_literal(model_.source));
    line("\nusing ThisHost = Host<Automaton, Recorded>;\n");
    if (model_.contexts != 0) {
        line("// A host may ask for more room than the note, not for less.");
        line("MonitorInstance* create(const InstanceOptions& asked) {{");
        line("    InstanceOptions options = asked;");
        line("    if (options.contexts < {0}) options.contexts = {0};", model_.contexts);
        line("    return ThisHost::create(options);\n}}\n");
    }
    line("}}  // namespace\n");
    line("extern \"C\" __attribute__((visibility(\"default\"))) const MonitorDescriptor lockstep_monitor_descriptor;");
    line("const MonitorDescriptor lockstep_monitor_descriptor = {{");
    line("    abi_version, {}, dot_source, {},", string_literal(model_.name),
         string_literal(std::filesystem::path(model_.path).filename().string()));
    line("    states, final_states, {},", model_.states.size());
    line("    events, {},", model_.events.size());
    line("    bindings, {},", names_.groups.size());
    line("    keys, {},", model_.keys.size());
    line("    registers, {},", model_.registers.size());
    line("    edges, {},", model_.edges.size());
    line("    {}, &ThisHost::destroy, &ThisHost::deliver}};", model_.contexts == 0 ? "&ThisHost::create" : "&create");
}

}  // namespace lockstep::codegen
