#include "netns_harness/workloads/lock_contention.hpp"

#include <algorithm>
#include <exception>
#include <thread>

namespace lockstep::workloads {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds settling_time{300};
constexpr milliseconds retry_pause{20};
constexpr milliseconds denial_pause{5};

}  // namespace

std::vector<std::string> LockContentionPlan::file_names() const {
    std::vector<std::string> names;
    for (std::uint32_t number = 1; number <= files; ++number) names.push_back("file" + std::to_string(number));
    return names;
}

std::vector<std::string> LockContentionPlan::event_names() const {
    std::vector<std::string> names = file_names();
    for (std::string& name : names) name.insert(0, directory + "/");
    return names;
}

LockContention::LockContention(LockContentionPlan plan, LockContentionParts parts)
    : plan_(std::move(plan)),
      parts_(std::move(parts)),
      file_names_(plan_.file_names()),
      event_names_(plan_.event_names()),
      connections_(plan_.owners),
      deadline_(parts_.clock.now() + plan_.duration) {
    if (plan_.life > 1) begin_another_life();
    for (std::uint32_t index = 0; index < plan_.owners; ++index) connect(index);
}

void LockContention::run() {
    deadline_ = parts_.clock.now() + plan_.duration;
    std::vector<std::thread> threads;
    for (std::uint32_t index = 0; index < plan_.owners; ++index)
        threads.emplace_back([this, index] { run_owner(index); });
    for (std::thread& thread : threads) thread.join();
    if (plan_.leak_check.count() > 0 && !parts_.stop) check_leaks();
}

// Everybody gives up everything at the end, and the queue is fair: each gets each file in its turn. Patience is for
// being denied: a server that does not answer has denied nothing, and a machine that stood still has not made anybody
// wait. Whoever is never answered is ended by the limit of the run, without a verdict.
void LockContention::check_leaks() {
    deadline_ = parts_.clock.now() + plan_.leak_check + plan_.longest_grace;
    // An owner whose time was over before its server answered may hold what it has given up.
    for (std::uint32_t index = 0; index < plan_.owners; ++index)
        if (connections_[index] == nullptr && plan_.patient) start_again(index);
    std::chrono::nanoseconds patience = plan_.leak_check;
    for (std::size_t file = 0; file < event_names_.size(); ++file)
        if (!can_lock_whole(file, patience)) unlockable_.push_back(event_names_[file]);
}

bool LockContention::can_lock_whole(std::size_t file, std::chrono::nanoseconds& patience) {
    while (patience.count() > 0 && goes_on()) {
        try {
            const TimePoint asked = parts_.clock.now();
            if (ask_for_whole(file)) return true;
            patience -= std::min<std::chrono::nanoseconds>(parts_.clock.now() - asked, plan_.longest_wait);
            patience -= denial_pause;
            parts_.clock.sleep(denial_pause);
        } catch (const NoAnswer&) {
            give_up_all(0);
            if (!plan_.patient || !start_again(0)) return false;
        }
    }
    return false;
}

bool LockContention::ask_for_whole(std::size_t file) {
    constexpr Range whole{0, UINT64_MAX};
    if (connections_[0] == nullptr) throw NoAnswer("there is no connection");
    TracedLocks locks(*connections_[0], event_names_, plan_.owner_name(0), counts_.events);
    if (!locks.acquire(file, whole, Mode::exclusive)) return false;
    locks.release(file, whole);
    return true;
}

// What a former life of this host held ends here; then the server is told, and may give it to others.
void LockContention::begin_another_life() {
    for (std::uint32_t index = 0; index < plan_.owners; ++index) give_up_all(index);
    patiently([this] { parts_.tell_of_restart(); });
}

void LockContention::give_up_all(std::uint32_t index) {
    for (const std::string& file : event_names_) fire_all_released(file, plan_.owner_name(index), counts_.events);
}

// Does it again until the server answers. False: the time was over first.
template <class Work>
bool LockContention::patiently(Work work) {
    for (;;) {
        try {
            work();
            return true;
        } catch (const NoAnswer&) {
            if (!plan_.patient) throw;
            if (!goes_on()) return false;
            parts_.clock.sleep(retry_pause);
        }
    }
}

bool LockContention::connect(std::uint32_t index) {
    return patiently([&] {
        const auto make = [this, index] { return parts_.connect({plan_.host, index + 1}); };
        if (plan_.patient)
            connections_[index] = std::make_unique<ReclaimingFiles>(
                make, [this] { return goes_on(); }, reclaims_, parts_.clock);
        else
            connections_[index] = make();
    });
}

void LockContention::run_owner(std::uint32_t index) {
    try {
        for (std::uint64_t part = 0; work_until_interrupted(index, part); ++part) {
            ++interruptions_;
            if (!start_again(index)) return;
        }
    } catch (const std::exception& error) {
        const std::lock_guard hold(errors_mutex_);
        errors_.push_back(plan_.owner_name(index) + ": " + error.what());
    }
}

// True: the server did not answer, and there is time left. What was not answered has no connection any more, which
// would reclaim what is given up here.
bool LockContention::work_until_interrupted(std::uint32_t index, std::uint64_t part) {
    constexpr std::uint64_t most_owners = 64;
    if (connections_[index] == nullptr) return false;
    LockOwner owner(*connections_[index], event_names_, plan_.owner_name(index),
                    Random(plan_.seed, index + 1 + part * most_owners), plan_.region, counts_);
    try {
        for (std::uint64_t turn = 0; turn < plan_.turns && goes_on(); ++turn) owner.take_turn();
        return false;
    } catch (const NoAnswer&) {
        if (!plan_.patient) throw;
        give_up_all(index);
        connections_[index].reset();
        return goes_on();
    }
}

// A write that was not answered may be carried out while the old connection's last packets are under way; only
// afterwards may others have the range. Then the server is told of what we gave up: it may have granted what we
// never heard of. False: the time was over first, and there is no connection.
bool LockContention::start_again(std::uint32_t index) {
    connections_[index].reset();
    parts_.clock.sleep(settling_time);
    return patiently([&] {
        try {
            if (connections_[index] == nullptr && !connect(index)) throw NoAnswer("there is no connection");
            for (std::size_t file = 0; file < file_names_.size(); ++file)
                connections_[index]->unlock(file, {0, UINT64_MAX});
        } catch (const NoAnswer&) {
            connections_[index].reset();
            throw;
        }
    });
}

}  // namespace lockstep::workloads
