// Calls that may hang, given a time limit: they run on a thread of their own, and the caller stops waiting.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "monitors/lttng/lttng_error.hpp"

namespace lockstep::monitors {

// Runs one call at a time; liblttng-ctl, which it is made for, is not thread-safe. Used from one thread.
class DeadlineThread {
 public:
    DeadlineThread();
    // Waits for a call that hangs no longer than `grace`, then leaves its thread behind.
    ~DeadlineThread();
    DeadlineThread(const DeadlineThread&) = delete;
    DeadlineThread& operator=(const DeadlineThread&) = delete;

    // Returns when `call` has; its exception is thrown again here. Throws LttngError "WHAT: no answer within N ms" at
    // the limit; every further run() then fails at once. `call` may be running still, so it must own what it touches.
    void run(const std::string& what, std::chrono::milliseconds limit, std::function<void()> call);

    static constexpr std::chrono::milliseconds grace{200};

 private:
    struct Shared;
    std::shared_ptr<Shared> shared_;
};

}  // namespace lockstep::monitors
