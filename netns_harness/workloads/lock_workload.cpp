#include "netns_harness/workloads/lock_workload.hpp"

#include <algorithm>

namespace lockstep::workloads {

std::string OracleFailure::text() const {
    const std::string end = range.last == UINT64_MAX ? "end" : std::to_string(range.last);
    return owner + " held " + file + " [" + std::to_string(range.first) + ", " + end + "] " +
           (mode == Mode::exclusive ? "exclusively" : "shared") + ", and " + what;
}

void WorkloadCounts::add_failure(const OracleFailure& failure) {
    constexpr std::size_t kept = 16;
    const std::lock_guard hold(mutex_);
    ++oracle_failures;
    if (first_failures_.size() < kept) first_failures_.push_back(failure);
}

std::vector<OracleFailure> WorkloadCounts::first_failures() const {
    const std::lock_guard hold(mutex_);
    return first_failures_;
}

LockOwner::LockOwner(RemoteFiles& files, const std::vector<std::string>& file_names, std::string name, Random random,
                     const Region& region, WorkloadCounts& counts)
    : files_(files),
      file_names_(file_names),
      name_(std::move(name)),
      random_(random),
      region_(region),
      counts_(counts),
      locks_(files, file_names, name_, counts.events) {}

void LockOwner::take_turn() {
    const std::size_t file = random_.below(file_names_.size());
    const Range range = choose_range();
    const Mode mode = random_.one_in(3) ? Mode::shared : Mode::exclusive;
    ++counts_.turns;
    if (!locks_.acquire(file, range, mode)) return;
    work(file, range, mode);
    give_up(file, range, random_.one_in(4) ? change_mode(file, range, mode) : mode);
}

Range LockOwner::choose_range() {
    const std::uint64_t first = region_.first + random_.below(region_.size);
    if (random_.one_in(16)) return {first, UINT64_MAX};
    const std::uint64_t length = 1 + random_.below(region_.longest_range);
    return {first, std::min(first + length, region_.first + region_.size) - 1};
}

Range LockOwner::within_region(Range range) const {
    return {range.first, std::min(range.last, region_.first + region_.size - 1)};
}

void LockOwner::work(std::size_t file, Range range, Mode mode) {
    if (mode == Mode::exclusive)
        write_and_check(file, range);
    else
        read_twice(file, range);
}

void LockOwner::write_and_check(std::size_t file, Range range) {
    const Range area = within_region(range);
    Bytes stamp(area.last - area.first + 1);
    for (unsigned char& byte : stamp) byte = static_cast<unsigned char>(random_.next());
    files_.write(file, area.first, stamp);
    ++counts_.writes;
    compare(file, range, Mode::exclusive, stamp, read(file, range));
}

void LockOwner::read_twice(std::size_t file, Range range) {
    const Bytes before = read(file, range);
    compare(file, range, Mode::shared, before, read(file, range));
}

Bytes LockOwner::read(std::size_t file, Range range) {
    const Range area = within_region(range);
    ++counts_.reads;
    return files_.read(file, area.first, static_cast<std::uint32_t>(area.last - area.first + 1));
}

void LockOwner::compare(std::size_t file, Range range, Mode mode, const Bytes& expected, const Bytes& found) {
    const auto [wrong, other] = std::ranges::mismatch(expected, found);
    if (wrong == expected.end() && other == found.end()) return;
    const auto offset = static_cast<std::uint64_t>(wrong - expected.begin());
    const std::string what = "byte " + std::to_string(range.first + offset) + " was changed by another";
    counts_.add_failure({name_, file_names_[file], range, mode, what});
}

Mode LockOwner::change_mode(std::size_t file, Range range, Mode mode) {
    return mode == Mode::shared ? upgrade(file, range) : downgrade(file, range);
}

Mode LockOwner::upgrade(std::size_t file, Range range) {
    if (!locks_.acquire(file, range, Mode::exclusive)) return Mode::shared;
    work(file, range, Mode::exclusive);
    return Mode::exclusive;
}

Mode LockOwner::downgrade(std::size_t file, Range range) {
    if (locks_.downgrade(file, range)) {
        work(file, range, Mode::shared);
        return Mode::shared;
    }
    // Nothing can stand in the way of less, unless another got a conflicting lock while ours was exclusive.
    counts_.add_failure(
        {name_, file_names_[file], range, Mode::exclusive, "a shared lock on it was refused: another has a lock"});
    return Mode::exclusive;
}

void LockOwner::give_up(std::size_t file, Range range, Mode mode) {
    if (range.first == range.last || !random_.one_in(4)) return locks_.release(file, range);
    const Range area = within_region(range);
    const std::uint64_t middle = area.first + (area.last - area.first) / 2;
    const Range halves[] = {{range.first, middle}, {middle + 1, range.last}};
    const std::size_t first_to_go = random_.below(2);
    locks_.release(file, halves[first_to_go]);
    const Range kept = halves[1 - first_to_go];
    if (kept.first < region_.first + region_.size) work(file, kept, mode);
    locks_.release(file, kept);
}

}  // namespace lockstep::workloads
