// Stands between libbabeltrace2 and a relay, and makes the times that the relay tells of silent streams a little older.
//
// For a stream whose buffer is empty, LTTng's consumer daemon tells the present time, and libbabeltrace2 holds that for
// a promise: it gives up when the stream brings an older event afterwards. But a thread that has read the clock for its
// event, and has not yet reserved its place in the buffer, brings just that (stopping_clock.cpp). It is late by some
// tens of microseconds as a rule, by a turn of the scheduler where it was preempted. Everything else goes through
// unchanged.
//
//     libbabeltrace2 ── request ──▶ proxy ── request ──▶ relay
//                    ◀── answer ──        ◀── answer ──
//                        └ GET_NEXT_INDEX, "inactive": timestamp_end − slack, but never earlier than told before
//
// Source: LTTng-tools 2.13, doc/live-reading-protocol.txt.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <string>
#include <thread>
#include <unordered_map>

namespace lockstep::monitors {

// One connection of a viewer. The thread that serves it inherits the caller's network namespace and signal mask.
class RelayProxy {
 public:
    // `viewer_url`: "net://HOST:PORT". Connects to the relay; throws TraceError when none answers within `limit`.
    RelayProxy(const std::string& viewer_url, std::chrono::nanoseconds slack, std::chrono::milliseconds limit);
    // Ends the connection, even in the middle of an exchange.
    ~RelayProxy();
    RelayProxy(const RelayProxy&) = delete;
    RelayProxy& operator=(const RelayProxy&) = delete;

    // Where the viewer connects: "net://127.0.0.1:PORT".
    std::string viewer_url() const;

 private:
    void serve();
    bool pass_request_on();
    bool pass_index_on(std::uint64_t stream);
    bool pass_answer_on();

    const std::uint64_t slack_ns_;
    int relay_ = -1;
    int listener_ = -1;
    std::atomic<int> viewer_{-1};
    std::atomic<bool> ending_{false};
    std::unordered_map<std::uint64_t, std::uint64_t> told_ns_;  // by stream: the latest time; the serving thread's
    std::thread thread_;
};

}  // namespace lockstep::monitors
