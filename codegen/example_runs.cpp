#include "codegen/example_runs.hpp"

#include <algorithm>

#include "codegen/examples.hpp"

namespace lockstep::codegen {
namespace {

// The tracepoint records what the event is to have. A flag is recorded as a number.
Field recorded(const Field& field) {
    Field record = field;
    if (field.type.type != Type::string) record.type = {Type::integer, field.type.is_signed};
    record.c_type = field.type.type == Type::string ? "const char*" : field.type.is_signed ? "int64_t" : "uint64_t";
    record.c_expression = field.name;
    return record;
}

Expression value_of(const Field& field, const Field& record, std::uint32_t index) {
    Expression value;
    value.kind = Expression::Kind::field;
    value.type = record.type;
    value.index = index;
    value.text = field.name;
    if (field.type.type != Type::flag) return value;
    Expression zero;
    zero.text = "0";
    Expression is_set;
    is_set.kind = Expression::Kind::not_equal;
    is_set.type = {Type::flag, false};
    is_set.operands = {value, zero};
    return is_set;
}

Binding binding_of(const Event& event, std::uint32_t index) {
    Binding binding;
    binding.event = index;
    binding.provider = "example";
    binding.tracepoint = event.name;
    binding.position = event.position;
    binding.text = event.name + " of an example";
    for (std::uint32_t i = 0; i < event.fields.size(); ++i) {
        const Field record = recorded(event.fields[i]);
        binding.signature += (i == 0 ? "" : ", ") + record.c_type + ", " + record.name;
        binding.arguments.push_back(record);
        binding.tracepoint_fields.push_back(record);
        binding.values.push_back(value_of(event.fields[i], record, i));
    }
    if (event.fields.empty()) binding.signature = "void";
    return binding;
}

}  // namespace

std::vector<GeneratedRun> add_example_runs(Model& model) {
    const auto first = static_cast<std::uint32_t>(model.bindings.size());
    for (std::uint32_t i = 0; i < model.events.size(); ++i) model.bindings.push_back(binding_of(model.events[i], i));
    std::vector<GeneratedRun> runs;
    for (const Example& example : model.examples) {
        GeneratedRun run;
        run.text = example.text;
        run.violated = !example.accept;
        std::uint64_t time_ns = 0;
        for (const ExampleEvent& event : example.events) {
            time_ns = std::max(time_ns, event.time_ns.value_or(time_ns));
            TracepointHit hit;
            hit.where.time_ns = time_ns;
            if (event.event != no_event) {
                const Occurrence occurrence = occurrence_of(model, event, time_ns);
                hit.binding = first + event.event;
                hit.fields = occurrence.fields;
                hit.where = occurrence.circumstances;
            }
            run.hits.push_back(std::move(hit));
        }
        runs.push_back(std::move(run));
    }
    return runs;
}

}  // namespace lockstep::codegen
