#include "nfs_server/disk/recording_disk.hpp"

#include <algorithm>

namespace lockstep::server::disk {
namespace {
constexpr uint8_t whole = 0xff;
constexpr uint8_t nothing = 0;
}  // namespace

RecordingDisk::RecordingDisk(const RecordingDisk& other, size_t events) : RecordingDisk(other.initial_) {
    events_.assign(other.events_.begin(), other.events_.begin() + static_cast<ptrdiff_t>(events));
    for (const DiskEvent& event : events_)
        if (event.kind == DiskEvent::Kind::write) now_.put(event.block, event.content);
}

Result<void, StorageError> RecordingDisk::read(uint64_t first_block, std::span<std::byte* const> blocks) {
    return now_.read(first_block, blocks);
}

Result<void, StorageError> RecordingDisk::write(uint64_t first_block, std::span<const std::byte* const> blocks) {
    std::lock_guard hold(mutex_);
    LOCKSTEP_TRY(now_.write(first_block, blocks));
    for (size_t i = 0; i < blocks.size(); ++i)
        events_.push_back({.block = first_block + i, .content = now_.block(first_block + i)});
    return {};
}

Result<void, StorageError> RecordingDisk::barrier() {
    size_t began = 0;
    {
        std::lock_guard hold(mutex_);
        began = events_.size();
        events_.push_back({.kind = DiskEvent::Kind::barrier_began, .content = {}});
    }
    // Between the two, other threads may write: the barrier says nothing about that.
    std::lock_guard hold(mutex_);
    events_.push_back({.kind = DiskEvent::Kind::barrier_ended, .content = {}, .barrier_began = began});
    return {};
}

size_t RecordingDisk::events_count() const {
    std::lock_guard hold(mutex_);
    return events_.size();
}

// The events before this one are durable at `point`.
size_t CrashStates::durable_events(size_t point) const {
    size_t durable = 0;
    for (size_t i = 0; i < point; ++i)
        if (events_[i].kind == DiskEvent::Kind::barrier_ended) durable = std::max(durable, events_[i].barrier_began);
    return durable;
}

std::vector<CrashStates::Choice> CrashStates::choices(size_t writes, const CrashBounds& bounds, uint64_t seed) {
    std::mt19937_64 random(seed);
    std::vector<Choice> all;
    if (writes <= bounds.exhaustive_writes) {
        for (size_t subset = 0; subset < size_t{1} << writes; ++subset) {
            Choice choice(writes, nothing);
            for (size_t i = 0; i < writes; ++i)
                if ((subset >> i & 1) != 0) choice[i] = whole;
            all.push_back(std::move(choice));
        }
    } else {
        all.emplace_back(writes, nothing);
        all.emplace_back(writes, whole);
        all.emplace_back(writes, whole).back() = nothing;
        for (size_t i = 0; i < bounds.sampled_subsets; ++i) {
            Choice choice(writes);
            std::ranges::generate(choice, [&] { return (random() & 1) != 0 ? whole : nothing; });
            all.push_back(std::move(choice));
        }
    }
    for (size_t i = 0; i < bounds.sampled_torn && writes > 0; ++i) {
        Choice choice(writes);
        // Mostly whole, so that a single torn block in an otherwise good state is met, too.
        std::ranges::generate(choice, [&] {
            return random() % 3 == 0 ? static_cast<uint8_t>(random()) : (random() % 4 == 0 ? nothing : whole);
        });
        choice[random() % writes] = static_cast<uint8_t>(random());
        all.push_back(std::move(choice));
    }
    return all;
}

void CrashStates::visit(size_t point, const CrashBounds& bounds, uint64_t seed,
                        const std::function<void(ImageDisk&)>& visit) const {
    const size_t durable = durable_events(point);
    ImageDisk base = initial_;
    for (size_t i = 0; i < durable; ++i)
        if (events_[i].kind == DiskEvent::Kind::write) base.put(events_[i].block, events_[i].content);
    std::vector<const DiskEvent*> undecided;
    for (size_t i = durable; i < point; ++i)
        if (events_[i].kind == DiskEvent::Kind::write) undecided.push_back(&events_[i]);
    for (const Choice& choice : choices(undecided.size(), bounds, seed)) {
        ImageDisk state = base;
        for (size_t i = 0; i < undecided.size(); ++i) {
            if (choice[i] == whole)
                state.put(undecided[i]->block, undecided[i]->content);
            else if (choice[i] != nothing)
                state.put_sectors(undecided[i]->block, undecided[i]->content, choice[i]);
        }
        visit(state);
    }
}

}  // namespace lockstep::server::disk
