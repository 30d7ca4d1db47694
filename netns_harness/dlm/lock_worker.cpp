#include "netns_harness/dlm/lock_worker.hpp"

#include <thread>

namespace lockstep::dlm {

std::size_t master_of(const std::string& resource, std::size_t masters) {
    std::uint64_t hash = 0xcbf29ce484222325U;  // FNV-1a
    for (const char c : resource) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
    hash = (hash ^ (hash >> 32U)) * 0x9e3779b97f4a7c15U;  // names that differ in their last letter only shall spread
    return (hash >> 32U) % masters;
}

LockWorker::LockWorker(const WorkerPlan& plan, WorkerCounts& counts, Clock::time_point connected_by)
    : plan_(plan), counts_(counts), random_(plan.seed, plan.stream) {
    for (const Address& master : plan.masters)
        sessions_.push_back(std::make_unique<LockSession>(master, plan.name, counts.events, connected_by));
}

Ask LockWorker::choose_ask(const std::string& resource) {
    return {resource, choose_mode(), random_.one_in(4) ? milliseconds(0) : plan_.wait};
}

void LockWorker::take_turn() {
    const std::string& resource = plan_.resources[random_.below(plan_.resources.size())];
    LockSession& session = *sessions_[master_of(resource, sessions_.size())];
    ++counts_.turns;
    const Ask first = choose_ask(resource);
    if (!session.lock(first)) return;
    hold();
    Mode mode = first.mode;
    for (std::uint64_t conversions = random_.below(3); conversions > 0; --conversions) {
        const Ask next = choose_ask(resource);
        ++counts_.conversions;
        if (session.convert(next, mode)) mode = next.mode;
        hold();
    }
    session.unlock(resource);
}

// Long enough for others to come meanwhile.
void LockWorker::hold() {
    std::this_thread::sleep_for(std::chrono::microseconds(random_.below(400)));
}

}  // namespace lockstep::dlm
