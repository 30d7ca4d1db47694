// What labels, notes and examples say, before any name in them has been looked up. The parser (codegen/parser.hpp)
// makes these trees, the resolver (codegen/resolver.hpp) reads them.
//
//   edge label   part { NEWLINE part }         part    name { ";" clause }
//   clause       "start" | expression (a guard) | target ("=" | "+=" | "-=") expression | action "(" … ")"
//   state label  name { NEWLINE expression }   (invariants)
//   note line    "per" [ "[" capacity "]" ] name { "," name }
//              | name "=" provider ":" tracepoint [ "when" expression ] { [","] name ":=" expression }
//              | name ":" type [ "[" capacity "]" ] … [ "=" initial ]
//              | "parameter" name "=" literal
//   expression   "||" < "&&" < comparison, "in" < "+" "-" < "*" "/" "%" < "!" "-" < name, literal, call, map[key], ( …
//   )
//
// A line of an edge label that ends with `;`, or is followed by one that begins with `;`, goes on in the next line; so
// does an expression within parentheses or after an operator.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "codegen/integer.hpp"
#include "codegen/source_text.hpp"

namespace lockstep::codegen::syntax {

struct Name {
    std::string text;
    Span span;
};

struct Term {
    enum class Kind : std::uint8_t { number, duration, text, name, call, index, unary, binary };
    Kind kind = Kind::name;
    std::string text;     // a name, a call's or map's name, an operator as spelled, a text literal's content
    Integer number = 0;   // number, duration (ns)
    bool broken = false;  // a literal of which an error was reported
    std::vector<Term> operands;
    Span span;       // of the whole
    Span name_span;  // of the name or operator in it
};

struct Clause {
    enum class Kind : std::uint8_t { start, guard, assignment, action };
    Kind kind = Kind::guard;
    std::string operation;  // assignment: "=", "+=", "-="
    Term target;            // assignment: a name or map[key]; action: the call
    Term value;             // guard, or what is assigned
    Span span;
};

// One event of an edge label, with its clauses.
struct EventPart {
    Name event;
    std::vector<Clause> clauses;
    Span span;
    std::string text;
};

struct StateLabel {
    Name name;
    std::vector<Term> invariants;
};

struct TypeName {
    Name name;  // int, unsigned, flag, clock, set, map, ranges; or of an element: a type or a field
    std::optional<Term> capacity;
    std::optional<Name> key;
    std::optional<Name> value;
};

struct Assignment {
    Name name;
    Term value;
};

struct BindingLine {
    Name event;
    Name provider;
    Name tracepoint;
    std::optional<Term> when;
    std::vector<Assignment> assignments;
    Span span;
    std::string text;
};

struct RegisterLine {
    Name name;
    TypeName type;
    std::optional<Term> initial;
};

struct ParameterLine {
    Name name;
    Term value;
};

struct Note {
    std::vector<Name> keys;
    Span per_span;
    std::optional<Term> contexts;  // the capacity behind `per`
    std::vector<BindingLine> bindings;
    std::vector<RegisterLine> registers;
    std::vector<ParameterLine> parameters;
};

// One event of an example: [@time] name(field=value, …), or a time alone.
struct ExampleCall {
    std::optional<Term> time;
    Name event;  // empty: time passes and nothing else happens
    std::vector<Assignment> fields;
};

}  // namespace lockstep::codegen::syntax
