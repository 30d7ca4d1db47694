#include "codegen/examples.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace lockstep::codegen {
namespace {

std::string number_text(Integer value) {
    return value < 0 ? std::to_string(static_cast<std::int64_t>(value))
                     : std::to_string(static_cast<std::uint64_t>(value));
}

void set_origin(Circumstances& circumstances, Origin origin, std::uint64_t value) {
    switch (origin) {
        case Origin::process:
            circumstances.process = value;
            break;
        case Origin::thread:
            circumstances.thread = value;
            break;
        case Origin::cpu:
            circumstances.cpu = value;
            break;
        case Origin::net_ns:
            circumstances.net_ns = value;
            break;
    }
}

std::string describe_violation(const Model& model, const Violation& violation) {
    return fmt::format("{} in state `{}`", violation.reason, model.states[violation.state].name);
}

ExampleResult run_example(const Model& model, const Example& example) {
    Interpreter interpreter(model);
    std::uint64_t time_ns = 0;
    for (std::size_t i = 0; i < example.events.size(); ++i) {
        const ExampleEvent& event = example.events[i];
        time_ns = std::max(time_ns, event.time_ns.value_or(time_ns));
        if (event.event == no_event)
            interpreter.advance(time_ns);
        else
            interpreter.step(occurrence_of(model, event, time_ns));
        if (interpreter.overflows() > 0) return {false, event.position, "a register is too small for this example"};
        if (interpreter.violations().empty()) continue;
        const std::string what = describe_violation(model, interpreter.violations().front());
        if (example.accept) return {false, event.position, "this event is a violation: " + what};
        const bool last = i + 1 == example.events.size();
        return last ? ExampleResult{true, example.position, {}}
                    : ExampleResult{false, event.position, "violated before the example's last event: " + what};
    }
    if (example.accept) return {true, example.position, {}};
    return {false, example.position, "nothing is violated in this run"};
}

}  // namespace

Occurrence occurrence_of(const Model& model, const ExampleEvent& event, std::uint64_t time_ns) {
    Occurrence occurrence;
    occurrence.event = event.event;
    occurrence.circumstances.time_ns = time_ns;
    const std::vector<Field>& fields = model.events[event.event].fields;
    occurrence.fields.resize(fields.size());
    for (const ExampleField& given : event.fields) {
        const auto field = std::ranges::find(fields, given.name, &Field::name);
        if (field != fields.end())
            occurrence.fields[static_cast<std::size_t>(field - fields.begin())] = {given.integer, given.text};
        else if (given.origin)
            set_origin(occurrence.circumstances, *given.origin, to_unsigned(given.integer));
    }
    return occurrence;
}

std::string describe_occurrence(const Model& model, const Occurrence& occurrence) {
    const Event& event = model.events[occurrence.event];
    std::string fields;
    for (std::size_t i = 0; i < event.fields.size(); ++i) {
        const Value& value = occurrence.fields[i];
        fields += fmt::format("{}{}={}", i == 0 ? "" : ", ", event.fields[i].name,
                              event.fields[i].type.type == Type::string ? value.text : number_text(value.integer));
    }
    return event.name + "(" + fields + ")";
}

std::vector<ExampleResult> run_examples(const Model& model) {
    std::vector<ExampleResult> results;
    for (const Example& example : model.examples) results.push_back(run_example(model, example));
    return results;
}

}  // namespace lockstep::codegen
