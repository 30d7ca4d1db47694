#include "codegen/interpreter.hpp"

#include <algorithm>
#include <stdexcept>

namespace lockstep::codegen {

using Kind = Expression::Kind;

struct Interpreter::View {
    const std::vector<Value>& fields;
    const Circumstances& circumstances;
    const Context* context = nullptr;  // none in `when` and `:=`
};

Interpreter::Interpreter(const Model& model) : model_(model) {
    for (const Parameter& parameter : model.parameters) parameters_.push_back(parameter.value);
}

void Interpreter::set_parameter(const std::string& name, Integer value) {
    const auto found = std::ranges::find(model_.parameters, name, &Parameter::name);
    if (found == model_.parameters.end()) throw std::invalid_argument("the model has no parameter " + name);
    parameters_[static_cast<std::size_t>(found - model_.parameters.begin())] = value;
}

// --- steps
// -------------------------------------------------------------------------------------------------------------

Outcome Interpreter::step(const Occurrence& occurrence) {
    last_edge_.reset();
    advance(occurrence.circumstances.time_ns);
    const Event& event = model_.events[occurrence.event];
    const ContextKey key = key_of(occurrence);

    if (!contexts_.contains(key)) {
        if (event.start == StartRule::none) return Outcome::ignored;
        contexts_[key] = initial_context(event.start_state);
        if (event.start == StartRule::enter) return Outcome::started;
    }
    return process(key, occurrence);
}

Outcome Interpreter::process(const ContextKey& key, const Occurrence& occurrence) {
    Context& context = contexts_[key];
    for (const Edge& edge : model_.edges) {
        if (edge.source != context.state || edge.event != occurrence.event || !enabled(edge, context, occurrence))
            continue;
        for (const Action& action : edge.actions) apply(action, context, occurrence);
        context.state = edge.target;
        last_edge_ = static_cast<std::uint32_t>(&edge - model_.edges.data());
        if (!fits(context)) {
            ++overflows_;
            contexts_.erase(key);
            return Outcome::inconclusive;
        }
        if (model_.states[edge.target].ends) contexts_.erase(key);
        return Outcome::moved;
    }
    report(key, context, occurrence.event, occurrence.circumstances.time_ns, "no edge for this event");
    contexts_.erase(key);
    return Outcome::violation;
}

bool Interpreter::enabled(const Edge& edge, const Context& context, const Occurrence& occurrence) const {
    const View view{occurrence.fields, occurrence.circumstances, &context};
    return std::ranges::all_of(edge.guards, [&](const Expression& guard) { return holds(guard, view); });
}

void Interpreter::advance(std::uint64_t time_ns) {
    while (true) {
        const ContextKey* next = nullptr;
        std::uint64_t first_deadline = time_ns;
        for (const auto& [key, context] : contexts_) {
            const auto due = deadline(context);
            if (!due || *due > time_ns || (next != nullptr && *due >= first_deadline)) continue;
            next = &key;
            first_deadline = *due;
        }
        if (next == nullptr) return;
        const ContextKey key = *next;
        report(key, contexts_[key], no_event, first_deadline, "the state's invariant was passed");
        contexts_.erase(key);
    }
}

// The first moment at which an invariant of the context's state is violated.
std::optional<std::uint64_t> Interpreter::deadline(const Context& context) const {
    std::optional<std::uint64_t> earliest;
    for (const Invariant& invariant : model_.states[context.state].invariants) {
        const auto reset_ns = context.registers[invariant.clock].reset_ns;
        if (!reset_ns) continue;
        const View view{{}, {}, &context};
        const Integer bound = evaluate(invariant.bound, view).integer;
        const std::uint64_t due = to_unsigned(add(*reset_ns, add(bound, invariant.inclusive ? 1 : 0)));
        if (!earliest || due < *earliest) earliest = due;
    }
    return earliest;
}

std::optional<Outcome> Interpreter::deliver(std::uint32_t index, const std::vector<Value>& tracepoint_fields,
                                            const Circumstances& circumstances) {
    const Binding& binding = model_.bindings[index];
    const View view{tracepoint_fields, circumstances, nullptr};
    if (binding.when && !holds(*binding.when, view)) return std::nullopt;
    Occurrence occurrence{binding.event, {}, circumstances};
    for (const Expression& value : binding.values) occurrence.fields.push_back(evaluate(value, view));
    return step(occurrence);
}

ContextKey Interpreter::key_of(const Occurrence& occurrence) const {
    ContextKey key;
    const Circumstances& where = occurrence.circumstances;
    for (std::size_t i = 0; i < model_.keys.size(); ++i) {
        const Key& part = model_.keys[i];
        if (!part.origin) {
            key.push_back(stored(occurrence.fields[model_.events[occurrence.event].key_fields[i]], part.type));
            continue;
        }
        switch (*part.origin) {
            case Origin::process:
                key.push_back({where.process, {}});
                break;
            case Origin::thread:
                key.push_back({where.thread, {}});
                break;
            case Origin::cpu:
                key.push_back({where.cpu, {}});
                break;
            case Origin::net_ns:
                key.push_back({where.net_ns, {}});
                break;
        }
    }
    return key;
}

Context Interpreter::initial_context(std::uint32_t state) const {
    Context context;
    context.state = state;
    for (const Register& declared : model_.registers) {
        RegisterValue value;
        value.scalar.integer = declared.initial;
        context.registers.push_back(std::move(value));
    }
    return context;
}

std::vector<ContextKey> Interpreter::pending() const {
    std::vector<ContextKey> keys;
    for (const auto& [key, context] : contexts_)
        if (!model_.states[context.state].final) keys.push_back(key);
    return keys;
}

void Interpreter::report(const ContextKey& key, const Context& context, std::uint32_t event, std::uint64_t time_ns,
                         std::string reason) {
    violations_.push_back({key, context.state, event, time_ns, std::move(reason)});
}

// --- expressions
// -------------------------------------------------------------------------------------------------------

bool Interpreter::holds(const Expression& expression, const View& view) const {
    return evaluate(expression, view).integer != 0;
}

Value Interpreter::evaluate(const Expression& e, const View& view) const {
    const auto number = [&](std::size_t operand) { return evaluate(e.operands[operand], view).integer; };
    const auto content = [&]() -> const RegisterValue& { return view.context->registers[e.index]; };
    const auto flag = [](bool value) { return Value{value ? 1 : 0, {}}; };
    switch (e.kind) {
        case Kind::literal:
            return e.type.type == Type::string ? Value{0, e.text} : Value{e.integer, {}};
        case Kind::field:
            return view.fields[e.index];
        case Kind::origin:
            switch (e.origin) {
                case Origin::process:
                    return {view.circumstances.process, {}};
                case Origin::thread:
                    return {view.circumstances.thread, {}};
                case Origin::cpu:
                    return {view.circumstances.cpu, {}};
                case Origin::net_ns:
                    return {view.circumstances.net_ns, {}};
            }
            break;
        case Kind::variable:
            return content().scalar;
        case Kind::clock:
            return {subtract(view.circumstances.time_ns, content().reset_ns.value_or(0)), {}};
        case Kind::parameter:
            if (!parameters_[e.index])
                throw std::invalid_argument("parameter " + model_.parameters[e.index].name + " has no value");
            return {*parameters_[e.index], {}};
        case Kind::logical_not:
            return flag(!holds(e.operands[0], view));
        case Kind::logical_and:
            return flag(holds(e.operands[0], view) && holds(e.operands[1], view));
        case Kind::logical_or:
            return flag(holds(e.operands[0], view) || holds(e.operands[1], view));
        case Kind::equal:
        case Kind::not_equal:
        case Kind::less:
        case Kind::less_equal:
        case Kind::greater:
        case Kind::greater_equal:
            return flag(compare(e, view));
        case Kind::negate:
            return {subtract(0, number(0)), {}};
        case Kind::add:
            return {codegen::add(number(0), number(1)), {}};
        case Kind::subtract:
            return {codegen::subtract(number(0), number(1)), {}};
        case Kind::multiply:
            return {codegen::multiply(number(0), number(1)), {}};
        case Kind::divide:
            return {codegen::divide(number(0), number(1)), {}};
        case Kind::remainder:
            return {codegen::remainder(number(0), number(1)), {}};
        case Kind::contains: {
            const Register& declared = model_.registers[e.index];
            const Value member = stored(evaluate(e.operands[0], view), declared.key);
            return flag(declared.kind == Register::Kind::ranges ? content().ranges.contains(member)
                                                                : content().entries.contains(member));
        }
        case Kind::element: {
            const auto found =
                content().entries.find(stored(evaluate(e.operands[0], view), model_.registers[e.index].key));
            return found == content().entries.end() ? Value{} : found->second;
        }
        case Kind::size:
            return {static_cast<Integer>(size_of(content(), model_.registers[e.index])), {}};
        case Kind::empty:
            return flag(size_of(content(), model_.registers[e.index]) == 0);
        case Kind::compatible:
            return flag(modes_compatible(number(0), number(1)));
        case Kind::compatible_with_all:
            return flag(compatible_with_all(e, view));
        case Kind::conflicts:
            return flag(content().ranges.conflicts(stored(evaluate(e.operands[0], view), model_.registers[e.index].key),
                                                   to_unsigned(number(1)), to_unsigned(number(2)), number(3)));
        case Kind::leaves_empty:
            return flag(leaves_empty(e, view));
    }
    return {};
}

bool Interpreter::compare(const Expression& e, const View& view) const {
    for (const Expression& operand : e.operands)
        if (operand.kind == Kind::clock && !view.context->registers[operand.index].reset_ns) return true;
    const Value left = evaluate(e.operands[0], view);
    const Value right = evaluate(e.operands[1], view);
    switch (e.kind) {
        case Kind::equal:
            return left == right;
        case Kind::not_equal:
            return left != right;
        case Kind::less:
            return left.integer < right.integer;
        case Kind::less_equal:
            return left.integer <= right.integer;
        case Kind::greater:
            return left.integer > right.integer;
        default:
            return left.integer >= right.integer;
    }
}

bool Interpreter::compatible_with_all(const Expression& e, const View& view) const {
    const Integer mode = evaluate(e.operands[0], view).integer;
    std::optional<Value> own;
    if (e.operands.size() > 1) own = stored(evaluate(e.operands[1], view), model_.registers[e.index].key);
    const auto& holders = view.context->registers[e.index].entries;
    return std::ranges::all_of(holders, [&](const auto& holder) {
        return (own && holder.first == *own) || modes_compatible(mode, holder.second.integer);
    });
}

bool Interpreter::leaves_empty(const Expression& e, const View& view) const {
    RangeTable<Value> after = view.context->registers[e.index].ranges;
    after.unlock(stored(evaluate(e.operands[0], view), model_.registers[e.index].key),
                 to_unsigned(evaluate(e.operands[1], view).integer),
                 to_unsigned(evaluate(e.operands[2], view).integer));
    return after.ranges().empty();
}

// --- actions
// -----------------------------------------------------------------------------------------------------------

// A register holds 64 bits: the nearest value that its type can hold.
Value Interpreter::stored(const Value& value, ValueType type) const {
    if (type.type != Type::integer) return value;
    return {type.is_signed ? Integer{to_signed(value.integer)} : Integer{to_unsigned(value.integer)}, {}};
}

std::size_t Interpreter::size_of(const RegisterValue& value, const Register& declared) const {
    return declared.kind == Register::Kind::ranges ? value.ranges.ranges().size() : value.entries.size();
}

void Interpreter::apply(const Action& action, Context& context, const Occurrence& occurrence) const {
    const Register& declared = model_.registers[action.index];
    RegisterValue& content = context.registers[action.index];
    const View view{occurrence.fields, occurrence.circumstances, &context};
    std::vector<Value> operands;
    for (const Expression& operand : action.operands) operands.push_back(evaluate(operand, view));

    switch (action.kind) {
        case Action::Kind::assign:
            content.scalar = declared.kind == Register::Kind::flag ? operands[0] : stored(operands[0], declared.value);
            break;
        case Action::Kind::assign_element:
            content.entries[stored(operands[0], declared.key)] = stored(operands[1], declared.value);
            break;
        case Action::Kind::insert:
            content.entries[stored(operands[0], declared.key)] = {};
            break;
        case Action::Kind::erase:
            content.entries.erase(stored(operands[0], declared.key));
            content.ranges.erase(stored(operands[0], declared.key));
            break;
        case Action::Kind::clear:
            content.entries.clear();
            content.ranges.clear();
            break;
        case Action::Kind::reset:
            content.reset_ns = occurrence.circumstances.time_ns;
            break;
        case Action::Kind::lock:
            content.ranges.lock(stored(operands[0], declared.key), to_unsigned(operands[1].integer),
                                to_unsigned(operands[2].integer), operands[3].integer);
            break;
        case Action::Kind::unlock:
            content.ranges.unlock(stored(operands[0], declared.key), to_unsigned(operands[1].integer),
                                  to_unsigned(operands[2].integer));
            break;
    }
}

// Capacities bound what an edge leaves behind, not what its actions pass through.
bool Interpreter::fits(const Context& context) const {
    for (std::size_t i = 0; i < model_.registers.size(); ++i) {
        const Register& declared = model_.registers[i];
        if (declared.capacity != 0 && size_of(context.registers[i], declared) > declared.capacity) return false;
    }
    return true;
}

}  // namespace lockstep::codegen
