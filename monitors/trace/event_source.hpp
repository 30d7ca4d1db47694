// Recorded events, wherever they come from: a live session or a trace on disk. A source decodes the tracepoints that
// were asked for into slots and hands them, in one order, to a handler. The only implementation reads through
// libbabeltrace2; a purpose-made decoder can take its place behind this interface.
//
// Order: by time stamp over all streams. Events of one CPU keep their recorded order. Events of different CPUs with
// equal time stamps come in an order that is fixed but not causal; a tracepoint that fires inside its critical section
// makes ties harmless, since two facts of one object are then never simultaneous.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "monitors/runtime/descriptor.hpp"

namespace lockstep::monitors {

// A trace that cannot be opened, or cannot be read further: damaged, cut off, or its relay is gone. what() is one
// sentence.
class TraceError : public std::runtime_error {
    using std::runtime_error::runtime_error;
};

struct WantedField {
    std::string name;
    FieldType type;
    bool operator==(const WantedField&) const = default;
};

// A tracepoint and those fields of its payload that fill the slots, in slot order.
struct WantedEvent {
    std::string provider;
    std::string tracepoint;
    std::vector<WantedField> fields;
    bool operator==(const WantedEvent&) const = default;
};

// Events that were fired but not recorded, or recorded and overwritten. Which objects they concerned is unknown.
struct Loss {
    std::uint64_t events = 0;    // 0: an unknown number
    std::uint64_t begin_ns = 0;  // the time span in which they were lost; 0 when unknown
    std::uint64_t end_ns = 0;
};

// A tracepoint as a trace declares it, and how often it happened in what was read.
struct DeclaredEvent {
    std::string name;                                         // "provider:tracepoint"
    std::vector<std::pair<std::string, std::string>> fields;  // of its payload: name and type, "uint64", "string", …
    std::uint64_t count = 0;
};

// Gets what a source reads, on the thread that calls EventSource::read.
class EventHandler {
 public:
    virtual ~EventHandler() = default;

    // `wanted`: index into the list that the source was opened with. `slots`: its fields; strings live during the call.
    virtual void on_event(std::size_t wanted, const Slot* slots, const Origin& origin) = 0;
    virtual void on_loss(const Loss& loss) = 0;
    // It is `time_ns` by the trace's clock: everything earlier has been handed over. Comes where packets end and, live,
    // again and again while nothing happens.
    virtual void on_time([[maybe_unused]] std::uint64_t time_ns) {}
    // Events of wanted[`wanted`] exist that can't be decoded: the trace declares the tracepoint without a wanted field
    // or with another type. Once per event class; its events are not delivered.
    virtual void on_mismatch(std::size_t wanted, const std::string& why) = 0;
};

// Use from one thread.
class EventSource {
 public:
    enum class Status {
        more,   // something was read; call again
        again,  // nothing there yet (live only); call again later
        end     // everything was read
    };

    virtual ~EventSource() = default;

    // Reads one batch and hands it to `handler`. Throws TraceError; the source is then of no further use.
    virtual Status read(EventHandler& handler) = 0;
};

}  // namespace lockstep::monitors
