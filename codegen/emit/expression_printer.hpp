// Prints expressions and actions of the language as C++ over the runtime's registers. Where both sides of an operator
// have one C++ type, the plain operator is printed; else the operands are widened by value, as the language promises.
#pragma once

#include <string>

#include "codegen/model.hpp"

namespace lockstep::codegen {

// The C++ names that an expression's indices stand for.
struct PrinterNames {
    std::vector<std::string> fields;  // of the event's, or of the tracepoint's payload: what Expression::field indexes
    std::vector<std::string> registers;   // by Model::registers
    std::vector<std::string> parameters;  // by Model::parameters
    std::string fields_object;            // "event" or "fields"
    std::string origin;                   // "at.origin" or "visit.origin"
};

// What a printed expression is in C++.
enum class CppType { boolean, unsigned_64, signed_64, wide, text };

struct Printed {
    std::string code;  // binds at least as tightly as a cast, or stands in parentheses
    CppType type = CppType::boolean;
};

class ExpressionPrinter {
 public:
    // Both must outlive the printer. `field_types`: of what Expression::field indexes.
    ExpressionPrinter(const Model& model, PrinterNames names, std::vector<ValueType> field_types)
        : model_(model), names_(std::move(names)), field_types_(std::move(field_types)) {}

    Printed print(const Expression& expression) const;

    // The expression as a 64-bit word of the given type: how keys, fields and registers hold it.
    std::string word(const Expression& expression, ValueType type) const;

    // The same with its C++ type: bool, std::uint64_t or std::int64_t.
    std::string value(const Expression& expression, ValueType type) const;

    std::string condition(const Expression& expression) const { return print(expression).code; }

    // A statement, without indentation, ended by a semicolon.
    std::string action(const Action& action) const;

 private:
    Printed literal(const Expression& expression) const;
    Printed reading(const std::string& code, ValueType type) const;
    Printed origin(Origin origin) const;
    Printed comparison(const Expression& expression, const char* symbol) const;
    Printed clock_comparison(const Expression& expression, const char* symbol) const;
    Printed arithmetic(const Expression& expression, const char* function) const;
    Printed logical(const Expression& expression, const char* symbol) const;
    Printed register_call(const Expression& expression, const std::string& function,
                          const std::vector<std::string>& arguments) const;
    Printed of_register(const Expression& expression) const;

    std::string reg(std::uint32_t index) const { return "at.registers." + names_.registers[index]; }
    std::string number(const Expression& expression) const;         // any integer, for a parameter of type Integer
    std::string unsigned_word(const Expression& expression) const;  // saturated to 0 … 2^64-1
    std::string mode_word(const Expression& expression) const;

    const Model& model_;
    PrinterNames names_;
    std::vector<ValueType> field_types_;
};

// "5u", "UINT64_C(…)" or "INT64_C(-5)".
Printed print_integer(Integer value);

// How a value of the language is declared in C++: "bool", "std::uint64_t", "std::int64_t" or "Text".
std::string cpp_type(ValueType type);

}  // namespace lockstep::codegen
