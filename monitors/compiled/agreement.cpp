#include "monitors/compiled/agreement.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <set>
#include <stdexcept>
#include <string_view>

#include "monitors/runtime/string_table.hpp"
#include "monitors/runtime/violation.hpp"

namespace lockstep::monitors {

using codegen::Binding;
using codegen::Expression;
using codegen::Interpreter;
using codegen::Outcome;
using codegen::Value;

namespace {

std::uint64_t word(const Value& value) {
    return value.text.empty() ? static_cast<std::uint64_t>(value.integer)
                              : hash_string(value.text.data(), value.text.size());
}

std::uint32_t binding_of(const MonitorDescriptor& descriptor, const Binding& wanted) {
    for (std::uint32_t i = 0; i < descriptor.binding_count; ++i)
        if (wanted.provider == descriptor.bindings[i].provider &&
            wanted.tracepoint == descriptor.bindings[i].tracepoint)
            return i;
    throw std::invalid_argument("the compiled property lacks " + wanted.provider + ":" + wanted.tracepoint);
}

std::string text_of(const std::map<std::vector<std::uint64_t>, std::uint32_t>& states) {
    std::string text;
    for (const auto& [key, state] : states) text += fmt::format(" ({}): {}", fmt::join(key, ", "), state);
    return text;
}

}  // namespace

Agreement::Agreement(const codegen::Model& model, const MonitorDescriptor& descriptor)
    : model_(model), descriptor_(descriptor), interpreter_(std::make_unique<Interpreter>(model)) {
    for (const Binding& binding : model.bindings) bindings_.push_back(binding_of(descriptor, binding));
    InstanceOptions options;
    options.contexts = 64;
    options.blocks = 4096;
    instance_ = descriptor.create(options);
    if (instance_ == nullptr) throw std::bad_alloc();
}

Agreement::~Agreement() {
    descriptor_.destroy(instance_);
}

void Agreement::start_over() {
    interpreter_ = std::make_unique<Interpreter>(model_);
    instance_->forget_all();
}

std::optional<std::string> Agreement::deliver(const codegen::TracepointHit& hit) {
    const bool forgettable = keeps_forgettable();
    const std::size_t violations_before = interpreter_->violations().size();
    const std::uint64_t overflows_before = interpreter_->overflows();
    const Counters before = instance_->counters();
    const auto outcome = codegen::deliver(model_, hit, *interpreter_);
    deliver_compiled(hit);
    const Counters after = instance_->counters();
    if (outcome) ++outcomes_[*outcome];

    const auto differ = [](const char* what, std::uint64_t expected, std::uint64_t got) {
        return expected == got ? std::optional<std::string>{}
                               : fmt::format("{}: interpreted {}, compiled {}", what, expected, got);
    };
    // What happens in a context that was forgotten is ignored, and changes nothing in the interpreter's.
    const bool ignored = after.ignored_unknown != before.ignored_unknown;
    const bool ignored_rightly =
        ignored == (outcome == Outcome::ignored) || (ignored && forgettable && outcome == Outcome::moved);
    if (!ignored_rightly) return "the event was ignored by one of them only";
    if (auto text = differ("events", outcome ? 1 : 0, after.events - before.events)) return text;
    if (auto text = differ("violations", interpreter_->violations().size() - violations_before,
                           after.violations - before.violations))
        return text;
    if (auto text = differ("full registers", interpreter_->overflows() - overflows_before,
                           after.register_full - before.register_full))
        return text;
    if (auto text = compare_contexts()) return text;
    return compare_violations(violations_before);
}

void Agreement::deliver_compiled(const codegen::TracepointHit& hit) {
    // Time passes for every context before the event happens, as in the interpreter.
    instance_->advance(hit.where.time_ns);
    if (hit.binding == codegen::no_event) return;
    std::vector<Slot> slots;
    const BindingDescriptor& binding = descriptor_.bindings[bindings_[hit.binding]];
    for (std::size_t i = 0; i < hit.fields.size(); ++i) {
        Slot slot{};
        if (binding.fields[i].type == FieldType::string)
            slot.string = hit.fields[i].text.c_str();
        else
            slot.unsigned_integer = static_cast<std::uint64_t>(hit.fields[i].integer);
        slots.push_back(slot);
    }
    descriptor_.deliver(instance_, bindings_[hit.binding], slots.data(),
                        {hit.where.time_ns, hit.where.net_ns, static_cast<std::uint32_t>(hit.where.process),
                         static_cast<std::uint32_t>(hit.where.thread), static_cast<std::uint32_t>(hit.where.cpu)});
}

// --- what is compared
// ---------------------------------------------------------------------------------------------------

std::optional<std::string> Agreement::compare_contexts() {
    const States expected = interpreted_states(), got = compiled_states();
    if (expected == got) return std::nullopt;
    return fmt::format("contexts: interpreted{}, compiled{}", text_of(expected), text_of(got));
}

std::optional<std::string> Agreement::compare_violations(std::size_t violations_before) {
    // Timers that end together are told in any order.
    std::multiset<std::string> expected, told;
    const auto describe = [](const std::string& state, const std::string& event) { return state + " " + event; };
    ViolationRecord record;
    while (instance_->take_violation(record))
        told.insert(describe(descriptor_.states[record.state],
                             record.event == no_event ? "" : descriptor_.events[record.event].name));
    const auto& violations = interpreter_->violations();
    for (std::size_t i = violations_before; i < violations.size(); ++i)
        expected.insert(
            describe(model_.states[violations[i].state].name,
                     violations[i].event == codegen::no_event ? "" : model_.events[violations[i].event].name));
    if (expected == told) return std::nullopt;
    return fmt::format("violations: interpreted [{}], compiled [{}]", fmt::join(expected, ", "), fmt::join(told, ", "));
}

Agreement::States Agreement::compiled_states() {
    struct Collected {
        States states;
        std::size_t keys;
    } collected{{}, model_.keys.size()};
    instance_->visit_contexts(
        [](void* data, const std::uint64_t* key, std::uint16_t state) {
            auto& into = *static_cast<Collected*>(data);
            into.states[{key, key + into.keys}] = state;
        },
        &collected);
    return collected.states;
}

Agreement::States Agreement::interpreted_states() const {
    States states;
    for (const auto& [key, context] : interpreter_->contexts()) {
        if (is_forgettable(context)) continue;
        std::vector<std::uint64_t> words;
        for (const Value& value : key) words.push_back(word(value));
        states[words] = context.state;
    }
    return states;
}

bool Agreement::has_initial_registers(const codegen::Context& context) const {
    for (std::size_t i = 0; i < model_.registers.size(); ++i) {
        const codegen::RegisterValue& value = context.registers[i];
        if (value.scalar.integer != model_.registers[i].initial || value.reset_ns || !value.entries.empty() ||
            !value.ranges.ranges().empty())
            return false;
    }
    return true;
}

// The interpreter keeps what the compiled monitor may forget without anybody noticing.
bool Agreement::is_forgettable(const codegen::Context& context) const {
    return model_.states[context.state].reclaimable && has_initial_registers(context);
}

bool Agreement::keeps_forgettable() const {
    return std::ranges::any_of(interpreter_->contexts(),
                               [this](const auto& each) { return is_forgettable(each.second); });
}

std::vector<std::uint64_t> Agreement::edges_taken() const {
    std::vector<std::uint64_t> edges(descriptor_.edge_count), events(descriptor_.event_count);
    instance_->add_coverage(edges.data(), events.data());
    return edges;
}

std::vector<std::uint64_t> Agreement::events_seen() const {
    std::vector<std::uint64_t> edges(descriptor_.edge_count), events(descriptor_.event_count);
    instance_->add_coverage(edges.data(), events.data());
    return events;
}

}  // namespace lockstep::monitors
