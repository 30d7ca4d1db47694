#include "netns_harness/workloads/call_recorder.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <stdexcept>

namespace lockstep::workloads {

CallRecorder::CallRecorder(const std::string& file)
    : file_(open(file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644)) {
    if (file_ < 0) throw std::runtime_error("cannot write " + file);
}

CallRecorder::~CallRecorder() {
    write_interval();
    close(file_);
}

CallRecorder* CallRecorder::of_this_process() {
    static const std::unique_ptr<CallRecorder> recorder = [] {
        const char* file = std::getenv("LOCKSTEP_CALL_TIMES");
        return file != nullptr ? std::make_unique<CallRecorder>(file) : nullptr;
    }();
    return recorder.get();
}

void CallRecorder::answered(Clock::time_point begin, Clock::time_point end) {
    const auto time = std::chrono::duration_cast<std::chrono::microseconds>(end - begin);
    const std::lock_guard hold(mutex_);
    go_to(end);
    ++calls_.buckets[call_bucket(static_cast<std::uint64_t>(time.count()))];
    ++calls_.answered;
}

void CallRecorder::unanswered(Clock::time_point end) {
    const std::lock_guard hold(mutex_);
    go_to(end);
    ++calls_.unanswered;
}

void CallRecorder::go_to(Clock::time_point now) {
    const std::uint64_t interval = static_cast<std::uint64_t>(now.time_since_epoch().count()) / call_interval_ns;
    if (interval <= interval_) return;
    write_interval();
    interval_ = interval;
}

// One write: who reads sees whole lines.
void CallRecorder::write_interval() {
    if (calls_.answered + calls_.unanswered == 0) return;
    std::string line = std::to_string(interval_) + " " + std::to_string(calls_.unanswered);
    for (const auto& [bucket, count] : calls_.buckets)
        line += " " + std::to_string(bucket) + ":" + std::to_string(count);
    line += "\n";
    // A full disk costs the plot an interval, not the workload its run.
    if (write(file_, line.data(), line.size()) < 0) calls_.unanswered = 0;
    calls_ = {};
}

}  // namespace lockstep::workloads
