#include "nfs_server/base/worker_number.hpp"

#include <functional>
#include <limits>
#include <mutex>
#include <queue>
#include <utility>
#include <vector>

namespace lockstep::server {
namespace {

constexpr std::size_t none = std::numeric_limits<std::size_t>::max();

class Numbers {
 public:
    std::size_t take() {
        const std::lock_guard hold(mutex_);
        if (free_.empty()) return next_++;
        const std::size_t number = free_.top();
        free_.pop();
        return number;
    }
    void give_back(std::size_t number) {
        const std::lock_guard hold(mutex_);
        free_.push(number);
    }

 private:
    std::mutex mutex_;
    std::priority_queue<std::size_t, std::vector<std::size_t>, std::greater<>> free_;  // the lowest first
    std::size_t next_ = 0;                                                             // never taken so far
};

// Lives as long as the process: threads may end after every static object.
Numbers& numbers() {
    static auto* all = new Numbers;
    return *all;
}

struct OwnNumber {
    std::size_t number = none;
    ~OwnNumber() { give_up(); }
    void give_up() {
        if (number != none) numbers().give_back(std::exchange(number, none));
    }
};

thread_local OwnNumber own;

}  // namespace

std::size_t worker_number() {
    if (own.number == none) own.number = numbers().take();
    return own.number;
}

void give_up_worker_number() {
    own.give_up();
}

}  // namespace lockstep::server
