// Whether a client sends one request after another, and how many others the server has beside it. Rpc layer.
#pragma once

#include <atomic>
#include <cstdint>

namespace lockstep::server::rpc {

// Counts a client's requests in windows. Its requests are told by one thread at a time; else any thread.
class Briskness {
 public:
    // From the last reply to the next request, of a brisk client.
    static constexpr int64_t longest_gap_ns = 500'000;
    static constexpr uint32_t window = 16;

    // A request came. work_found: how often the crew has found work so far.
    void request(int64_t gap_ns, bool came_alone, uint64_t work_found) {
        if (!came_alone || gap_ns > longest_gap_ns) return forget();
        const uint32_t before = get(requests_);
        if (before == 0) work_at_begin_ = work_found;
        requests_.store(before + 1, relaxed);
        if (before < window) return;
        clients_of_crew_.store((work_found - work_at_begin_) / window, relaxed);
        is_brisk_.store(true, relaxed);
        requests_.store(1, relaxed);
        work_at_begin_ = work_found;
    }

    // One window at least has passed since it began, or paused.
    bool is_brisk() const { return get(is_brisk_); }
    // About how many clients like this one the crew served during the last window.
    uint64_t clients_of_crew() const { return get(clients_of_crew_); }

    // Others serve it from now on: what was found out about the crew holds no more.
    void change_hands() {
        requests_.store(0, relaxed);
        clients_of_crew_.store(0, relaxed);
    }
    void forget() {
        requests_.store(0, relaxed);
        is_brisk_.store(false, relaxed);
    }

 private:
    static constexpr auto relaxed = std::memory_order_relaxed;
    template <class T>
    static T get(const std::atomic<T>& value) {
        return value.load(relaxed);
    }

    std::atomic<uint32_t> requests_{0};  // of this window
    uint64_t work_at_begin_ = 0;         // of whoever tells the requests
    std::atomic<bool> is_brisk_{false};
    std::atomic<uint64_t> clients_of_crew_{0};
};

}  // namespace lockstep::server::rpc
