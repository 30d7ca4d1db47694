// A thread that is about to wait says so, so that whoever shares out the work can let another one work in its place.
// Base layer.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>

namespace lockstep::server {

// Is told of the waits of the threads that it observes, each in its own thread.
class WaitObserver {
 public:
    // The thread is about to wait; it may be told so several times in one piece of work. Must not wait.
    virtual void about_to_wait() = 0;

 protected:
    ~WaitObserver() = default;
};

// Who is told of this thread's waits from now on; nullptr: nobody, as at the start. Must outlive the thread's last
// wait. Returns who was told before.
WaitObserver* observe_waits(WaitObserver* observer);

// This thread is about to wait for a disk, a lock or another thread, perhaps for long. For the few places where a
// request can be held up; a mutex that nobody holds for long is none.
void about_to_wait();

// What two threads that meet wait for each other, without anything slow in between: to hand work on would cost more.
inline constexpr auto short_wait = std::chrono::microseconds(50);

// Waits until `holds`, under the mutex of `hold`, and says so when that is no short wait. The mutex is
// free meanwhile, so that it need not be held for whoever is told.
template <class Predicate>
void wait_and_say_so(std::condition_variable& changed, std::unique_lock<std::mutex>& hold, Predicate holds) {
    if (changed.wait_for(hold, short_wait, holds)) return;
    hold.unlock();
    about_to_wait();
    hold.lock();
    changed.wait(hold, holds);
}

}  // namespace lockstep::server
