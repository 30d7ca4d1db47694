#include "codegen/simulation.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>

#include "codegen/example_events.hpp"
#include "codegen/examples.hpp"
#include "codegen/resolver.hpp"

namespace lockstep::codegen {
namespace {

constexpr std::size_t remembered_steps = 1000;

std::string text_of(const Value& value, ValueType type) {
    if (type.type == Type::string) return value.text;
    if (type.type == Type::flag) return value.integer != 0 ? "true" : "false";
    return value.integer < 0 ? std::to_string(static_cast<std::int64_t>(value.integer))
                             : std::to_string(static_cast<std::uint64_t>(value.integer));
}

std::string range_mode(Integer mode) {
    return std::string(mode_names[mode >= 0 && mode < mode_count ? static_cast<std::size_t>(mode) : mode_count - 1]);
}

std::unique_ptr<Model> with_all_parameters(Model&& model) {
    for (const Parameter& parameter : model.parameters)
        if (!parameter.value)
            throw std::invalid_argument("parameter `" + parameter.name + "` has no value: --set " + parameter.name +
                                        "=VALUE");
    return std::make_unique<Model>(std::move(model));
}

}  // namespace

Simulation::Simulation(Model model) : model_(with_all_parameters(std::move(model))) {
    moments_.push_back({Interpreter(*model_), 0});
}

std::vector<ShownStep> Simulation::take(const std::string& text, std::vector<Diagnostic>& diagnostics) {
    std::vector<ShownStep> steps;
    const std::vector<ExampleEvent> events = read_example_events(text, *model_, diagnostics);
    if (has_errors(diagnostics)) return steps;
    for (const ExampleEvent& event : events) steps.push_back(take(event));
    return steps;
}

ShownStep Simulation::take(const ExampleEvent& event) {
    moments_.push_back(moments_.back());
    if (moments_.size() > remembered_steps + 1) moments_.pop_front();
    Moment& now = moments_.back();
    now.time_ns = std::max(now.time_ns, event.time_ns.value_or(now.time_ns));
    const std::size_t violations_before = now.interpreter.violations().size();
    now.interpreter.advance(now.time_ns);
    ShownStep step;
    step.time_ns = now.time_ns;
    if (event.event == no_event) {
        step.event = "time passes";
        step.outcome = now.interpreter.violations().size() == violations_before ? Outcome::moved : Outcome::violation;
    } else {
        const Occurrence occurrence = occurrence_of(*model_, event, now.time_ns);
        const ContextKey key = now.interpreter.key_of(occurrence);
        step.event = describe_occurrence(*model_, occurrence);
        step.key = text_of(key);
        step.from = state_of(key);
        step.edge = edge_for(occurrence, key);
        step.outcome = now.interpreter.step(occurrence);
        step.to = state_of(key);
    }
    for (std::size_t i = violations_before; i < now.interpreter.violations().size(); ++i)
        step.violations.push_back(text_of(now.interpreter.violations()[i]));
    return step;
}

std::string Simulation::text_of(const Violation& violation) const {
    const std::string key = text_of(violation.key);
    return fmt::format("{} in state `{}`{}", violation.reason, model_->states[violation.state].name,
                       key.empty() ? "" : " of " + key);
}

// The edge that the interpreter is about to take; in an unknown context one of its start state.
std::string Simulation::edge_for(const Occurrence& occurrence, const ContextKey& key) const {
    const Event& event = model_->events[occurrence.event];
    const auto known = now().contexts().find(key);
    if (known == now().contexts().end() && event.start != StartRule::process) return "";
    Context fresh{event.start_state, std::vector<RegisterValue>(model_->registers.size())};
    for (std::size_t i = 0; i < fresh.registers.size(); ++i)
        fresh.registers[i].scalar.integer = model_->registers[i].initial;
    const Context& before = known == now().contexts().end() ? fresh : known->second;
    for (const Edge& edge : model_->edges)
        if (edge.source == before.state && edge.event == occurrence.event && now().enabled(edge, before, occurrence))
            return edge.text;
    return "";
}

bool Simulation::undo(std::size_t steps) {
    if (steps >= moments_.size()) return false;
    for (; steps > 0; --steps) moments_.pop_back();
    return true;
}

std::vector<ShownContext> Simulation::contexts() const {
    std::vector<ShownContext> shown;
    for (const auto& [key, context] : now().contexts()) {
        const State& state = model_->states[context.state];
        ShownContext one{text_of(key), state.name, state.final, {}, possible_in(context.state)};
        for (std::size_t i = 0; i < model_->registers.size(); ++i)
            one.registers.emplace_back(model_->registers[i].name,
                                       content_of(model_->registers[i], context.registers[i]));
        shown.push_back(std::move(one));
    }
    return shown;
}

std::vector<std::string> Simulation::events() const {
    std::vector<std::string> shown;
    for (const Event& event : model_->events) {
        std::string fields;
        for (const Field& field : event.fields)
            fields += fmt::format("{}{}: {}", fields.empty() ? "" : ", ", field.name, type_word(field.type));
        shown.push_back(event.name + "(" + fields + ")");
    }
    return shown;
}

std::string Simulation::text_of(const ContextKey& key) const {
    std::string text;
    for (std::size_t i = 0; i < key.size(); ++i)
        text += fmt::format("{}{}={}", text.empty() ? "" : ", ", model_->keys[i].name,
                            codegen::text_of(key[i], model_->keys[i].type));
    return text;
}

std::string Simulation::state_of(const ContextKey& key) const {
    const auto found = now().contexts().find(key);
    return found == now().contexts().end() ? "" : model_->states[found->second.state].name;
}

std::string Simulation::content_of(const Register& declared, const RegisterValue& value) const {
    std::string text;
    const auto add = [&text](const std::string& entry) { text += (text.empty() ? "" : ", ") + entry; };
    switch (declared.kind) {
        case Register::Kind::integer:
            return codegen::text_of(value.scalar, declared.value);
        case Register::Kind::flag:
            return value.scalar.integer != 0 ? "true" : "false";
        case Register::Kind::clock:
            return value.reset_ns ? fmt::format("{} ns", moments_.back().time_ns -
                                                             std::min(moments_.back().time_ns, *value.reset_ns))
                                  : "never reset";
        case Register::Kind::set:
            for (const auto& [key, unused] : value.entries) add(codegen::text_of(key, declared.key));
            break;
        case Register::Kind::map:
            for (const auto& [key, held] : value.entries)
                add(codegen::text_of(key, declared.key) + ": " + codegen::text_of(held, declared.value));
            break;
        case Register::Kind::ranges:
            for (const auto& range : value.ranges.ranges())
                add(fmt::format("{} [{}, {}] {}", codegen::text_of(range.owner, declared.key), range.first,
                                range.last == UINT64_MAX ? "end" : std::to_string(range.last), range_mode(range.mode)));
            break;
    }
    return "{" + text + "}";
}

std::vector<std::string> Simulation::possible_in(std::uint32_t state) const {
    std::vector<std::string> possible;
    for (const Edge& edge : model_->edges) {
        if (edge.source != state) continue;
        std::string guards;
        for (const Expression& guard : edge.guards) guards += (guards.empty() ? "" : " and ") + guard.text;
        possible.push_back(model_->events[edge.event].name + (guards.empty() ? "" : " [" + guards + "]"));
    }
    return possible;
}

}  // namespace lockstep::codegen
