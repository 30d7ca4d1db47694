// The part of the resolver that reads actions and invariants.
#include <algorithm>
#include <array>

#include "codegen/resolver.hpp"
#include "codegen/suggestion.hpp"

namespace lockstep::codegen {

using syntax::Clause;
using syntax::Term;

std::optional<Action> Resolver::action(const Clause& clause, const Scope& scope) {
    std::optional<Action> action = clause.kind == Clause::Kind::action       ? call_action(clause, scope)
                                   : clause.target.kind == Term::Kind::index ? assign_element(clause, scope)
                                                                             : assignment(clause, scope);
    if (action) {
        action->position = position(clause.span);
        action->text = written(clause.span);
    }
    return action;
}

std::optional<Action> Resolver::assignment(const Clause& clause, const Scope& scope) {
    const Term& target = clause.target;
    const auto index = find_register(target.text);
    if (!index && broken_.contains(target.text)) return std::nullopt;
    if (!index) {
        const bool field = scope.fields != nullptr &&
                           std::ranges::find(*scope.fields, target.text, &Field::name) != scope.fields->end();
        std::vector<std::string> names;
        for (const Register& declared : model_.registers) names.push_back(declared.name);
        if (field)
            error(clause.span, "assigned-field", "`" + target.text + "` is a field of the event and can't be assigned",
                  "to compare, write `==`");
        else if (!scope.incomplete)
            error(target.span, "undeclared-name", "`" + target.text + "` is not declared",
                  suggest(target.text, names, "declare it in the binding note: `" + target.text + ": int`"));
        return std::nullopt;
    }
    const Register& found = model_.registers[*index];
    if (found.kind != Register::Kind::integer && found.kind != Register::Kind::flag) {
        const bool clock = found.kind == Register::Kind::clock;
        error(clause.span, "type-mismatch", "`" + found.name + "` can't be assigned as a whole",
              clock ? "write `reset(" + found.name + ")`" : "write `clear(" + found.name + ")`, or change one element");
        return std::nullopt;
    }
    const bool flag = found.kind == Register::Kind::flag;
    const ValueType type = flag ? ValueType{Type::flag, false} : found.value;
    auto value = typed(clause.value, scope, type, "`" + found.name + "`");
    if (!value) return std::nullopt;
    if (!clocks_stand_alone(*value, false)) return std::nullopt;
    if (clause.operation != "=") {
        if (flag) {
            error(clause.span, "type-mismatch",
                  "`" + clause.operation + "` needs an integer, `" + found.name + "` is a flag");
            return std::nullopt;
        }
        Expression old = make(Expression::Kind::variable, type, target);
        old.index = *index;
        Expression sum = make(clause.operation == "+=" ? Expression::Kind::add : Expression::Kind::subtract,
                              {Type::integer, true}, clause.value);
        sum.operands.push_back(std::move(old));
        sum.operands.push_back(std::move(*value));
        value = std::move(sum);
    }
    Action action;
    action.kind = Action::Kind::assign;
    action.index = *index;
    action.operands.push_back(std::move(*value));
    return action;
}

std::optional<Action> Resolver::assign_element(const Clause& clause, const Scope& scope) {
    auto element_read = element(clause.target, scope);
    if (!element_read) return std::nullopt;
    const Register& map = model_.registers[element_read->index];
    auto value = typed(clause.value, scope, map.value, "a value of `" + map.name + "`");
    if (!value) return std::nullopt;
    if (!clocks_stand_alone(*value, false)) return std::nullopt;
    Action action;
    action.kind = Action::Kind::assign_element;
    action.index = element_read->index;
    action.operands.push_back(element_read->operands[0]);
    if (clause.operation != "=") {
        if (map.value.type != Type::integer) {
            error(clause.span, "type-mismatch", "`" + clause.operation + "` needs integers");
            return std::nullopt;
        }
        Expression sum = make(clause.operation == "+=" ? Expression::Kind::add : Expression::Kind::subtract,
                              {Type::integer, true}, clause.value);
        sum.operands.push_back(std::move(*element_read));
        sum.operands.push_back(std::move(*value));
        value = std::move(sum);
    }
    action.operands.push_back(std::move(*value));
    return action;
}

std::optional<Action> Resolver::call_action(const Clause& clause, const Scope& scope) {
    using RegisterKind = Register::Kind;
    struct Form {
        std::string_view name;
        Action::Kind kind;
        std::size_t arguments;
        std::string_view usage;
    };
    static constexpr std::array<Form, 6> forms = {{
        {"reset", Action::Kind::reset, 1, "reset(clock)"},
        {"insert", Action::Kind::insert, 2, "insert(set, value)"},
        {"erase", Action::Kind::erase, 2, "erase(register, key)"},
        {"clear", Action::Kind::clear, 1, "clear(register)"},
        {"lock", Action::Kind::lock, 5, "lock(ranges, owner, first, last, mode)"},
        {"unlock", Action::Kind::unlock, 4, "unlock(ranges, owner, first, last)"},
    }};
    const Term& call = clause.target;
    const Form& form = *std::ranges::find(forms, call.text, &Form::name);
    if (!argument_count(call, form.arguments, form.arguments, std::string(form.usage))) return std::nullopt;

    std::optional<std::uint32_t> index;
    switch (form.kind) {
        case Action::Kind::reset:
            index = container(call.operands[0], {RegisterKind::clock}, "a clock", "clock");
            break;
        case Action::Kind::insert:
            index = container(call.operands[0], {RegisterKind::set}, "a set", "set of int");
            break;
        case Action::Kind::lock:
        case Action::Kind::unlock:
            index = container(call.operands[0], {RegisterKind::ranges}, "a ranges register", "ranges of owner");
            break;
        default:
            index = container(call.operands[0], {RegisterKind::set, RegisterKind::map, RegisterKind::ranges},
                              "a set, a map or a ranges register", "set of int");
    }
    if (!index) return std::nullopt;

    Action action;
    action.kind = form.kind;
    action.index = *index;
    if (form.kind == Action::Kind::lock || form.kind == Action::Kind::unlock) {
        auto arguments = range_arguments(call, scope, *index, form.kind == Action::Kind::lock);
        if (!arguments) return std::nullopt;
        action.operands = std::move(*arguments);
    } else if (form.arguments == 2) {
        const Register& found = model_.registers[*index];
        auto member = typed(call.operands[1], scope, found.key, "what `" + found.name + "` holds");
        if (!member) return std::nullopt;
        action.operands.push_back(std::move(*member));
    }
    return action;
}

std::vector<Invariant> Resolver::invariants(const Term& term) {
    if (term.kind == Term::Kind::binary && term.text == "&&") {
        auto all = invariants(term.operands[0]);
        for (Invariant& more : invariants(term.operands[1])) all.push_back(std::move(more));
        return all;
    }
    const std::string usage = "an invariant is `clock < duration` or `clock <= duration`";
    if (term.kind != Term::Kind::binary || (term.text != "<" && term.text != "<=") ||
        term.operands[0].kind != Term::Kind::name) {
        error(term.span, "bad-invariant", "this is no invariant", usage);
        return {};
    }
    const auto clock = container(term.operands[0], {Register::Kind::clock}, "a clock", "clock");
    if (!clock) return {};
    auto bound = typed(term.operands[1], Scope{}, {Type::duration, false}, "the bound of a clock");
    if (!bound) return {};
    if (bound->kind != Expression::Kind::literal && bound->kind != Expression::Kind::parameter) {
        error(term.operands[1].span, "bad-invariant", "the bound of an invariant is a duration or a parameter", usage);
        return {};
    }
    return {Invariant{*clock, term.text == "<=", std::move(*bound), position(term.span), written(term.span)}};
}

}  // namespace lockstep::codegen
