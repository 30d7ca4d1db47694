// The model: a DOT file that passed every check, with all names resolved and typed. The interpreter runs it, the
// emitters print it, the drawer colours it. Indices refer to the vectors of the same Model; a Model is a value and owns
// everything.
//
// What a step means (codegen/interpreter.cpp is its executable form):
//   1. A tracepoint fires; each binding of it whose `when` holds delivers its event (the checker allows at most one).
//   2. The context is found by the keys' values. Unknown context: Event::start decides, otherwise the event is ignored.
//   3. Invariants of the current state are checked against the event's time; one that failed is a violation.
//   4. Of the edges of (state, event) the first in source order whose guards all hold is taken: actions, then the
//   target.
//      None: a violation; the context is unknown again until its next start event.
//   5. Entering a state that `ends` removes the context (its registers with it). A `reclaimable` state allows removal
//   as soon as
//      every register has its initial value: nobody can tell the difference.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "codegen/expression.hpp"

namespace lockstep::codegen {

// A state's invariant `clock < bound` (or <=): violated when the clock passes the bound although no event comes.
struct Invariant {
    std::uint32_t clock = 0;  // into Model::registers
    bool inclusive = false;   // <= rather than <
    Expression bound;         // duration: a literal or a parameter
    SourcePosition position;
    std::string text;
};

struct State {
    std::string name;
    bool final = false;  // a run may end here; contexts elsewhere are `pending` at the end
    bool ends = false;   // final, without outgoing edges, in a model with keys: entering it removes the context at once
    bool reclaimable =
        false;  // final, and for every event an unknown context does the same as this state with initial registers
    std::vector<Invariant> invariants;
    SourcePosition position;
};

// An argument or a payload field of a tracepoint, or a field of an event.
struct Field {
    std::string name;
    ValueType type;
    std::string c_type;        // as declared: "uint8_t", "const char*"; empty for a value that a binding computes
    std::string c_expression;  // payload fields: what is recorded, a C expression over the arguments' names; mostly
                               // just such a name
};

// What an event does to a context whose state is not known.
enum class StartRule : std::uint8_t {
    none,   // ignored
    enter,  // the context takes Event::start_state; the event itself is not processed (the kernel's handle_start_event)
    process  // the context takes Event::start_state, registers are initial, then the event is processed there
             // (…_start_run_event)
};

struct Event {
    std::string name;
    std::vector<Field> fields;  // what every binding of the event provides, in the order of the first binding
    StartRule start = StartRule::none;
    std::uint32_t start_state = 0;
    // For each of Model::keys: the index into `fields`; unused (0) for a key that is an origin.
    std::vector<std::uint32_t> key_fields;
    SourcePosition position;  // of its binding, or of its first use
};

// `event = provider:tracepoint when … name := …`. An event may have several; a bare automaton has none.
struct Binding {
    std::uint32_t event = 0;
    std::string provider;
    std::string tracepoint;
    std::string signature;         // LTTng's: the tracepoint's argument list, stringified as the preprocessor does it
    std::vector<Field> arguments;  // in order, as a probe receives them (name, C type)
    std::vector<Field> tracepoint_fields;  // the payload's integers and strings in order, as a trace records them
    std::optional<Expression> when;        // over tracepoint_fields
    std::vector<Expression> values;        // one for each of Event::fields, over tracepoint_fields
    SourcePosition position;
    std::string text;
};

// One part of the key. Without keys there is one global context.
struct Key {
    std::string name;
    ValueType type;
    std::optional<Origin> origin;  // `per thread`, `per process`, `per cpu`, `per net_ns`
    SourcePosition position;
};

struct Register {
    enum class Kind : std::uint8_t { integer, flag, clock, set, map, ranges };
    std::string name;
    Kind kind = Kind::integer;
    ValueType key;        // set: its elements; map: its keys; ranges: the owners
    ValueType value;      // integer: int or unsigned; map: its values
    Integer initial = 0;  // integer, flag
    std::uint32_t capacity =
        0;  // set, map, ranges: the most entries in one context; the next one makes it inconclusive
    SourcePosition position;
};

// A named constant: `parameter limit = 30s`, or a free name in a kernel model, to be given when it is compiled.
struct Parameter {
    std::string name;
    ValueType type;
    std::optional<Integer> value;
    SourcePosition position;
};

struct Edge {
    std::uint32_t source = 0;
    std::uint32_t target = 0;
    std::uint32_t event = 0;
    std::vector<Expression> guards;  // all must hold; evaluated before any action
    std::vector<Action> actions;
    bool start = false;       // the author's `start` mark
    SourcePosition position;  // of the event's name in the label
    std::string text;         // this event's part of the label, on one line
};

// A field of an example's event, as written: `owner=1`, `mode=EX`, `file='a'`; or an origin: `vtid=7`.
struct ExampleField {
    std::string name;
    std::optional<Origin> origin;
    ValueType type;  // of the event's field
    Integer integer = 0;
    std::string text;
};

inline constexpr std::uint32_t no_event = 0xFFFFFFFF;  // in an example: nothing happens, time passes

struct ExampleEvent {
    std::uint32_t event = 0;               // or no_event
    std::vector<ExampleField> fields;      // those not given are 0 or ""
    std::optional<std::uint64_t> time_ns;  // `@5ms`: since the example's start; without: the former's
    SourcePosition position;
};

// `accept: …` or `reject: …` in a comment: a run that must pass whole, or whose last event must be the violation.
struct Example {
    bool accept = true;
    std::vector<ExampleEvent> events;
    SourcePosition position;
    std::string text;
};

struct Model {
    std::string name;           // of the graph
    std::string path;           // as given by the caller, for messages
    std::string source;         // the DOT text, verbatim
    std::string summary;        // the comment before the graph, without its examples: what the property promises
    std::vector<State> states;  // in the order of their first mention
    std::uint32_t initial = 0;
    std::vector<Event> events;
    std::vector<Binding> bindings;
    std::vector<Key> keys;
    std::uint32_t contexts = 0;  // that a monitor has room for at least; 0: nothing is said of it
    std::vector<Register> registers;
    std::vector<Parameter> parameters;
    std::vector<Edge> edges;  // in source order; an edge of the picture with n events in its label is n of these
    std::vector<Example> examples;
};

}  // namespace lockstep::codegen
