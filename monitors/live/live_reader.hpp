// The thread that reads a live session: hands events to the handler, and marks to whoever waits for them.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "monitors/trace/event_source.hpp"

namespace lockstep::monitors {

// All members from any thread. Shared with its thread, which a relay that hangs can hold up for ever: abandon() then
// leaves the thread behind, and the handler is not called any more.
class LiveReader : public std::enable_shared_from_this<LiveReader>, private EventHandler {
 public:
    struct Options {
        std::string viewer_url;
        std::string session;
        std::vector<WantedEvent> wanted;
        std::uint64_t reader = 0;  // whose marks count
        // A session that somebody else made, without marks: the HOSTNAME of its URL. Empty: a session of this machine,
        // with marks.
        std::string joined_host;
        // What the relay has on its disk of a session that records no more, instead of the session.
        std::filesystem::path recorded;
        // How long to wait before asking the relay again when there was nothing.
        std::chrono::microseconds idle{500};
        // How long the session may take to appear at the relay.
        std::chrono::milliseconds limit{10'000};
    };

    enum class State { reading, ended, failed };

    LiveReader(Options options, EventHandler& handler);
    void start();

    // Waits until a mark of `round` or later has arrived from each of `cpus`, the reader stopped reading, or the
    // deadline. True for the first.
    bool wait_for_marks(std::uint64_t round, const std::vector<std::uint32_t>& cpus,
                        std::chrono::steady_clock::time_point deadline);
    // Waits until something was read, be it only the time, or the session has ended. False at the deadline or after an
    // error.
    bool wait_for_begin(std::chrono::steady_clock::time_point deadline);
    // Waits until everything earlier than now has been read, as far as times tell; for sessions without marks. The
    // trace's clock may be another machine's: its distance from ours is taken from the fastest delivery so far, and a
    // second is added for what that one took.
    bool wait_for_now(std::chrono::steady_clock::time_point deadline);
    // Waits until the session was read to its end, as happens some time after it was destroyed. False at the deadline
    // or after an error.
    bool wait_for_end(std::chrono::steady_clock::time_point deadline);
    // Stops the thread. False when it did not end within `limit`; it is then left behind. When it is told, the thread
    // is at most in one exchange with the relay: `grace` is enough.
    bool stop(std::chrono::milliseconds limit);
    static constexpr std::chrono::milliseconds grace{500};

    State state() const;
    std::string error() const;  // why it failed
    std::uint64_t events() const { return events_.load(std::memory_order_relaxed); }
    std::uint64_t lost() const;
    std::uint64_t losses() const;
    std::vector<std::string> mismatches() const;
    // CPUs that events came from.
    std::vector<std::uint32_t> seen_cpus() const;
    // When the first loss began, by the trace's clock; 0: none, or unknown.
    std::uint64_t lost_since_ns() const;
    std::uint64_t first_event_ns() const;

 private:
    void run();
    void read_session();
    void read_recorded();
    bool joined() const { return !options_.joined_host.empty(); }
    bool wait_for_metadata(std::chrono::steady_clock::time_point deadline);
    bool read_until_idle_or_end(EventSource& source);
    bool nothing_read() const;
    bool stopping_after(std::chrono::microseconds pause);
    void end(State state, const std::string& error);

    void on_event(std::size_t wanted, const Slot* slots, const Origin& origin) override;
    void on_loss(const Loss& loss) override;
    void on_time(std::uint64_t time_ns) override;
    void note_time(std::uint64_t time_ns);
    bool metadata_is_there() const;
    void on_mismatch(std::size_t wanted, const std::string& why) override;

    const Options options_;
    std::atomic<std::uint64_t> events_{0};

    mutable std::mutex mutex_;  // everything below; held while the handler runs, so that stop() can take it away
    std::condition_variable changed_;
    EventHandler* handler_;  // null once stopped
    State state_ = State::reading;
    bool stopping_ = false;
    bool thread_ended_ = false;
    std::string error_;
    std::unordered_map<std::uint32_t, std::uint64_t> rounds_;  // the latest mark of each CPU
    std::vector<bool> seen_cpus_;
    std::uint64_t lost_ = 0;
    std::uint64_t losses_ = 0;
    std::uint64_t lost_since_ns_ = 0;
    std::uint64_t first_event_ns_ = 0;
    std::uint64_t time_ns_ = 0;  // the latest that was read
    // The smallest distance so far between our clock and what had just been read.
    std::int64_t shortest_delay_ns_ = std::numeric_limits<std::int64_t>::max();
    std::vector<std::string> mismatches_;
};

}  // namespace lockstep::monitors
