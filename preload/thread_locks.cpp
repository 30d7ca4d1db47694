// liblockstep_thread_locks.so: preloaded into a program, it fires thread_locks:* around the program's own calls of the
// POSIX thread library: mutexes, reader-writer locks, spin locks, and the mutex that a condition wait gives up
// meanwhile. C11's mtx_* and what glibc does inside are not seen.
//
// A call costs what the disabled tracepoint costs, and the list of the locks that the thread holds. Nothing here
// allocates or takes a lock. A thread inside one of our tracepoints fires no further ones.
#include <pthread.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdint>

#include "preload/own_code.hpp"
#include "preload/real.hpp"
#include "tracepoints/thread_locks.tp"

namespace lockstep::preload {
namespace {

enum Kind : std::uint8_t { mutex_kind = 0, rwlock_kind = 1, spinlock_kind = 2 };
enum Mode : std::uint8_t { shared_mode = 3, exclusive_mode = 5 };

std::uint64_t address_of(const volatile void* lock) {
    return reinterpret_cast<std::uint64_t>(lock);
}

// How often a lock at an address was made or destroyed. Addresses share counters: a lock may get a new identity because
// another one was made, and an order be missed; never is one invented.
class Generations {
 public:
    void advance(std::uint64_t lock) { of(lock).fetch_add(1, std::memory_order_relaxed); }
    std::uint64_t identity(std::uint64_t lock) {
        constexpr std::uint64_t address_bits = 48;
        return (std::uint64_t{of(lock).load(std::memory_order_relaxed)} << address_bits) |
               (lock & ((std::uint64_t{1} << address_bits) - 1));
    }

 private:
    std::atomic<std::uint16_t>& of(std::uint64_t lock) { return counters_[(lock * 0x9e3779b97f4a7c15) >> (64 - 14)]; }
    std::array<std::atomic<std::uint16_t>, 1 << 14> counters_{};
};
Generations generations;

// The locks that a thread holds, with how often it took each. With more than there is room for, orders are missed.
class Held {
 public:
    void add(std::uint64_t lock) {
        for (Entry& entry : *this)
            if (entry.lock == lock) return void(++entry.depth);
        if (count_ < entries_.size()) entries_[count_++] = {lock, generations.identity(lock), 1};
    }
    void remove(std::uint64_t lock) {
        for (Entry& entry : *this) {
            if (entry.lock != lock) continue;
            if (--entry.depth == 0) entry = entries_[--count_];
            return;
        }
    }
    // Calls visit(identity) for each lock but this one, and only if the thread does not hold this one already.
    template <class Visit>
    void before(std::uint64_t lock, Visit visit) {
        for (const Entry& entry : *this)
            if (entry.lock == lock) return;
        for (const Entry& entry : *this) visit(entry.identity);
    }

 private:
    struct Entry {
        std::uint64_t lock;
        std::uint64_t identity;
        std::uint32_t depth;
    };
    Entry* begin() { return entries_.data(); }
    Entry* end() { return entries_.data() + count_; }

    std::array<Entry, 64> entries_;
    std::uint32_t count_ = 0;
};

// Zero-initialised, and initial-exec: reading it neither allocates nor calls.
struct Thread {
    Held held;
    bool inside;
};
thread_local Thread this_thread __attribute__((tls_model("initial-exec")));

// Fires unless the thread is inside already.
template <class Fire>
void once(Fire fire) {
    if (this_thread.inside) return;
    this_thread.inside = true;
    fire();
    this_thread.inside = false;
}

void fire_initialised(const volatile void* lock, Kind kind) {
    generations.advance(address_of(lock));
    once([=] { lttng_ust_tracepoint(thread_locks, initialised, address_of(lock), kind); });
}

void fire_destroyed(const volatile void* lock, Kind kind) {
    generations.advance(address_of(lock));
    once([=] { lttng_ust_tracepoint(thread_locks, destroyed, address_of(lock), kind); });
}

// Before the thread waits for the lock.
void fire_ordered(const volatile void* lock) {
    const std::uint64_t address = address_of(lock);
    once([=] {
        this_thread.held.before(address, [=](std::uint64_t first) {
            lttng_ust_tracepoint(thread_locks, ordered, first, generations.identity(address));
        });
    });
}

void fire_acquired(const volatile void* lock, Kind kind, Mode mode, bool recursive = false, bool owner_died = false) {
    this_thread.held.add(address_of(lock));
    once([=] { lttng_ust_tracepoint(thread_locks, acquired, address_of(lock), kind, mode, recursive, owner_died); });
}

void fire_released(const volatile void* lock, Kind kind) {
    this_thread.held.remove(address_of(lock));
    once([=] { lttng_ust_tracepoint(thread_locks, released, address_of(lock), kind); });
}

// glibc's own layout; what a mutex was made as can't be asked otherwise.
bool is_recursive(const pthread_mutex_t* mutex) {
    constexpr int kind_bits = 3;
    return (mutex->__data.__kind & kind_bits) == PTHREAD_MUTEX_RECURSIVE;
}

// A call that may wait for a mutex, or that only tries.
template <class Call>
int take_mutex(pthread_mutex_t* mutex, bool waits, const void* caller, Call call) {
    if (is_own_code(caller)) return call();
    if (waits) fire_ordered(mutex);
    const int status = call();
    if (status == 0 || status == EOWNERDEAD)
        fire_acquired(mutex, mutex_kind, exclusive_mode, is_recursive(mutex), status == EOWNERDEAD);
    return status;
}

template <class Call>
int take(const volatile void* lock, Kind kind, Mode mode, bool waits, const void* caller, Call call) {
    if (is_own_code(caller)) return call();
    if (waits) fire_ordered(lock);
    const int status = call();
    if (status == 0) fire_acquired(lock, kind, mode);
    return status;
}

template <class Call>
int give(const volatile void* lock, Kind kind, const void* caller, Call call) {
    if (!is_own_code(caller)) fire_released(lock, kind);
    return call();
}

// The mutex is given up and taken again by the call itself, whatever it returns, and also when the thread is cancelled
// in it: then the stack is unwound.
template <class Call>
int wait_for_condition(pthread_mutex_t* mutex, const void* caller, Call call) {
    if (is_own_code(caller)) return call();
    struct Taken {
        pthread_mutex_t* mutex;
        int status = 0;
        ~Taken() { fire_acquired(mutex, mutex_kind, exclusive_mode, is_recursive(mutex), status == EOWNERDEAD); }
    } taken{mutex};
    fire_released(mutex, mutex_kind);
    return taken.status = call();
}

template <class Call>
int make(const volatile void* lock, Kind kind, const void* caller, Call call) {
    const int status = call();
    if (status == 0 && !is_own_code(caller)) fire_initialised(lock, kind);
    return status;
}

template <class Call>
int destroy(const volatile void* lock, Kind kind, const void* caller, Call call) {
    if (!is_own_code(caller)) fire_destroyed(lock, kind);
    return call();
}

}  // namespace
}  // namespace lockstep::preload

using namespace lockstep::preload;

// NOLINTBEGIN(readability-identifier-naming): the names are POSIX's.
#define CALLER __builtin_return_address(0)
#define EXPORTED extern "C" __attribute__((visibility("default")))

EXPORTED int pthread_mutex_init(pthread_mutex_t* mutex, const pthread_mutexattr_t* attributes) noexcept {
    static constinit Real<int(pthread_mutex_t*, const pthread_mutexattr_t*)> real("pthread_mutex_init");
    return make(mutex, mutex_kind, CALLER, [=] { return real(mutex, attributes); });
}
EXPORTED int pthread_mutex_destroy(pthread_mutex_t* mutex) noexcept {
    static constinit Real<int(pthread_mutex_t*)> real("pthread_mutex_destroy");
    return destroy(mutex, mutex_kind, CALLER, [=] { return real(mutex); });
}
EXPORTED int pthread_mutex_lock(pthread_mutex_t* mutex) noexcept {
    static constinit Real<int(pthread_mutex_t*)> real("pthread_mutex_lock");
    return take_mutex(mutex, true, CALLER, [=] { return real(mutex); });
}
EXPORTED int pthread_mutex_trylock(pthread_mutex_t* mutex) noexcept {
    static constinit Real<int(pthread_mutex_t*)> real("pthread_mutex_trylock");
    return take_mutex(mutex, false, CALLER, [=] { return real(mutex); });
}
EXPORTED int pthread_mutex_timedlock(pthread_mutex_t* mutex, const timespec* until) noexcept {
    static constinit Real<int(pthread_mutex_t*, const timespec*)> real("pthread_mutex_timedlock");
    return take_mutex(mutex, true, CALLER, [=] { return real(mutex, until); });
}
EXPORTED int pthread_mutex_clocklock(pthread_mutex_t* mutex, clockid_t clock, const timespec* until) noexcept {
    static constinit Real<int(pthread_mutex_t*, clockid_t, const timespec*)> real("pthread_mutex_clocklock");
    return take_mutex(mutex, true, CALLER, [=] { return real(mutex, clock, until); });
}
EXPORTED int pthread_mutex_unlock(pthread_mutex_t* mutex) noexcept {
    static constinit Real<int(pthread_mutex_t*)> real("pthread_mutex_unlock");
    return give(mutex, mutex_kind, CALLER, [=] { return real(mutex); });
}

// Since 2.3.2 condition variables look different.
EXPORTED int pthread_cond_wait(pthread_cond_t* condition, pthread_mutex_t* mutex) {
    static constinit Real<int(pthread_cond_t*, pthread_mutex_t*)> real("pthread_cond_wait", "GLIBC_2.3.2");
    return wait_for_condition(mutex, CALLER, [=] { return real(condition, mutex); });
}
EXPORTED int pthread_cond_timedwait(pthread_cond_t* condition, pthread_mutex_t* mutex, const timespec* until) {
    static constinit Real<int(pthread_cond_t*, pthread_mutex_t*, const timespec*)> real("pthread_cond_timedwait",
                                                                                        "GLIBC_2.3.2");
    return wait_for_condition(mutex, CALLER, [=] { return real(condition, mutex, until); });
}
EXPORTED int pthread_cond_clockwait(pthread_cond_t* condition, pthread_mutex_t* mutex, clockid_t clock,
                                    const timespec* until) {
    static constinit Real<int(pthread_cond_t*, pthread_mutex_t*, clockid_t, const timespec*)> real(
        "pthread_cond_clockwait");
    return wait_for_condition(mutex, CALLER, [=] { return real(condition, mutex, clock, until); });
}

EXPORTED int pthread_rwlock_init(pthread_rwlock_t* lock, const pthread_rwlockattr_t* attributes) noexcept {
    static constinit Real<int(pthread_rwlock_t*, const pthread_rwlockattr_t*)> real("pthread_rwlock_init");
    return make(lock, rwlock_kind, CALLER, [=] { return real(lock, attributes); });
}
EXPORTED int pthread_rwlock_destroy(pthread_rwlock_t* lock) noexcept {
    static constinit Real<int(pthread_rwlock_t*)> real("pthread_rwlock_destroy");
    return destroy(lock, rwlock_kind, CALLER, [=] { return real(lock); });
}
EXPORTED int pthread_rwlock_rdlock(pthread_rwlock_t* lock) noexcept {
    static constinit Real<int(pthread_rwlock_t*)> real("pthread_rwlock_rdlock");
    return take(lock, rwlock_kind, shared_mode, true, CALLER, [=] { return real(lock); });
}
EXPORTED int pthread_rwlock_tryrdlock(pthread_rwlock_t* lock) noexcept {
    static constinit Real<int(pthread_rwlock_t*)> real("pthread_rwlock_tryrdlock");
    return take(lock, rwlock_kind, shared_mode, false, CALLER, [=] { return real(lock); });
}
EXPORTED int pthread_rwlock_timedrdlock(pthread_rwlock_t* lock, const timespec* until) noexcept {
    static constinit Real<int(pthread_rwlock_t*, const timespec*)> real("pthread_rwlock_timedrdlock");
    return take(lock, rwlock_kind, shared_mode, true, CALLER, [=] { return real(lock, until); });
}
EXPORTED int pthread_rwlock_clockrdlock(pthread_rwlock_t* lock, clockid_t clock, const timespec* until) noexcept {
    static constinit Real<int(pthread_rwlock_t*, clockid_t, const timespec*)> real("pthread_rwlock_clockrdlock");
    return take(lock, rwlock_kind, shared_mode, true, CALLER, [=] { return real(lock, clock, until); });
}
EXPORTED int pthread_rwlock_wrlock(pthread_rwlock_t* lock) noexcept {
    static constinit Real<int(pthread_rwlock_t*)> real("pthread_rwlock_wrlock");
    return take(lock, rwlock_kind, exclusive_mode, true, CALLER, [=] { return real(lock); });
}
EXPORTED int pthread_rwlock_trywrlock(pthread_rwlock_t* lock) noexcept {
    static constinit Real<int(pthread_rwlock_t*)> real("pthread_rwlock_trywrlock");
    return take(lock, rwlock_kind, exclusive_mode, false, CALLER, [=] { return real(lock); });
}
EXPORTED int pthread_rwlock_timedwrlock(pthread_rwlock_t* lock, const timespec* until) noexcept {
    static constinit Real<int(pthread_rwlock_t*, const timespec*)> real("pthread_rwlock_timedwrlock");
    return take(lock, rwlock_kind, exclusive_mode, true, CALLER, [=] { return real(lock, until); });
}
EXPORTED int pthread_rwlock_clockwrlock(pthread_rwlock_t* lock, clockid_t clock, const timespec* until) noexcept {
    static constinit Real<int(pthread_rwlock_t*, clockid_t, const timespec*)> real("pthread_rwlock_clockwrlock");
    return take(lock, rwlock_kind, exclusive_mode, true, CALLER, [=] { return real(lock, clock, until); });
}
EXPORTED int pthread_rwlock_unlock(pthread_rwlock_t* lock) noexcept {
    static constinit Real<int(pthread_rwlock_t*)> real("pthread_rwlock_unlock");
    return give(lock, rwlock_kind, CALLER, [=] { return real(lock); });
}

EXPORTED int pthread_spin_init(pthread_spinlock_t* lock, int shared) noexcept {
    static constinit Real<int(pthread_spinlock_t*, int)> real("pthread_spin_init");
    return make(lock, spinlock_kind, CALLER, [=] { return real(lock, shared); });
}
EXPORTED int pthread_spin_destroy(pthread_spinlock_t* lock) noexcept {
    static constinit Real<int(pthread_spinlock_t*)> real("pthread_spin_destroy");
    return destroy(lock, spinlock_kind, CALLER, [=] { return real(lock); });
}
EXPORTED int pthread_spin_lock(pthread_spinlock_t* lock) noexcept {
    static constinit Real<int(pthread_spinlock_t*)> real("pthread_spin_lock");
    return take(lock, spinlock_kind, exclusive_mode, true, CALLER, [=] { return real(lock); });
}
EXPORTED int pthread_spin_trylock(pthread_spinlock_t* lock) noexcept {
    static constinit Real<int(pthread_spinlock_t*)> real("pthread_spin_trylock");
    return take(lock, spinlock_kind, exclusive_mode, false, CALLER, [=] { return real(lock); });
}
EXPORTED int pthread_spin_unlock(pthread_spinlock_t* lock) noexcept {
    static constinit Real<int(pthread_spinlock_t*)> real("pthread_spin_unlock");
    return give(lock, spinlock_kind, CALLER, [=] { return real(lock); });
}
// NOLINTEND(readability-identifier-naming)
