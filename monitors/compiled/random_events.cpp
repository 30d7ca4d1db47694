#include "monitors/compiled/random_events.hpp"

#include <fmt/format.h>

#include <iterator>

namespace lockstep::monitors {

using codegen::Binding;
using codegen::Expression;
using codegen::Interpreter;
using codegen::Outcome;
using codegen::TracepointHit;
using codegen::Value;

namespace {

constexpr int hits_before_forgetting = 250;

// What `condition` compares the field with: chance alone would never meet it.
void add_compared(const Expression& condition, std::uint32_t field, std::vector<std::uint64_t>& constants) {
    for (const Expression& operand : condition.operands) add_compared(operand, field, constants);
    if (condition.operands.size() != 2 || condition.operands[0].kind != Expression::Kind::field) return;
    if (condition.operands[0].index == field && condition.operands[1].kind == Expression::Kind::literal)
        constants.push_back(static_cast<std::uint64_t>(condition.operands[1].integer));
}

}  // namespace

std::optional<std::string> RandomEvents::deliver_to(Agreement& agreement, int hits) {
    for (int i = 0; i < hits; ++i) {
        // The interpreter stays small enough to be copied.
        if (i % hits_before_forgetting == 0) agreement.start_over();
        if (const auto difference = agreement.deliver(next_hit(agreement.interpreter())))
            return fmt::format("hit {}: {}", i, *difference);
    }
    return std::nullopt;
}

// Few values, so that contexts, owners and ranges meet; a few large ones, so that the ends of the integers are met too.
Value RandomEvents::random_value(const codegen::Field& field) {
    if (field.type.type == codegen::Type::string) {
        const char* texts[] = {"", "alice", "bob", "carol"};
        return {0, texts[random_() % std::size(texts)]};
    }
    constexpr std::uint64_t rare[] = {UINT64_MAX, UINT64_MAX - 1, std::uint64_t{1} << 63, 1000};
    if (field.name == "mode" && random_() % 2 == 0) return {random_() % 6, {}};
    const std::uint64_t drawn = random_() % 40 == 0 ? rare[random_() % std::size(rare)] : random_() % 3;
    if (field.c_type == "uint8_t") return {static_cast<std::uint8_t>(drawn), {}};
    if (field.c_type == "uint32_t") return {static_cast<std::uint32_t>(drawn), {}};
    if (field.c_type == "int32_t") return {static_cast<std::int32_t>(drawn), {}};
    return field.type.is_signed ? Value{static_cast<std::int64_t>(drawn), {}} : Value{drawn, {}};
}

Value RandomEvents::random_value(const Binding& binding, std::uint32_t field) {
    std::vector<std::uint64_t> constants;
    if (binding.when) add_compared(*binding.when, field, constants);
    if (constants.empty() || random_() % 8 == 0) return random_value(binding.tracepoint_fields[field]);
    const std::uint64_t constant = constants[random_() % constants.size()];
    return {constant != 0 && random_() % 4 == 0 ? constant - 1 : constant, {}};
}

TracepointHit RandomEvents::random_hit() {
    TracepointHit hit;
    hit.binding = static_cast<std::uint32_t>(random_() % model_.bindings.size());
    const Binding& chosen = model_.bindings[hit.binding];
    for (std::uint32_t field = 0; field < chosen.tracepoint_fields.size(); ++field)
        hit.fields.push_back(random_value(chosen, field));
    time_ns_ += random_() % 20;
    hit.where = {time_ns_, 100 + random_() % 2, 200 + random_() % 3, random_() % 2, 4026531840 + random_() % 2};
    return hit;
}

// Purely random events are soon wrong: half of them are chosen so that the interpreter goes on, if a few tries find
// one.
TracepointHit RandomEvents::next_hit(const Interpreter& interpreter) {
    TracepointHit hit = random_hit();
    if (random_() % 2 == 0) return hit;
    for (int tries = 0; tries < 24; ++tries, hit = random_hit()) {
        Interpreter copy = interpreter;
        const auto outcome = codegen::deliver(model_, hit, copy);
        if (copy.violations().size() == interpreter.violations().size() && outcome && *outcome != Outcome::ignored)
            break;
    }
    return hit;
}

}  // namespace lockstep::monitors
