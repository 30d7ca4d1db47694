#include "netns_harness/workloads/reclaiming_files.hpp"

namespace lockstep::workloads {
namespace {

constexpr std::uint32_t granted = 0;
constexpr std::uint32_t denied = 1;
constexpr std::chrono::milliseconds pause{20};

bool overlap(const Range& one, const Range& other) {
    return one.first <= other.last && other.first <= one.last;
}

}  // namespace

void HeldRanges::lock(const HeldRange& held) {
    unlock(held.file, held.range);
    held_.push_back(held);
}

void HeldRanges::unlock(std::size_t file, Range range) {
    std::vector<HeldRange> left;
    for (const HeldRange& held : held_) {
        if (held.file != file || !overlap(held.range, range)) {
            left.push_back(held);
            continue;
        }
        if (held.range.first < range.first) left.push_back({file, {held.range.first, range.first - 1}, held.mode});
        if (held.range.last > range.last) left.push_back({file, {range.last + 1, held.range.last}, held.mode});
    }
    held_ = std::move(left);
}

ReclaimingFiles::ReclaimingFiles(Connect connect, std::function<bool()> goes_on, ReclaimCounts& counts,
                                 WorkClock& clock)
    : connect_(std::move(connect)), goes_on_(std::move(goes_on)), counts_(counts), clock_(clock), files_(connect_()) {}

// Calls may be repeated: a lock that is asked for again is granted again, and reads and writes happen under a lock.
template <class Call>
auto ReclaimingFiles::persist(Call call) {
    for (;;) {
        try {
            if (files_ == nullptr) throw NoAnswer("the server is away");
            return call(*files_);
        } catch (const LocksLost&) {
            throw;
        } catch (const NoAnswer&) {
            files_.reset();
            if (!goes_on_()) throw;
            recover();
        }
    }
}

void ReclaimingFiles::recover() {
    for (;;) {
        try {
            files_ = connect_();
            return reclaim_all();
        } catch (const LocksLost&) {
            throw;
        } catch (const NoAnswer&) {
            files_.reset();
            if (!goes_on_()) throw;
            clock_.sleep(pause);
        }
    }
}

void ReclaimingFiles::reclaim_all() {
    for (const HeldRange& held : held_.all()) {
        const std::uint32_t status = files_->reclaim(held.file, held.range, held.mode);
        if (status == granted) {
            ++counts_.reclaimed;
            continue;
        }
        if (status == denied) ++counts_.refused;
        throw LocksLost("a lock could not be reclaimed: nlm status " + std::to_string(status));
    }
}

std::uint32_t ReclaimingFiles::lock(std::size_t file, Range range, Mode mode) {
    const std::uint32_t status = persist([&](RemoteFiles& files) { return files.lock(file, range, mode); });
    if (status == granted) held_.lock({file, range, mode});
    return status;
}

// Given up when the call begins: after a restart it is not reclaimed, and unlocking it then changes nothing.
void ReclaimingFiles::unlock(std::size_t file, Range range) {
    held_.unlock(file, range);
    persist([&](RemoteFiles& files) { files.unlock(file, range); });
}

Bytes ReclaimingFiles::read(std::size_t file, std::uint64_t offset, std::uint32_t count) {
    return persist([&](RemoteFiles& files) { return files.read(file, offset, count); });
}

void ReclaimingFiles::write(std::size_t file, std::uint64_t offset, const Bytes& bytes) {
    persist([&](RemoteFiles& files) { files.write(file, offset, bytes); });
}

}  // namespace lockstep::workloads
