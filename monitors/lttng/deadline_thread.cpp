#include "monitors/lttng/deadline_thread.hpp"

#include <signal.h>

#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>

namespace lockstep::monitors {

namespace {

// Among others SIGPIPE, which liblttng-ctl provokes when it writes to a daemon that has died.
void block_signals() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, nullptr);
}

}  // namespace

// Lives until both the owner and the thread have let go of it. All members under `mutex`.
struct DeadlineThread::Shared {
    std::mutex mutex;
    std::condition_variable changed;
    std::function<void()> call;  // empty: nothing to do
    std::exception_ptr failure;  // of the last call
    bool stopping = false;
    bool ended = false;

    void work() {
        block_signals();
        std::unique_lock lock(mutex);
        for (;;) {
            changed.wait(lock, [this] { return call || stopping; });
            if (!call) break;
            const std::function<void()> current = call;
            lock.unlock();
            std::exception_ptr thrown;
            try {
                current();
            } catch (...) {
                thrown = std::current_exception();
            }
            lock.lock();
            failure = thrown;
            call = nullptr;
            changed.notify_all();
        }
        ended = true;
        changed.notify_all();
    }
};

DeadlineThread::DeadlineThread() : shared_(std::make_shared<Shared>()) {
    std::thread([shared = shared_] { shared->work(); }).detach();
}

DeadlineThread::~DeadlineThread() {
    std::unique_lock lock(shared_->mutex);
    shared_->stopping = true;
    shared_->changed.notify_all();
    shared_->changed.wait_for(lock, grace, [this] { return shared_->ended; });
}

void DeadlineThread::run(const std::string& what, std::chrono::milliseconds limit, std::function<void()> call) {
    std::unique_lock lock(shared_->mutex);
    if (shared_->call) throw LttngError(what + ": not tried, an earlier call still hangs");
    shared_->call = std::move(call);
    shared_->changed.notify_all();
    if (!shared_->changed.wait_for(lock, limit, [this] { return !shared_->call; }))
        throw LttngError(what + ": no answer within " + std::to_string(limit.count()) + " ms");
    if (shared_->failure) std::rethrow_exception(std::exchange(shared_->failure, nullptr));
}

}  // namespace lockstep::monitors
