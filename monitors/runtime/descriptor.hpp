// The boundary between a compiled property (a generated shared object, C++17) and whoever hosts it (C++20): plain
// structs and function pointers, so that each side may be compiled on its own. A compiled property exports one symbol,
// `lockstep_monitor_descriptor`, of type MonitorDescriptor.
//
// A *binding* is a tracepoint that the property listens to. Its slots are the fields of the tracepoint's payload, in
// the order of LTTNG_UST_TP_FIELDS, all of them: what a trace records. One tracepoint may stand for several events of
// the automaton (`when …`): which, the compiled code decides; whoever delivers events needs to know the tracepoint
// only.
#pragma once

#include <atomic>
#include <cstdint>

namespace lockstep::monitors {

// Grows with every change of anything in this header or in instance.hpp; a host refuses a property of another version.
inline constexpr std::uint32_t abi_version = 3;
inline constexpr char descriptor_symbol[] = "lockstep_monitor_descriptor";

// Where and when an event happened. What is unknown is 0.
struct Origin {
    std::uint64_t time_ns;  // CLOCK_MONOTONIC, or the trace's own clock
    std::uint64_t net_ns;   // inode of the network namespace
    std::uint32_t vpid;
    std::uint32_t vtid;
    std::uint32_t cpu;
};

// One field of a tracepoint. Integers of every width and sign are extended to 64 bits; a string is borrowed for the
// call, and a null pointer counts as the empty string.
union Slot {
    std::uint64_t unsigned_integer;
    std::int64_t signed_integer;
    const char* string;
};

enum class FieldType : std::uint8_t { unsigned_integer, signed_integer, string };

struct FieldDescriptor {
    const char* name;
    const char* c_type;  // as declared, for example "uint8_t"
    FieldType type;
};

struct BindingDescriptor {
    const char* provider;
    const char* tracepoint;
    const char* signature;  // what LTTNG_UST_TP_ARGS stringifies to; LTTng-UST compares it byte for byte
    const FieldDescriptor* fields;
    std::uint32_t field_count;
    void (*probe)();  // the LTTng-UST callback; its data is the MonitorInstance
};

// An event of the automaton, with the fields that its bindings give it (a payload's fields, or values computed from
// them).
struct EventDescriptor {
    const char* name;
    const FieldDescriptor* fields;
    std::uint32_t field_count;
};

// An edge, as drawn. `line` is its line in the DOT source.
struct EdgeDescriptor {
    std::uint32_t from_state;
    std::uint32_t event;
    std::uint32_t to_state;
    std::uint32_t line;
    const char* label;
};

enum class RegisterKind : std::uint8_t { integer, flag, clock, set, map, ranges };

struct RegisterDescriptor {
    const char* name;
    RegisterKind kind;
    FieldType key_type;    // of a set's or map's keys, of a ranges table's owners, of a scalar itself
    FieldType value_type;  // of a map's values
};

struct KeyDescriptor {
    const char* name;
    FieldType type;
};

// What a host may choose when it makes an instance. Everything is allocated then and never later.
struct InstanceOptions {
    std::uint64_t contexts = 65536;  // contexts alive at once; one more is refused, counted, and inconclusive
    std::uint64_t blocks = 65536;    // 128-byte blocks that all set, map and ranges registers share
    // Events remembered per thread; 0 keeps none; rounded up to a power of two. In-process a request's events follow
    // one another, and what many threads remember should stay in the processor's cache.
    std::uint32_t history_records = 128;
    // In-process: CLOCK_MONOTONIC for every event, 20 ns each. Without it, models that have no clock use its coarse
    // sister (some 5 ns, 4 ms steps), or what `told_time_ns` says.
    bool precise_time = false;
    // In-process: the time as somebody tells it now and then, which costs a probe nothing; 0: not told now. It outlives
    // the instance. Null: nobody tells it.
    const std::atomic<std::uint64_t>* told_time_ns = nullptr;
};

// For an instance whose events all come through one thread, those of many contexts mixed: a live or offline reader.
inline InstanceOptions one_reader() {
    InstanceOptions options;
    options.history_records = 4096;
    return options;
}

// What an instance has counted since it was made; a consistent snapshot only while no event is being delivered.
struct Counters {
    std::uint64_t events = 0;           // of the alphabet, in contexts known or unknown
    std::uint64_t ignored_unknown = 0;  // of these: in a context that no start event had fixed
    std::uint64_t contexts_created = 0;
    std::uint64_t contexts_reclaimed = 0;  // in a final state
    std::uint64_t contexts_alive = 0;
    std::uint64_t contexts_pending = 0;  // of the alive: outside a final state
    std::uint64_t violations = 0;
    // What makes a verdict inconclusive:
    std::uint64_t lost = 0;             // events that the tracer reported lost
    std::uint64_t table_full = 0;       // contexts refused
    std::uint64_t register_full = 0;    // contexts given up because a register had no room
    std::uint64_t contended = 0;        // contexts given up at the retry limit
    std::uint64_t reentrant = 0;        // events that hit a probe inside a probe of the same thread
    std::uint64_t hash_collisions = 0;  // different strings with one 64-bit hash
    // What makes a report poorer, not a verdict:
    std::uint64_t reports_dropped = 0;  // violations counted whose report found the queue full
};

struct ViolationRecord;  // monitors/runtime/violation.hpp

// One run of a property: its contexts and counters. Made and destroyed by the functions of the descriptor it came from.
class MonitorInstance;

struct MonitorDescriptor {
    std::uint32_t abi;
    const char* name;
    const char* dot_source;
    const char* dot_file;  // as given to the compiler: a base name
    const char* const* states;
    const std::uint8_t* final_states;  // 1 where the state is final
    std::uint32_t state_count;
    const EventDescriptor* events;
    std::uint32_t event_count;
    const BindingDescriptor* bindings;
    std::uint32_t binding_count;
    const KeyDescriptor* keys;
    std::uint32_t key_count;
    const RegisterDescriptor* registers;
    std::uint32_t register_count;
    const EdgeDescriptor* edges;
    std::uint32_t edge_count;

    // Null when memory is short.
    MonitorInstance* (*create)(const InstanceOptions&);
    void (*destroy)(MonitorInstance*);
    // Any thread, any number at once; the order of calls for one context is the order in which it sees the events.
    void (*deliver)(MonitorInstance*, std::uint32_t binding, const Slot* slots, const Origin& origin);
};

}  // namespace lockstep::monitors
