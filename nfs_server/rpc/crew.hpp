// Which of a server's threads are at work: about as many as there are processors, so that they don't take these from
// each other and a busy one goes on with the next request instead of waking another. Rpc layer.
//
//        join() ┌────── at work: has a place ──────┐ about_to_wait(), leaves its place to another
//   parked ─────┤  waits for sockets, runs requests ├────── waiting for a disk, a lock, another thread
//        ▲      └──────────────────────────────────┘                │ finishes its request without a place
//        └────────────────────────────────────────────────────────────┘
//
// A thread that waits without saying so (a procedure may) keeps its place. When everybody at work does, and nobody
// looks at the sockets, a lookout grants one more place every few milliseconds; whoever took that long gives it back.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <thread>

#include "nfs_server/base/waiting.hpp"

namespace lockstep::server::rpc {

class Crew final : public WaitObserver {
 public:
    // places: how many may be at work, at least 1. idle_threads: how many of those are waiting for sockets. each_look:
    // is called by the lookout, every few milliseconds while there is work or it says that it wants to be.
    Crew(uint32_t places, const std::atomic<uint32_t>& idle_threads, std::function<bool()> each_look = {});
    // No thread is in it any more.
    ~Crew();

    // Of a thread of the server, between two pieces of work: returns when it has a place. False: the server stops.
    bool join();
    // The thread has found work. Wakes another where a place is free and somebody parked.
    void found_work();
    // The thread leaves its place. Wakes another when nobody looks at the sockets.
    void about_to_wait() override;

    // How often work was found so far.
    const std::atomic<uint64_t>& work_found() const { return work_found_; }
    // each_look wants to be called from now on.
    void look_out_for_more();
    // Threads without work. A moment's view.
    uint32_t parked() const { return parked_.load(std::memory_order_relaxed); }
    // The calling thread has a place.
    static bool is_at_work();

    // Lets join() return false. Any thread.
    void stop();

 private:
    void leave();
    bool has_surplus_place() const;
    void look_out();
    void look(uint64_t& work_seen);
    void wake_lookout();

    const uint32_t places_;
    const std::atomic<uint32_t>& idle_threads_;
    const std::function<bool()> each_look_;

    std::atomic<uint64_t> work_found_{0};
    std::atomic<uint64_t> looks_{0};  // of the lookout
    std::atomic<bool> lookout_sleeps_{false};
    std::atomic<uint32_t> at_work_{0};  // changed under the mutex, as the next two
    std::atomic<uint32_t> parked_{0};
    std::atomic<uint32_t> granted_;  // places now

    std::mutex mutex_;
    std::condition_variable place_free_;
    std::condition_variable lookout_work_;
    bool stopping_ = false;
    std::thread lookout_;
};

}  // namespace lockstep::server::rpc
