// Expressions and actions of the language, resolved and typed: what stands in guards, `when` clauses and actions once
// the names in it have been looked up. The interpreter evaluates this tree and the emitters print it; nobody looks a
// name up again.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "codegen/integer.hpp"

namespace lockstep::codegen {

// A place in the DOT file: line and column from 1, the column in bytes; 0,0 when there is none.
struct SourcePosition {
    std::uint32_t line = 0;
    std::uint32_t column = 0;
    friend bool operator==(const SourcePosition&, const SourcePosition&) = default;
};

// What a value can be.
enum class Type : std::uint8_t {
    flag,      // true or false
    integer,   // −2^63 … 2^64−1, saturating (codegen/integer.hpp)
    duration,  // nanoseconds, an integer with a unit
    string     // compared for equality only; registers hold a 64-bit hash of it
};

// The type of a field, a key, a parameter, or of the elements of a register.
struct ValueType {
    Type type = Type::integer;
    bool is_signed = false;  // integers only: int64_t rather than uint64_t
    friend bool operator==(const ValueType&, const ValueType&) = default;
};

// What is known of every event besides its fields: where and when it happened.
enum class Origin : std::uint8_t { process /* vpid */, thread /* vtid */, cpu, net_ns };

// A node of the tree. Which members matter depends on the kind; operands are owned. `type` is the result's type.
struct Expression {
    enum class Kind : std::uint8_t {
        literal,  // `integer` (also flags 0/1, durations in ns and lock modes) or `text` for a string
        field,  // `index` into Event::fields; within Binding::when and Binding::values: into Binding::tracepoint_fields
        origin,    // `origin`
        variable,  // `index` into Model::registers: an int, unsigned or flag register
        clock,     // `index` into Model::registers: ns since its reset. Occurs only as an operand of a comparison; a
                // comparison with a clock that was never reset is true (the kernel's rule), and never stands under `!`
                // or in `==` of flags
        parameter,  // `index` into Model::parameters
        logical_not,
        logical_and,
        logical_or,  // flags; && and || evaluate left to right, lazily
        equal,
        not_equal,
        less,
        less_equal,
        greater,
        greater_equal,  // by value: signed and unsigned mix safely
        negate,
        add,
        subtract,
        multiply,
        divide,
        remainder,   // integers and durations, saturating; constant divisors
        contains,    // operands: value; `index`: a set, the keys of a map, or the owners of a ranges register
        element,     // operands: key; `index`: a map. A key that is not there reads as 0, false, or the empty string
        size,        // `index`: set, map or ranges: the number of entries (of ranges: of disjoint intervals)
        empty,       // `index`: set, map or ranges: size is 0
        compatible,  // operands: mode, mode (DLM modes; modes_compatible of codegen/integer.hpp)
        compatible_with_all,  // operands: mode [, key]; `index`: map to modes: compatible with every value (but the
                              // key's own)
        conflicts,    // operands: owner, first, last, mode; `index`: ranges. Some interval of ANOTHER owner overlaps
                      // first…last (both inside) in an incompatible mode. first > last is an empty range: false
        leaves_empty  // operands: owner, first, last; `index`: ranges. unlock(…) with these would leave no interval at
                      // all
    };

    Kind kind = Kind::literal;
    ValueType type;
    std::uint32_t index = 0;
    Origin origin = Origin::process;
    Integer integer = 0;
    std::string text;  // a string literal's content; for others as the author wrote it, for messages
    std::vector<Expression> operands;
    SourcePosition position;
};

// A change of a register. Guards of an edge all come before its actions; actions run in the order written, each seeing
// the former's effect.
struct Action {
    enum class Kind : std::uint8_t {
        assign,          // operands: value → an int, unsigned or flag register (saturates to its range)
        assign_element,  // operands: key, value → map[key]
        insert,          // operands: value → set
        erase,  // operands: key or value; nothing happens if it is not there. Of ranges: everything of that owner
        clear,  // set, map, ranges: empty it
        reset,  // clock: now
        lock,   // operands: owner, first, last, mode → ranges: the owner holds first…last in that mode, replacing,
                // splitting and merging its own intervals (adjacent or overlapping ones of equal mode become one);
                // others' are untouched; first > last: nothing
        unlock  // operands: owner, first, last → ranges: the owner holds nothing in first…last; may split an interval
    };

    Kind kind = Kind::assign;
    std::uint32_t index = 0;  // into Model::registers
    std::vector<Expression> operands;
    SourcePosition position;
    std::string text;  // as the author wrote it
};

}  // namespace lockstep::codegen
