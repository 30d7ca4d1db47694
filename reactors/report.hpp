// What a reactor is told when a system has left its model: plain data, complete, and independent of how the monitor ran
// (in-process, live or offline). It owns everything it names, so it may outlive the monitor and the watched process.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace lockstep::reactors {

// A named value as text: strings as they are, integers in decimal.
struct NamedValue {
    std::string name;
    std::string value;
    bool is_string = false;
};

// Where and when an event happened.
struct EventOrigin {
    std::uint64_t time_ns = 0;  // CLOCK_MONOTONIC; 0 when unknown
    std::uint64_t net_ns = 0;   // inode of the network namespace; 0 when unknown
    std::uint32_t vpid = 0;     // process and thread, as numbered in their own PID namespace
    std::uint32_t vtid = 0;
    std::uint32_t cpu = 0;
};

// An event that a context took, with the states around it.
struct HistoryEvent {
    EventOrigin origin;
    std::string event;
    std::vector<NamedValue> fields;  // every field of the tracepoint, in its declaration's order
    std::string from_state;
    std::string to_state;
};

// A register as it was before the offending event. A scalar has one row; a set, a map or a ranges table a row an entry.
struct RegisterValue {
    std::string name;
    std::string kind;  // "integer", "flag", "clock", "set", "map", "ranges"
    std::vector<std::vector<NamedValue>> rows;
    std::uint64_t rows_omitted = 0;  // entries that the bounded report had no room for
};

// One violation: the first event of a context that its automaton has no enabled edge for.
struct Report {
    std::string monitor;           // the property's name
    std::vector<NamedValue> keys;  // which context; empty for a global automaton
    EventOrigin origin;            // of the offending event
    std::string state;             // the state that the context was in
    std::string event;       // the offending event, in the property's vocabulary; empty: the state's time was over
    std::string tracepoint;  // "provider:tracepoint" that it came from
    std::vector<NamedValue> fields;
    std::vector<std::string> allowed_events;  // events with an edge leaving `state`, guards not considered
    bool event_is_guarded = false;            // true: the state has an edge for the event, but no guard of it held
    std::vector<RegisterValue> registers;
    std::vector<HistoryEvent> history;  // the context's last events, oldest first, the offending one not included
    std::uint64_t history_omitted = 0;  // earlier events of the context that are no longer known
    std::string dot_source;             // the automaton, as its author wrote it
    std::string dot_file;
};

// The report in sentences, for a terminal: some 10 to 40 lines without the automaton, each ended by a newline.
std::string to_text(const Report& report);

// The report as one JSON object; field names are those of the structs. `indent` below 0 gives a single line.
std::string to_json(const Report& report, int indent = -1);

}  // namespace lockstep::reactors
