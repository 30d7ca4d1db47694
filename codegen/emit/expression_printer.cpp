#include "codegen/emit/expression_printer.hpp"

#include <fmt/format.h>

#include "codegen/emit/emitter.hpp"
#include "codegen/emit/names.hpp"

namespace lockstep::codegen {
namespace {

using Kind = Expression::Kind;

std::string decimal(Integer value) {
    if (value < 0) return "-" + decimal(-value);
    return value < 10 ? std::string(1, static_cast<char>('0' + static_cast<int>(value)))
                      : decimal(value / 10) + static_cast<char>('0' + static_cast<int>(value % 10));
}

CppType cpp_kind(ValueType type) {
    switch (type.type) {
        case Type::flag:
            return CppType::boolean;
        case Type::string:
            return CppType::text;
        case Type::integer:
        case Type::duration:
            break;
    }
    return type.is_signed ? CppType::signed_64 : CppType::unsigned_64;
}

bool is_number(CppType type) {
    return type != CppType::boolean && type != CppType::text;
}

// A literal that an int64_t can hold may stand beside an int64_t.
bool adapts(const Expression& expression, CppType to) {
    return expression.kind == Kind::literal && to == CppType::signed_64 && expression.integer >= 0 &&
           expression.integer <= std::numeric_limits<std::int64_t>::max();
}

}  // namespace

Printed print_integer(Integer value) {
    if (value < 0) {
        // INT64_MIN has no literal of its own.
        if (value == integer_lowest) return {"INT64_MIN", CppType::signed_64};
        return {fmt::format("INT64_C({})", decimal(value)), CppType::signed_64};
    }
    if (value <= 0xffffffff) return {decimal(value) + "u", CppType::unsigned_64};
    if (value == integer_highest) return {"UINT64_MAX", CppType::unsigned_64};
    return {fmt::format("UINT64_C({})", decimal(value)), CppType::unsigned_64};
}

std::string cpp_type(ValueType type) {
    switch (cpp_kind(type)) {
        case CppType::boolean:
            return "bool";
        case CppType::text:
            return "Text";
        case CppType::signed_64:
            return "std::int64_t";
        case CppType::unsigned_64:
        case CppType::wide:
            break;
    }
    return "std::uint64_t";
}

Printed ExpressionPrinter::print(const Expression& expression) const {
    switch (expression.kind) {
        case Kind::literal:
            return literal(expression);
        case Kind::field:
            return reading(fmt::format("{}.{}", names_.fields_object, names_.fields.at(expression.index)),
                           field_types_.at(expression.index));
        case Kind::origin:
            return origin(expression.origin);
        case Kind::variable: {
            const Register& variable = model_.registers[expression.index];
            return reading(reg(expression.index),
                           variable.kind == Register::Kind::flag ? ValueType{Type::flag, false} : variable.value);
        }
        case Kind::parameter: {
            const Parameter& parameter = model_.parameters[expression.index];
            return {names_.parameters[expression.index], print_integer(parameter.value.value()).type};
        }
        case Kind::logical_not:
            return {"!" + print(expression.operands[0]).code, CppType::boolean};
        case Kind::logical_and:
            return logical(expression, "&&");
        case Kind::logical_or:
            return logical(expression, "||");
        case Kind::equal:
            return comparison(expression, "==");
        case Kind::not_equal:
            return comparison(expression, "!=");
        case Kind::less:
            return comparison(expression, "<");
        case Kind::less_equal:
            return comparison(expression, "<=");
        case Kind::greater:
            return comparison(expression, ">");
        case Kind::greater_equal:
            return comparison(expression, ">=");
        case Kind::negate:
            return {fmt::format("subtract(0, {})", number(expression.operands[0])), CppType::wide};
        case Kind::add:
            return arithmetic(expression, "add");
        case Kind::subtract:
            return arithmetic(expression, "subtract");
        case Kind::multiply:
            return arithmetic(expression, "multiply");
        case Kind::divide:
            return arithmetic(expression, "divide");
        case Kind::remainder:
            return arithmetic(expression, "remainder");
        case Kind::compatible:
            return {
                fmt::format("modes_compatible({}, {})", number(expression.operands[0]), number(expression.operands[1])),
                CppType::boolean};
        case Kind::clock:
            throw EmitError("a clock stands outside a comparison");
        case Kind::contains:
        case Kind::element:
        case Kind::size:
        case Kind::empty:
        case Kind::compatible_with_all:
        case Kind::conflicts:
        case Kind::leaves_empty:
            return of_register(expression);
    }
    throw EmitError("an expression of an unknown kind");
}

Printed ExpressionPrinter::of_register(const Expression& expression) const {
    const auto& operands = expression.operands;
    const Register& target = model_.registers[expression.index];
    switch (expression.kind) {
        case Kind::contains:
            return register_call(expression, "contains", {word(operands[0], target.key)});
        case Kind::element: {
            const Printed call = register_call(expression, "at", {word(operands[0], target.key)});
            switch (cpp_kind(target.value)) {
                case CppType::boolean:
                    return {fmt::format("({} != 0)", call.code), CppType::boolean};
                case CppType::signed_64:
                    return {fmt::format("static_cast<std::int64_t>({})", call.code), CppType::signed_64};
                default:
                    return {call.code, cpp_kind(target.value)};
            }
        }
        case Kind::size:
            return {reg(expression.index) + ".size()", CppType::unsigned_64};
        case Kind::empty:
            return {reg(expression.index) + ".empty()", CppType::boolean};
        case Kind::compatible_with_all:
            if (operands.size() == 1) return register_call(expression, "compatible", {number(operands[0])});
            return register_call(expression, "compatible_but", {number(operands[0]), word(operands[1], target.key)});
        case Kind::conflicts:
            return register_call(expression, "conflicts",
                                 {word(operands[0], target.key), unsigned_word(operands[1]), unsigned_word(operands[2]),
                                  number(operands[3])});
        default:
            return register_call(
                expression, "leaves_empty",
                {word(operands[0], target.key), unsigned_word(operands[1]), unsigned_word(operands[2])});
    }
}

Printed ExpressionPrinter::literal(const Expression& expression) const {
    switch (expression.type.type) {
        case Type::flag:
            return {expression.integer != 0 ? "true" : "false", CppType::boolean};
        case Type::string:
            return {fmt::format("text({})", string_literal(expression.text)), CppType::text};
        case Type::integer:
        case Type::duration:
            break;
    }
    return print_integer(expression.integer);
}

Printed ExpressionPrinter::reading(const std::string& code, ValueType type) const {
    return {code, cpp_kind(type)};
}

Printed ExpressionPrinter::origin(Origin origin) const {
    const char* member = "";
    switch (origin) {
        case Origin::process:
            member = "vpid";
            break;
        case Origin::thread:
            member = "vtid";
            break;
        case Origin::cpu:
            member = "cpu";
            break;
        case Origin::net_ns:
            member = "net_ns";
            break;
    }
    return {fmt::format("{}.{}", names_.origin, member), CppType::unsigned_64};
}

Printed ExpressionPrinter::logical(const Expression& expression, const char* symbol) const {
    return {fmt::format("({} {} {})", print(expression.operands[0]).code, symbol, print(expression.operands[1]).code),
            CppType::boolean};
}

Printed ExpressionPrinter::comparison(const Expression& expression, const char* symbol) const {
    const Expression& left = expression.operands[0];
    const Expression& right = expression.operands[1];
    if (left.kind == Kind::clock || right.kind == Kind::clock) return clock_comparison(expression, symbol);

    const Printed a = print(left);
    const Printed b = print(right);
    const auto joined = [symbol](const std::string& first, const std::string& second) {
        return Printed{fmt::format("({} {} {})", first, symbol, second), CppType::boolean};
    };
    if (a.type == b.type || !is_number(a.type) || !is_number(b.type)) return joined(a.code, b.code);
    if (adapts(right, a.type)) return joined(a.code, fmt::format("INT64_C({})", decimal(right.integer)));
    if (adapts(left, b.type)) return joined(fmt::format("INT64_C({})", decimal(left.integer)), b.code);
    return joined(number(left), number(right));
}

// A clock that was never reset passes every comparison.
Printed ExpressionPrinter::clock_comparison(const Expression& expression, const char* symbol) const {
    std::string passes;
    const auto side = [&](const Expression& operand) {
        if (operand.kind != Kind::clock) return number(operand);
        passes += fmt::format("!{}.running() || ", reg(operand.index));
        return fmt::format("Integer({}.elapsed_ns({}.time_ns))", reg(operand.index), names_.origin);
    };
    const std::string left = side(expression.operands[0]);
    const std::string right = side(expression.operands[1]);
    return {fmt::format("({}{} {} {})", passes, left, symbol, right), CppType::boolean};
}

Printed ExpressionPrinter::arithmetic(const Expression& expression, const char* function) const {
    return {fmt::format("{}({}, {})", function, number(expression.operands[0]), number(expression.operands[1])),
            CppType::wide};
}

Printed ExpressionPrinter::register_call(const Expression& expression, const std::string& function,
                                         const std::vector<std::string>& arguments) const {
    std::string code = fmt::format("{}.{}(at.pool", reg(expression.index), function);
    for (const std::string& argument : arguments) code += ", " + argument;
    return {code + ")", function == "at" ? CppType::unsigned_64 : CppType::boolean};
}

std::string ExpressionPrinter::number(const Expression& expression) const {
    const Printed printed = print(expression);
    return printed.type == CppType::wide ? printed.code : fmt::format("Integer({})", printed.code);
}

std::string ExpressionPrinter::unsigned_word(const Expression& expression) const {
    return value(expression, {Type::integer, false});
}

// What is no mode is kept apart from the modes: a negative number becomes a large one.
std::string ExpressionPrinter::mode_word(const Expression& expression) const {
    const Printed printed = print(expression);
    return printed.type == CppType::unsigned_64 ? printed.code
                                                : fmt::format("static_cast<std::uint64_t>({})", printed.code);
}

std::string ExpressionPrinter::value(const Expression& expression, ValueType type) const {
    const Printed printed = print(expression);
    const CppType wanted = cpp_kind(type);
    if (printed.type == wanted) return printed.code;
    if (adapts(expression, wanted)) return fmt::format("INT64_C({})", decimal(expression.integer));
    if (wanted == CppType::signed_64) return fmt::format("to_signed({})", printed.code);
    if (wanted == CppType::unsigned_64) return fmt::format("to_unsigned({})", printed.code);
    throw EmitError(fmt::format("\"{}\" has not the type that its place needs", expression.text));
}

std::string ExpressionPrinter::word(const Expression& expression, ValueType type) const {
    const std::string code = value(expression, type);
    const CppType cpp = cpp_kind(type);
    if (cpp == CppType::unsigned_64 || cpp == CppType::text) return code;
    return fmt::format("static_cast<std::uint64_t>({})", code);
}

std::string ExpressionPrinter::action(const Action& action) const {
    const Register& target = model_.registers[action.index];
    const std::string name = reg(action.index);
    const auto& operands = action.operands;
    switch (action.kind) {
        case Action::Kind::assign: {
            const ValueType type = target.kind == Register::Kind::flag ? ValueType{Type::flag, false} : target.value;
            return fmt::format("{} = {};", name, value(operands[0], type));
        }
        case Action::Kind::assign_element:
            return fmt::format("keep(at, {}.assign(at.pool, {}, {}));", name, word(operands[0], target.key),
                               word(operands[1], target.value));
        case Action::Kind::insert:
            return fmt::format("keep(at, {}.insert(at.pool, {}));", name, word(operands[0], target.key));
        case Action::Kind::erase:
            return fmt::format("{}.erase(at.pool, {});", name, word(operands[0], target.key));
        case Action::Kind::clear:
            return fmt::format("{}.clear(at.pool);", name);
        case Action::Kind::reset:
            return fmt::format("{}.reset({}.time_ns);", name, names_.origin);
        case Action::Kind::lock:
            return fmt::format("keep(at, {}.lock(at.pool, {}, {}, {}, {}));", name, word(operands[0], target.key),
                               unsigned_word(operands[1]), unsigned_word(operands[2]), mode_word(operands[3]));
        case Action::Kind::unlock:
            return fmt::format("keep(at, {}.unlock(at.pool, {}, {}, {}));", name, word(operands[0], target.key),
                               unsigned_word(operands[1]), unsigned_word(operands[2]));
    }
    throw EmitError("an action of an unknown kind");
}

}  // namespace lockstep::codegen
