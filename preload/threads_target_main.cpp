// A program that knows nothing of Lockstep, for the tests: each argument makes it do something right or wrong with
// locks.
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <map>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <thread>
#include <vector>

namespace {

std::mutex one, other;

void in_order() {
    const std::lock_guard hold_one(one);
    const std::lock_guard hold_other(other);
}

// Never at once, so it never hangs; a day will come.
void in_both_orders() {
    std::thread(in_order).join();
    const std::lock_guard hold_other(other);
    const std::lock_guard hold_one(one);
}

void many_threads() {
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i)
        threads.emplace_back([] {
            for (int turn = 0; turn < 2000; ++turn) in_order();
        });
    for (std::thread& thread : threads) thread.join();
}

void wait_for_a_condition() {
    std::condition_variable changed;
    bool ready = false;
    std::thread waiter([&] {
        std::unique_lock hold(one);
        changed.wait(hold, [&] { return ready; });
    });
    {
        const std::lock_guard hold(one);
        ready = true;
    }
    changed.notify_one();
    waiter.join();
}

// Cancelled in the wait, a thread holds the mutex again when its stack is unwound.
void cancel_in_a_wait() {
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    static pthread_cond_t never = PTHREAD_COND_INITIALIZER;
    static bool waiting = false;
    pthread_t thread;
    pthread_create(
        &thread, nullptr,
        [](void*) -> void* {
            pthread_mutex_lock(&mutex);
            waiting = true;
            pthread_cleanup_push([](void*) { pthread_mutex_unlock(&mutex); }, nullptr);
            while (true) pthread_cond_wait(&never, &mutex);
            pthread_cleanup_pop(1);
            return nullptr;
        },
        nullptr);
    for (bool seen = false; !seen;) {
        pthread_mutex_lock(&mutex);
        seen = waiting;
        pthread_mutex_unlock(&mutex);
        sched_yield();
    }
    pthread_cancel(thread);
    pthread_join(thread, nullptr);
    pthread_mutex_lock(&mutex);
    pthread_mutex_unlock(&mutex);
}

void recursive_and_tried() {
    std::recursive_mutex again;
    again.lock();
    again.lock();
    if (again.try_lock()) again.unlock();
    again.unlock();
    again.unlock();
    // A try orders nothing: it does not wait.
    const std::lock_guard hold_other(other);
    if (one.try_lock()) one.unlock();
    {
        std::shared_mutex readers;
        readers.lock_shared();
        readers.unlock_shared();
        readers.lock();
        readers.unlock();
    }
}

// Undefined by POSIX; glibc lets it pass.
void unlock_anothers() {
    one.lock();
    std::thread([] { one.unlock(); }).join();
}

void unlock_twice() {
    one.lock();
    one.unlock();
    one.unlock();
}

void destroy_held() {
    pthread_mutex_t mutex;
    pthread_mutex_init(&mutex, nullptr);
    pthread_mutex_lock(&mutex);
    pthread_mutex_destroy(&mutex);
}

void sleep_while_spinning() {
    pthread_spinlock_t spin;
    pthread_spin_init(&spin, PTHREAD_PROCESS_PRIVATE);
    pthread_spin_lock(&spin);
    const std::lock_guard hold(one);
    pthread_spin_unlock(&spin);
}

void spin() {
    pthread_spinlock_t spin;
    pthread_spin_init(&spin, PTHREAD_PROCESS_PRIVATE);
    pthread_spin_lock(&spin);
    pthread_spin_unlock(&spin);
    const std::lock_guard hold(one);
}

// New mutexes at one address are different locks: no order is carried over.
void reuse_an_address() {
    alignas(pthread_mutex_t) unsigned char memory[sizeof(pthread_mutex_t)];
    auto* mutex = reinterpret_cast<pthread_mutex_t*>(memory);
    for (const bool first : {true, false}) {
        pthread_mutex_init(mutex, nullptr);
        if (first) pthread_mutex_lock(mutex);
        one.lock();
        if (!first) pthread_mutex_lock(mutex);
        pthread_mutex_unlock(mutex);
        one.unlock();
        pthread_mutex_destroy(mutex);
    }
}

// As daemons do. Who looks at a closed descriptor over and over would take all of this time.
void close_all() {
    if (close_range(3, ~0U, 0) != 0) std::exit(65);
    const auto begin = std::clock();
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    if (std::clock() - begin > CLOCKS_PER_SEC / 10) std::exit(66);
}

const std::map<std::string, void (*)()> deeds{
    {"in-order", in_order},
    {"many-threads", many_threads},
    {"condition", wait_for_a_condition},
    {"cancelled-wait", cancel_in_a_wait},
    {"recursive", recursive_and_tried},
    {"reused-address", reuse_an_address},
    {"both-orders", in_both_orders},
    {"unlock-anothers", unlock_anothers},
    {"unlock-twice", unlock_twice},
    {"destroy-held", destroy_held},
    {"spin", spin},
    {"sleep-while-spinning", sleep_while_spinning},
    {"close-all", close_all},
    {"killed", [] { raise(SIGKILL); }},
    {"exit-at-once", [] { _exit(0); }},
};

}  // namespace

int main(int argc, char** argv) {
    for (int i = 1; i < argc; ++i) {
        const auto deed = deeds.find(argv[i]);
        if (deed == deeds.end()) return 64;
        deed->second();
    }
    std::puts("done");
}
