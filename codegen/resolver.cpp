#include "codegen/resolver.hpp"

#include <algorithm>
#include <iterator>
#include <map>

#include "codegen/parser.hpp"
#include "codegen/suggestion.hpp"

namespace lockstep::codegen {
namespace {

using syntax::Clause;
using syntax::Term;
using Kind = Expression::Kind;

std::optional<int> mode_of_name(std::string_view name) {
    const auto found = std::ranges::find(mode_names, name);
    if (found == std::end(mode_names)) return std::nullopt;
    return static_cast<int>(found - std::begin(mode_names));
}

const std::map<std::string, Kind, std::less<>>& comparison_kinds() {
    static const std::map<std::string, Kind, std::less<>> kinds = {{"==", Kind::equal},  {"!=", Kind::not_equal},
                                                                   {"<", Kind::less},    {"<=", Kind::less_equal},
                                                                   {">", Kind::greater}, {">=", Kind::greater_equal}};
    return kinds;
}

const std::map<std::string, Kind, std::less<>>& arithmetic_kinds() {
    static const std::map<std::string, Kind, std::less<>> kinds = {
        {"+", Kind::add}, {"-", Kind::subtract}, {"*", Kind::multiply}, {"/", Kind::divide}, {"%", Kind::remainder}};
    return kinds;
}

bool is_comparison(Kind kind) {
    return std::ranges::any_of(comparison_kinds(), [kind](const auto& entry) { return entry.second == kind; });
}

}  // namespace

std::string describe(Register::Kind kind) {
    switch (kind) {
        case Register::Kind::integer:
            return "an integer";
        case Register::Kind::flag:
            return "a flag";
        case Register::Kind::clock:
            return "a clock";
        case Register::Kind::set:
            return "a set";
        case Register::Kind::map:
            return "a map";
        case Register::Kind::ranges:
            return "a ranges register";
    }
    return {};
}

std::string describe(Type type) {
    switch (type) {
        case Type::flag:
            return "a flag";
        case Type::integer:
            return "an integer";
        case Type::duration:
            return "a duration";
        case Type::string:
            return "a string";
    }
    return {};
}

std::string type_word(ValueType type) {
    switch (type.type) {
        case Type::flag:
            return "flag";
        case Type::integer:
            return type.is_signed ? "int" : "unsigned";
        case Type::duration:
            return "duration";
        case Type::string:
            return "text";
    }
    return {};
}

std::optional<Origin> origin_of_name(std::string_view name) {
    static const std::map<std::string, Origin, std::less<>> origins = {
        {"process", Origin::process}, {"vpid", Origin::process}, {"thread", Origin::thread},
        {"vtid", Origin::thread},     {"cpu", Origin::cpu},      {"net_ns", Origin::net_ns}};
    const auto found = origins.find(name);
    if (found == origins.end()) return std::nullopt;
    return found->second;
}

void Resolver::error(Span span, std::string code, std::string message, std::string hint) {
    diagnostics_.push_back({Severity::error, std::move(code), position(span),
                            std::max<std::uint32_t>(1, span.end - span.begin), std::move(message), std::move(hint)});
}

std::string Resolver::written(Span span) const {
    return span.end <= source_.text().size() && span.begin < span.end
               ? source_.text().substr(span.begin, span.end - span.begin)
               : "";
}

Expression Resolver::make(Kind kind, ValueType type, const Term& term) const {
    Expression expression;
    expression.kind = kind;
    expression.type = type;
    expression.position = position(term.span);
    expression.text = kind == Kind::literal && term.kind == Term::Kind::text ? term.text : written(term.span);
    return expression;
}

std::optional<std::uint32_t> Resolver::find_register(std::string_view name) const {
    const auto found = std::ranges::find(model_.registers, name, &Register::name);
    if (found == model_.registers.end()) return std::nullopt;
    return static_cast<std::uint32_t>(found - model_.registers.begin());
}

std::vector<std::string> Resolver::visible_names(const Scope& scope) const {
    std::vector<std::string> names;
    if (scope.fields != nullptr)
        for (const Field& field : *scope.fields) names.push_back(field.name);
    if (scope.registers)
        for (const Register& declared : model_.registers) names.push_back(declared.name);
    for (const Parameter& parameter : model_.parameters) names.push_back(parameter.name);
    return names;
}

// --- values
// ------------------------------------------------------------------------------------------------------------

Resolver::Resolved Resolver::value(const Term& term, const Scope& scope) {
    switch (term.kind) {
        case Term::Kind::number:
        case Term::Kind::duration:
        case Term::Kind::text:
            return literal(term);
        case Term::Kind::name:
            return name(term, scope);
        case Term::Kind::call:
            return call(term, scope);
        case Term::Kind::index:
            return element(term, scope);
        case Term::Kind::unary:
            return unary(term, scope);
        case Term::Kind::binary:
            return binary(term, scope);
    }
    return std::nullopt;
}

Resolver::Resolved Resolver::condition(const Term& term, const Scope& scope) {
    Resolved condition = value(term, scope);
    if (!condition) return std::nullopt;
    if (condition->type.type != Type::flag) {
        const bool integer = condition->type.type == Type::integer;
        error(term.span, "type-mismatch", "a condition is expected, this is " + describe(condition->type.type),
              integer ? "compare it: `" + written(term.span) + " != 0`" : "compare it with `==`");
        return std::nullopt;
    }
    if (!clocks_stand_alone(*condition, true)) return std::nullopt;
    return condition;
}

Resolver::Resolved Resolver::typed(const Term& term, const Scope& scope, ValueType type, const std::string& what) {
    Resolved resolved = value(term, scope);
    if (!resolved) return std::nullopt;
    adopt_type(*resolved, type);
    if (resolved->type.type == type.type) return resolved;
    error(term.span, "type-mismatch",
          "`" + written(term.span) + "` is " + describe(resolved->type.type) + ", " + what + " is " +
              describe(type.type));
    return std::nullopt;
}

Resolver::Resolved Resolver::literal(const Term& term) const {
    if (term.broken) return std::nullopt;
    const ValueType type = term.kind == Term::Kind::text       ? string_type
                           : term.kind == Term::Kind::duration ? duration_type
                                                               : unsigned_type;
    Expression expression = make(Kind::literal, type, term);
    expression.integer = term.number;
    return expression;
}

Resolver::Resolved Resolver::name(const Term& term, const Scope& scope) {
    if (term.text == "true" || term.text == "false") {
        Expression expression = make(Kind::literal, flag_type, term);
        expression.integer = term.text == "true" ? 1 : 0;
        return expression;
    }
    if (const auto mode = mode_of_name(term.text)) {
        Expression expression = make(Kind::literal, unsigned_type, term);
        expression.integer = *mode;
        return expression;
    }
    if (scope.fields != nullptr) {
        const auto field = std::ranges::find(*scope.fields, term.text, &Field::name);
        if (field != scope.fields->end()) {
            Expression expression = make(Kind::field, field->type, term);
            expression.index = static_cast<std::uint32_t>(field - scope.fields->begin());
            return expression;
        }
    }
    if (const auto index = find_register(term.text); index && scope.registers) {
        const Register& found = model_.registers[*index];
        const bool scalar = found.kind == Register::Kind::integer || found.kind == Register::Kind::flag;
        if (!scalar && found.kind != Register::Kind::clock) {
            error(term.span, "type-mismatch", "`" + term.text + "` is " + describe(found.kind) + ", not a value",
                  "ask for `size(" + term.text + ")` or `… in " + term.text + "`");
            return std::nullopt;
        }
        const ValueType type = found.kind == Register::Kind::flag ? flag_type : scalar ? found.value : duration_type;
        Expression expression = make(scalar ? Kind::variable : Kind::clock, type, term);
        expression.index = *index;
        return expression;
    }
    const auto parameter = std::ranges::find(model_.parameters, term.text, &Parameter::name);
    if (parameter != model_.parameters.end()) {
        Expression expression = make(Kind::parameter, parameter->type, term);
        expression.index = static_cast<std::uint32_t>(parameter - model_.parameters.begin());
        return expression;
    }
    if (const auto origin = origin_of_name(term.text); origin && scope.fields != nullptr) {
        Expression expression = make(Kind::origin, unsigned_type, term);
        expression.origin = *origin;
        return expression;
    }
    return unknown_name(term, scope);
}

Resolver::Resolved Resolver::unknown_name(const Term& term, const Scope& scope) {
    if (free_names_) return free_parameter(term);
    if (scope.incomplete || broken_.contains(term.text)) return std::nullopt;
    for (const Event& event : model_.events) {
        if (scope.fields == nullptr || scope.fields == &event.fields) continue;
        if (std::ranges::find(event.fields, term.text, &Field::name) == event.fields.end()) continue;
        std::vector<std::string> names;
        for (const Field& field : *scope.fields) names.push_back(field.name);
        error(term.span, "missing-field",
              "`" + term.text + "` is a field of `" + event.name + "`, but " + scope.owner + " has no such field",
              names.empty() ? "" : "its fields are " + list_names(names));
        return std::nullopt;
    }
    const auto names = visible_names(scope);
    error(term.span, "undeclared-name", "`" + term.text + "` is not declared",
          suggest(term.text, names,
                  names.empty() ? "declare it in the binding note: `" + term.text + ": int`"
                                : "known here: " + list_names(names)));
    return std::nullopt;
}

Resolver::Resolved Resolver::free_parameter(const Term& term) {
    const std::string name = written(term.span);
    auto found = std::ranges::find(model_.parameters, name, &Parameter::name);
    if (found == model_.parameters.end()) {
        model_.parameters.push_back({name, integer_type, std::nullopt, position(term.span)});
        found = model_.parameters.end() - 1;
    }
    Expression expression = make(Kind::parameter, found->type, term);
    expression.index = static_cast<std::uint32_t>(found - model_.parameters.begin());
    return expression;
}

// A free name has the type of what it is compared with.
void Resolver::adopt_type(Expression& parameter, ValueType type) {
    if (parameter.kind != Kind::parameter || model_.parameters[parameter.index].value) return;
    parameter.type = type;
    model_.parameters[parameter.index].type = type;
}

// --- operators
// ---------------------------------------------------------------------------------------------------------

Resolver::Resolved Resolver::unary(const Term& term, const Scope& scope) {
    const bool negation = term.text == "!";
    Resolved operand =
        negation ? typed(term.operands[0], scope, flag_type, "what `!` negates") : value(term.operands[0], scope);
    if (!operand) return std::nullopt;
    if (!negation && operand->type.type != Type::integer && operand->type.type != Type::duration) {
        error(term.span, "type-mismatch", "`-` needs an integer, this is " + describe(operand->type.type));
        return std::nullopt;
    }
    if (!negation && operand->kind == Kind::literal) {
        operand->integer = saturate(-operand->integer);
        operand->type.is_signed = true;
        operand->text = written(term.span);
        return operand;
    }
    Expression expression = make(negation ? Kind::logical_not : Kind::negate, operand->type, term);
    if (!negation) expression.type.is_signed = true;
    expression.operands.push_back(std::move(*operand));
    return expression;
}

Resolver::Resolved Resolver::binary(const Term& term, const Scope& scope) {
    if (term.text == "&&" || term.text == "||") return logical(term, scope);
    if (term.text == "in") return membership(term, scope);
    if (comparison_kinds().contains(term.text)) return comparison(term, scope);
    return arithmetic(term, scope);
}

Resolver::Resolved Resolver::logical(const Term& term, const Scope& scope) {
    Resolved left = condition(term.operands[0], scope);
    Resolved right = condition(term.operands[1], scope);
    if (!left || !right) return std::nullopt;
    Expression expression = make(term.text == "&&" ? Kind::logical_and : Kind::logical_or, flag_type, term);
    expression.operands.push_back(std::move(*left));
    expression.operands.push_back(std::move(*right));
    return expression;
}

Resolver::Resolved Resolver::comparison(const Term& term, const Scope& scope) {
    Resolved left = value(term.operands[0], scope);
    Resolved right = value(term.operands[1], scope);
    if (!left || !right) return std::nullopt;
    adopt_type(*left, right->type);
    adopt_type(*right, left->type);
    const Type type = left->type.type;
    if (type != right->type.type) {
        const bool unit = (type == Type::duration && right->type.type == Type::integer) ||
                          (type == Type::integer && right->type.type == Type::duration);
        const bool flag = type == Type::flag || right->type.type == Type::flag;
        error(term.span, "type-mismatch",
              "`" + written(term.operands[0].span) + "` is " + describe(type) + ", `" + written(term.operands[1].span) +
                  "` is " + describe(right->type.type),
              unit   ? "give the number a unit: ns, us, ms, s"
              : flag ? "a flag is compared with true or false"
                     : "");
        return std::nullopt;
    }
    const Kind kind = comparison_kinds().find(term.text)->second;
    const bool ordered = kind != Kind::equal && kind != Kind::not_equal;
    if (ordered && (type == Type::string || type == Type::flag)) {
        error(term.span, "type-mismatch", describe(type) + " has no order",
              "strings and flags can be compared with `==` and `!=` only");
        return std::nullopt;
    }
    if (left->kind == Kind::clock && right->kind == Kind::clock) {
        error(term.span, "type-mismatch", "two clocks can't be compared", "compare each with a duration");
        return std::nullopt;
    }
    Expression expression = make(kind, flag_type, term);
    expression.operands.push_back(std::move(*left));
    expression.operands.push_back(std::move(*right));
    return expression;
}

Resolver::Resolved Resolver::arithmetic(const Term& term, const Scope& scope) {
    Resolved left = value(term.operands[0], scope);
    Resolved right = value(term.operands[1], scope);
    if (!left || !right) return std::nullopt;
    const bool scaled = term.text == "*" || term.text == "/" || term.text == "%";
    const Type type = left->type.type;
    const bool numbers = (type == Type::integer || type == Type::duration) &&
                         (right->type.type == type || (scaled && right->type.type == Type::integer));
    if (!numbers || left->kind == Kind::clock || right->kind == Kind::clock) {
        error(term.span, "type-mismatch", "`" + term.text + "` needs integers, or durations",
              left->kind == Kind::clock || right->kind == Kind::clock ? "a clock can only be compared" : "");
        return std::nullopt;
    }
    if ((term.text == "/" || term.text == "%") && (right->kind != Kind::literal || right->integer == 0)) {
        error(term.operands[1].span, "bad-divisor", "the divisor must be a number other than 0");
        return std::nullopt;
    }
    Expression expression = make(arithmetic_kinds().find(term.text)->second, left->type, term);
    expression.type.is_signed = true;
    expression.operands.push_back(std::move(*left));
    expression.operands.push_back(std::move(*right));
    return expression;
}

// A comparison with a clock that was never reset holds, whichever way it points; under `!` it would not, so it may not
// stand there.
bool Resolver::clocks_stand_alone(const Expression& expression, bool allowed) {
    if (is_comparison(expression.kind)) {
        for (const Expression& operand : expression.operands) {
            if (operand.kind != Kind::clock) {
                if (!clocks_stand_alone(operand, false)) return false;
                continue;
            }
            if (allowed) continue;
            diagnostics_.push_back(
                {Severity::error, "negated-clock", expression.position,
                 static_cast<std::uint32_t>(expression.text.size()),
                 "a comparison with a clock can't be negated: it holds while the clock was never reset",
                 "write the opposite comparison"});
            return false;
        }
        return true;
    }
    if (expression.kind == Kind::clock) {
        diagnostics_.push_back({Severity::error, "type-mismatch", expression.position,
                                static_cast<std::uint32_t>(expression.text.size()),
                                "a clock can only be compared with a duration", "`" + expression.text + " < 5ms`"});
        return false;
    }
    const bool passes = allowed && (expression.kind == Kind::logical_and || expression.kind == Kind::logical_or);
    return std::ranges::all_of(expression.operands,
                               [&](const Expression& operand) { return clocks_stand_alone(operand, passes); });
}

}  // namespace lockstep::codegen
