// A recording session of LTTng-UST, made and steered through liblttng-ctl, each step with a time limit.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "monitors/lttng/deadline_thread.hpp"
#include "monitors/lttng/lttng_error.hpp"

namespace lockstep::monitors {

struct SessionOptions {
    std::string name;
    std::string relay_url;  // as `lttng create --set-url` takes it
    std::chrono::microseconds live_timer{2'000};
    std::uint64_t buffer_bytes = 1 << 20;  // of a sub-buffer; a power of two, at least a page
    std::uint64_t buffer_count = 4;        // sub-buffers a CPU; a power of two, at least 2
    bool no_loss = false;                  // programs that allow it wait for room
    std::chrono::milliseconds limit{10'000};
};

// Not thread-safe; one at a time in a process, since liblttng-ctl has state of its own. Every member throws LttngError
// that names the step, with LTTng's own words.
class SessionControl {
 public:
    // Makes a live session with one channel of per-user buffers (per-process buffers of short-lived programs get lost),
    // with the contexts vpid, vtid and net_ns. It does not record yet.
    explicit SessionControl(const SessionOptions& options);
    // Destroys the session if destroy() was not called, errors ignored; waits no longer than the limit.
    ~SessionControl();
    SessionControl(const SessionControl&) = delete;
    SessionControl& operator=(const SessionControl&) = delete;

    // "provider:tracepoint"; wildcards as LTTng has them.
    void enable_event(const std::string& name);
    // Only these processes' events are recorded: numbers as the processes see their own.
    void track(const std::vector<std::uint32_t>& vpids);
    void start();
    // Events that found no room, as the daemons have counted them so far.
    std::uint64_t discarded_events();
    // Stops recording and waits until the relay has everything that was recorded.
    void stop();
    // Stops recording and removes the session, without waiting until the daemons have done so (which takes 0.5 s).
    void destroy();

    const std::string& name() const;

 private:
    struct State;
    void step(const std::string& what, std::function<void(State&)> call);

    std::shared_ptr<State> state_;  // shared with a call that hangs
    DeadlineThread thread_;
};

}  // namespace lockstep::monitors
