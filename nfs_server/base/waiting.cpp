#include "nfs_server/base/waiting.hpp"

namespace lockstep::server {
namespace {

thread_local WaitObserver* observer_of_this_thread = nullptr;

}  // namespace

void observe_waits(WaitObserver* observer) {
    observer_of_this_thread = observer;
}

void about_to_wait() {
    if (observer_of_this_thread != nullptr) observer_of_this_thread->about_to_wait();
}

}  // namespace lockstep::server
