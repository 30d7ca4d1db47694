#include "nfs_server/base/waiting.hpp"

#include <utility>

namespace lockstep::server {
namespace {

thread_local WaitObserver* observer_of_this_thread = nullptr;

}  // namespace

WaitObserver* observe_waits(WaitObserver* observer) {
    return std::exchange(observer_of_this_thread, observer);
}

void about_to_wait() {
    if (observer_of_this_thread != nullptr) observer_of_this_thread->about_to_wait();
}

}  // namespace lockstep::server
