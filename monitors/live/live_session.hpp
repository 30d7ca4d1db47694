// A live LTTng-UST session that is read while it records: every process that registers with the session daemon, in
// whatever network namespace, in one order of events.
//
//     programs ── shared buffers ── consumer daemon ──▶ relay ──▶ reader thread ──▶ EventHandler
//     marker ──────────┘ fires one known event on every CPU, at the start and at the end
//
// How it is known that everything was read: a helper program, the marker, fires a numbered event on every CPU. A buffer
// is read in the order in which it was written, so when the marks of all CPUs have arrived, so has (or is reported
// lost) everything that was fired before. The first marks also prove, before any program starts, that the whole path
// works.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "monitors/lttng/lttng_error.hpp"
#include "monitors/trace/event_source.hpp"

namespace lockstep::monitors {

struct LiveSessionOptions {
    std::string name = "lockstep";                // a number is appended
    std::string relay_url;                        // PrivateLttng::relay_url()
    std::string viewer_url;                       // PrivateLttng::viewer_url()
    std::chrono::microseconds live_timer{2'000};  // 1 to 10 ms is sensible: how long an event may lie in a buffer
    std::uint64_t buffer_bytes = 1 << 20;         // of one of `buffer_count` parts of a CPU's buffer; powers of two
    std::uint64_t buffer_count = 4;
    // Programs wait for buffer space instead of losing events; they need traced_program_environment(true).
    bool no_loss = false;
    // Only these processes are recorded, named by the numbers that they see themselves; empty: all.
    std::vector<std::uint32_t> vpids;
    // finish() also waits until the relay has written the whole trace to its disk, below
    // PrivateLttngOptions::work_directory, where it can be read offline.
    bool keep_trace = false;
    // PrivateLttng::trace_directory(): what the relay writes there can be read again when live reading broke off.
    // Empty: it is another host's, or nobody wants to.
    std::filesystem::path recorded_below;
    // The longest that any one call to LTTng may take.
    std::chrono::milliseconds limit{10'000};
    // The helper; empty: beside the running program.
    std::filesystem::path marker_program;
};

// What a session saw, for the end of a run.
struct LiveResult {
    bool complete = false;              // everything that was fired before finish() was read or is counted in `lost`
    std::uint64_t events = 0;           // handed to the handler
    std::uint64_t lost = 0;             // reported lost, by the stream or by the session daemon, whichever is more
    std::uint64_t losses = 0;           // separate reports of loss
    std::uint64_t first_event_ns = 0;   // by the trace's clock; 0: none
    std::uint64_t lost_since_ns = 0;    // when the first loss began, by the same clock; 0: none, or unknown
    std::vector<std::string> problems;  // in words: why not complete, tracepoints that could not be decoded, …
    // Live reading broke off, but all that was recorded is on the relay's disk: read_again() will do.
    bool recorded = false;
    // Why everything was read again from there; empty: it was not.
    std::string read_again_because;
};

// What is read live, whoever made the session.
class LiveEvents {
 public:
    virtual ~LiveEvents() = default;

    // Waits until everything that was fired before the call has been handled, then ends reading.
    virtual LiveResult finish(std::chrono::milliseconds deadline) = 0;
    // After finish() with a result that is `recorded`: reads everything from the beginning, to a handler that knows
    // nothing of it yet and is called until this returns. Complete under the same condition as finish(): the marks of
    // all CPUs were found.
    virtual LiveResult read_again(EventHandler& handler, std::chrono::milliseconds deadline) = 0;
    // Events handed to the handler so far. Any thread.
    virtual std::uint64_t events() const = 0;
    // The reader is at work; false after an error or the end. Any thread.
    virtual bool reading() const = 0;
};

class LiveSession final : public LiveEvents {
 public:
    // Makes the session, enables `events`, starts recording and reading, and returns when the first marks have arrived:
    // what is fired from now on is seen. `handler` is called on the reader's thread from before the constructor returns
    // until finish() has, and must live as long. Throws LttngError (any step, named) at the latest after a few times
    // the limit.
    LiveSession(const LiveSessionOptions& options, std::vector<WantedEvent> events, EventHandler& handler);
    // Without finish(): what was not read is dropped.
    ~LiveSession() override;
    LiveSession(const LiveSession&) = delete;
    LiveSession& operator=(const LiveSession&) = delete;

    // Waits until everything that was fired before the call has been handled, then ends recording and reading. Never
    // throws for what a run may bring about (a dead daemon, a dead reader, the deadline): the result then says that it
    // is not complete. Programs may still run; what they fire afterwards is not looked at. Further calls return the
    // same.
    LiveResult finish(std::chrono::milliseconds deadline = std::chrono::seconds(10)) override;
    LiveResult read_again(EventHandler& handler, std::chrono::milliseconds deadline) override;

    std::uint64_t events() const override;
    bool reading() const override;

 private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace lockstep::monitors
