// Names and types: turns the parser's trees into resolved expressions and actions, or says why it can't.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "codegen/diagnostic.hpp"
#include "codegen/model.hpp"
#include "codegen/source_text.hpp"
#include "codegen/syntax.hpp"

namespace lockstep::codegen {

inline constexpr ValueType flag_type{Type::flag, false};
inline constexpr ValueType integer_type{Type::integer, true};
inline constexpr ValueType unsigned_type{Type::integer, false};
inline constexpr ValueType duration_type{Type::duration, false};
inline constexpr ValueType string_type{Type::string, false};

// What names may mean at one place.
struct Scope {
    const std::vector<Field>* fields = nullptr;  // of the event, or of the tracepoint; nullptr: none
    std::string owner;                           // whose fields these are, for messages: "`grant`", "lock_api:acquired"
    bool registers = false;                      // may be read
    bool incomplete = false;  // a tracepoint was not found, so an unknown name may be a field: nothing is said of it
};

// Names whose declaration has an error: a use of them gets no second message.
using BrokenNames = std::set<std::string, std::less<>>;

class Resolver {
 public:
    // free_names: an unknown name becomes a parameter without a value (a kernel model has no note to declare it in).
    // The model's registers, parameters and events must be there before expressions over them are resolved. All are
    // borrowed.
    Resolver(Model& model, const SourceText& source, std::vector<Diagnostic>& diagnostics, const BrokenNames& broken,
             bool free_names)
        : model_(model), source_(source), diagnostics_(diagnostics), broken_(broken), free_names_(free_names) {}

    // nullopt: a diagnostic was added, now or where a name in it was declared.
    std::optional<Expression> value(const syntax::Term& term, const Scope& scope);
    std::optional<Expression> condition(const syntax::Term& term, const Scope& scope);
    std::optional<Action> action(const syntax::Clause& clause, const Scope& scope);
    // `clk < 30s`, several joined by `&&`; what is wrong is left out.
    std::vector<Invariant> invariants(const syntax::Term& term);

    void error(Span span, std::string code, std::string message, std::string hint = {});
    SourcePosition position(Span span) const { return source_.position(span.begin); }

    // Index of a register, by name.
    std::optional<std::uint32_t> find_register(std::string_view name) const;

 private:
    using Term = syntax::Term;
    using Resolved = std::optional<Expression>;

    Resolved literal(const Term& term) const;
    Resolved name(const Term& term, const Scope& scope);
    Resolved unknown_name(const Term& term, const Scope& scope);
    Resolved free_parameter(const Term& term);
    Resolved unary(const Term& term, const Scope& scope);
    Resolved binary(const Term& term, const Scope& scope);
    Resolved logical(const Term& term, const Scope& scope);
    Resolved comparison(const Term& term, const Scope& scope);
    Resolved arithmetic(const Term& term, const Scope& scope);
    Resolved membership(const Term& term, const Scope& scope);
    Resolved element(const Term& term, const Scope& scope);
    Resolved call(const Term& term, const Scope& scope);
    Resolved size_or_empty(const Term& term, const Scope& scope);
    Resolved compatible(const Term& term, const Scope& scope);
    Resolved range_query(const Term& term, const Scope& scope);

    std::optional<Action> assignment(const syntax::Clause& clause, const Scope& scope);
    std::optional<Action> assign_element(const syntax::Clause& clause, const Scope& scope);
    std::optional<Action> call_action(const syntax::Clause& clause, const Scope& scope);

    // A container named by an argument; kinds that are not accepted give an error.
    std::optional<std::uint32_t> container(const Term& term, std::initializer_list<Register::Kind> kinds,
                                           const std::string& wanted, const std::string& type_example);
    // A value that must have a type; `what` names the place in messages ("an owner of `held`").
    Resolved typed(const Term& term, const Scope& scope, ValueType type, const std::string& what);
    std::optional<std::vector<Expression>> range_arguments(const Term& term, const Scope& scope, std::uint32_t index,
                                                           bool with_mode);
    bool argument_count(const Term& term, std::size_t least, std::size_t most, const std::string& usage);
    void adopt_type(Expression& parameter, ValueType type);
    bool clocks_stand_alone(const Expression& expression, bool allowed);
    std::vector<std::string> visible_names(const Scope& scope) const;
    std::string written(Span span) const;
    Expression make(Expression::Kind kind, ValueType type, const Term& term) const;

    Model& model_;
    const SourceText& source_;
    std::vector<Diagnostic>& diagnostics_;
    const BrokenNames& broken_;
    bool free_names_;
};

// "a string", "an integer", …
std::string describe(Type type);
// "int", "unsigned", "text", …: for signatures, where an article would be in the way.
std::string type_word(ValueType type);
// "a set", "a clock", …
std::string describe(Register::Kind kind);

// The name by which an origin is known in expressions and keys: process or vpid, thread or vtid, cpu, net_ns.
std::optional<Origin> origin_of_name(std::string_view name);

}  // namespace lockstep::codegen
