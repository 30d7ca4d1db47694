#include "nfs_server/rpc/crew.hpp"

#include <pthread.h>

#include <chrono>

#include "nfs_server/base/worker_number.hpp"

namespace lockstep::server::rpc {
namespace {

// Longer than a request that does not wait takes, shorter than a client notices.
constexpr auto lookout_period = std::chrono::milliseconds(5);

thread_local bool has_place = false;
thread_local uint64_t looks_at_last_work = 0;

}  // namespace

Crew::Crew(uint32_t places, const std::atomic<uint32_t>& idle_threads, std::function<bool()> each_look)
    : places_(places),
      idle_threads_(idle_threads),
      each_look_(std::move(each_look)),
      granted_(places),
      lookout_([this] { look_out(); }) {
    pthread_setname_np(lookout_.native_handle(), "rpc-lookout");
}

Crew::~Crew() {
    stop();
    lookout_.join();
}

bool Crew::is_at_work() {
    return has_place;
}

void Crew::look_out_for_more() {
    if (lookout_sleeps_) wake_lookout();
}

void Crew::stop() {
    const std::lock_guard hold(mutex_);
    stopping_ = true;
    place_free_.notify_all();
    lookout_work_.notify_all();
}

bool Crew::join() {
    if (has_place && !has_surplus_place()) return true;
    std::unique_lock hold(mutex_);
    if (has_place) leave();
    observe_waits(nullptr);
    if (at_work_ >= granted_) give_up_worker_number();
    ++parked_;
    place_free_.wait(hold, [this] { return stopping_ || at_work_ < granted_; });
    --parked_;
    if (stopping_) return false;
    ++at_work_;
    has_place = true;
    observe_waits(this);
    return true;
}

// This thread was at one piece of work while the lookout granted a place for it.
bool Crew::has_surplus_place() const {
    return granted_.load(std::memory_order_relaxed) > places_ && looks_ - looks_at_last_work >= 2;
}

// Under the mutex.
void Crew::leave() {
    if (has_surplus_place()) --granted_;
    has_place = false;
    --at_work_;
}

void Crew::found_work() {
    work_found_.fetch_add(1);
    looks_at_last_work = looks_;
    if (lookout_sleeps_) wake_lookout();
    if (parked_.load(std::memory_order_relaxed) == 0) return;
    if (at_work_.load(std::memory_order_relaxed) >= granted_.load(std::memory_order_relaxed)) return;
    place_free_.notify_one();
}

void Crew::about_to_wait() {
    if (!has_place) return;
    {
        const std::lock_guard hold(mutex_);
        leave();
    }
    if (idle_threads_ == 0) place_free_.notify_one();
}

void Crew::wake_lookout() {
    const std::lock_guard hold(mutex_);
    lookout_sleeps_ = false;
    lookout_work_.notify_one();
}

void Crew::look_out() {
    std::unique_lock hold(mutex_);
    uint64_t work_seen = 0;
    while (!stopping_) {
        lookout_work_.wait(hold, [this] { return stopping_ || !lookout_sleeps_; });
        lookout_work_.wait_for(hold, lookout_period, [this] { return stopping_; });
        look(work_seen);
    }
}

// Under the mutex.
void Crew::look(uint64_t& work_seen) {
    ++looks_;
    const auto wants_more = [this] { return each_look_ && each_look_(); };
    const bool wanted_more = wants_more();
    const uint64_t work_found = work_found_;
    const bool is_quiet = work_found == work_seen;
    work_seen = work_found;
    if (!is_quiet) return;
    if (idle_threads_ == 0 && parked_ > 0) {
        ++granted_;
        place_free_.notify_one();
        return;
    }
    if (wanted_more) return;
    // Whoever finds work, or wants looks, from now on sees that the lookout sleeps, or is seen here.
    lookout_sleeps_ = true;
    if (work_found_ != work_found || wants_more()) lookout_sleeps_ = false;
}

}  // namespace lockstep::server::rpc
