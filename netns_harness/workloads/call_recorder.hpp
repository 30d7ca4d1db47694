// Writes down how long the calls of this process take, for the run's plots: see call_histogram.hpp.
#pragma once

#include <chrono>
#include <memory>
#include <mutex>
#include <string>

#include "netns_harness/call_histogram.hpp"

namespace lockstep::workloads {

// An interval is written when a call ends after it: who is killed loses no more than the last one. Threads may share
// it.
class CallRecorder {
 public:
    using Clock = std::chrono::steady_clock;  // CLOCK_MONOTONIC

    // Begins the file anew. Throws std::runtime_error when it can't be opened.
    explicit CallRecorder(const std::string& file);
    ~CallRecorder();
    CallRecorder(const CallRecorder&) = delete;
    CallRecorder& operator=(const CallRecorder&) = delete;

    // The one that LOCKSTEP_CALL_TIMES asks for, the name of a file; nullptr when nobody asks.
    static CallRecorder* of_this_process();

    void answered(Clock::time_point begin, Clock::time_point end);
    void unanswered(Clock::time_point end);

 private:
    void go_to(Clock::time_point now);
    void write_interval();

    int file_;
    std::mutex mutex_;
    std::uint64_t interval_ = 0;
    CallHistogram calls_;
};

}  // namespace lockstep::workloads
