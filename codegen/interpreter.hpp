// The reference interpreter: what a model means, executable. It is written to be read as the specification; compiled
// monitors must agree with it at every step. Nothing here is fast, and nothing is bounded but what the model itself
// bounds.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "codegen/model.hpp"
#include "codegen/range_table.hpp"

namespace lockstep::codegen {

// A value at run time: a string, or a number (flags are 0 and 1, durations ns).
struct Value {
    Integer integer = 0;
    std::string text;
    friend bool operator==(const Value&, const Value&) = default;
    friend auto operator<=>(const Value&, const Value&) = default;
};

// Where and when an event happened.
struct Circumstances {
    std::uint64_t time_ns = 0;  // of one clock for all events, never going back
    std::uint64_t process = 0;
    std::uint64_t thread = 0;
    std::uint64_t cpu = 0;
    std::uint64_t net_ns = 0;
};

// One event of the model's alphabet.
struct Occurrence {
    std::uint32_t event = 0;    // into Model::events
    std::vector<Value> fields;  // of Event::fields, in order
    Circumstances circumstances;
};

// The contents of one register.
struct RegisterValue {
    Value scalar;                           // integer, flag
    std::optional<std::uint64_t> reset_ns;  // clock; empty: never reset
    std::map<Value, Value> entries;         // set (values unused) and map
    RangeTable<Value> ranges;
};

// One automaton: of one key.
struct Context {
    std::uint32_t state = 0;
    std::vector<RegisterValue> registers;
};

using ContextKey = std::vector<Value>;

struct Violation {
    ContextKey key;
    std::uint32_t state = 0;         // in which it happened
    std::uint32_t event = no_event;  // no_event: a timer, that is, an invariant was passed without an event
    std::uint64_t time_ns = 0;
    std::string reason;  // a sentence
};

// What a step did.
enum class Outcome : std::uint8_t {
    ignored,      // the context is unknown and the event does not start it
    started,      // the context's state is now known; the event was not processed
    moved,        // an edge was taken (started or not before)
    violation,    // no edge, or an invariant was violated; the context is unknown now
    inconclusive  // a register is fuller than its capacity: nothing can be said; the context is unknown now
};

class Interpreter {
 public:
    // The model is borrowed. Every parameter must have a value; see set_parameter.
    explicit Interpreter(const Model& model);

    // Gives a parameter its value; throws std::invalid_argument when the model has none of that name.
    void set_parameter(const std::string& name, Integer value);

    // Time passes up to the event's time (timers fire), then the event happens.
    Outcome step(const Occurrence& occurrence);

    // Time passes: invariants whose bound is passed are violations, in the order of their deadlines.
    void advance(std::uint64_t time_ns);

    // A tracepoint of the model fired: applies the binding's `when` and `:=`. tracepoint_fields: of
    // Binding::tracepoint_fields. nullopt: `when` does not hold, so it is no event.
    std::optional<Outcome> deliver(std::uint32_t binding, const std::vector<Value>& tracepoint_fields,
                                   const Circumstances& circumstances);

    const std::map<ContextKey, Context>& contexts() const { return contexts_; }
    const std::vector<Violation>& violations() const { return violations_; }

    // How often a register overflowed.
    std::uint64_t overflows() const { return overflows_; }

    // The edge that the last step took, into Model::edges; nothing when it took none.
    std::optional<std::uint32_t> last_edge() const { return last_edge_; }

    // Keys of contexts in a state that is not final.
    std::vector<ContextKey> pending() const;

    // Whether the edge would be taken in this context by this event, guards only.
    bool enabled(const Edge& edge, const Context& context, const Occurrence& occurrence) const;

    // The key that an event belongs to.
    ContextKey key_of(const Occurrence& occurrence) const;

 private:
    struct View;  // what an expression can see

    Context initial_context(std::uint32_t state) const;
    Outcome process(const ContextKey& key, const Occurrence& occurrence);
    std::optional<std::uint64_t> deadline(const Context& context) const;
    Value evaluate(const Expression& expression, const View& view) const;
    bool holds(const Expression& expression, const View& view) const;
    bool compare(const Expression& expression, const View& view) const;
    bool compatible_with_all(const Expression& expression, const View& view) const;
    bool leaves_empty(const Expression& expression, const View& view) const;
    void apply(const Action& action, Context& context, const Occurrence& occurrence) const;
    bool fits(const Context& context) const;
    Value stored(const Value& value, ValueType type) const;
    std::size_t size_of(const RegisterValue& value, const Register& declared) const;
    void report(const ContextKey& key, const Context& context, std::uint32_t event, std::uint64_t time_ns,
                std::string reason);

    const Model& model_;
    std::vector<std::optional<Integer>> parameters_;
    std::map<ContextKey, Context> contexts_;  // the known ones; a context that is not here is unknown
    std::vector<Violation> violations_;
    std::uint64_t overflows_ = 0;
    std::optional<std::uint32_t> last_edge_;
};

}  // namespace lockstep::codegen
