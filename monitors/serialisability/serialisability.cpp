#include "monitors/serialisability/serialisability.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace lockstep::monitors {

std::string SerialisabilityViolation::to_text() const {
    std::string text = fmt::format(
        "transactions {} and {} each have to come before the other: {} read bytes {} to {} of block {} before {} "
        "changed them",
        transaction, other, transaction, read.first, read.end - 1, read.block, other);
    if (met.end == 0) return text + ", and follows it";
    text +=
        fmt::format(", and met bytes {} to {} of block {} as {} left them", met.first, met.end - 1, met.block, follows);
    return follows == other ? text : text + fmt::format(", which follows {}", other);
}

SerialisabilityChecker::SerialisabilityChecker() = default;
SerialisabilityChecker::~SerialisabilityChecker() = default;

void SerialisabilityChecker::join(Clock& clock, const Clock& other) {
    if (clock.size() < other.size()) clock.resize(other.size());
    for (std::size_t slot = 0; slot < other.size(); ++slot) clock[slot] = std::max(clock[slot], other[slot]);
}

bool SerialisabilityChecker::includes(const Clock& clock, const Stamp& stamp) {
    return stamp.slot < clock.size() && clock[stamp.slot] >= stamp.number;
}

bool SerialisabilityChecker::overlap(const ByteRange& a, const ByteRange& b) {
    return a.block == b.block && a.first < b.end && b.first < a.end;
}

SerialisabilityChecker::Running* SerialisabilityChecker::find(std::uint64_t transaction) {
    const auto place = running_.find(transaction);
    return place == running_.end() ? nullptr : &place->second;
}

// A piece that has `at` inside becomes two.
void SerialisabilityChecker::cut(Pieces& pieces, std::uint32_t at) {
    auto place = pieces.upper_bound(at);
    if (place == pieces.begin()) return;
    --place;
    if (place->first == at || place->second.end <= at) return;
    // The clock of readers grows piece by piece: it is not shared.
    Piece rest = place->second;
    if (rest.access.read) rest.access.read = std::make_shared<Clock>(*rest.access.read);
    place->second.end = at;
    pieces.emplace(at, std::move(rest));
}

// Visits the accesses of exactly these bytes, making pieces where there are none.
template <class Visit>
void SerialisabilityChecker::for_each_piece(const ByteRange& bytes, Visit&& visit) {
    Pieces& pieces = blocks_[bytes.block];
    cut(pieces, bytes.first);
    cut(pieces, bytes.end);
    auto place = pieces.lower_bound(bytes.first);
    for (std::uint32_t at = bytes.first; at < bytes.end; at = place->second.end, ++place) {
        if (place == pieces.end() || place->first > at) {
            const std::uint32_t end = place == pieces.end() ? bytes.end : std::min(bytes.end, place->first);
            place = pieces.emplace_hint(place, at, Piece{end, {}});
        }
        visit(place->second.access, ByteRange{bytes.block, at, place->second.end});
    }
}

void SerialisabilityChecker::began(std::uint64_t transaction) {
    const auto [place, inserted] = running_.try_emplace(transaction);
    if (!inserted) return;
    if (free_slots_.empty()) {
        free_slots_.push_back(slots_.size());
        slots_.emplace_back(slots_.size() + 1);
    }
    Running& running = place->second;
    const std::size_t slot = free_slots_.back();
    free_slots_.pop_back();
    running.clock = slots_[slot];
    running.stamp = {slot, ++running.clock[slot]};
}

void SerialisabilityChecker::read(std::uint64_t transaction, const ByteRange& bytes) {
    Running* running = find(transaction);
    if (running == nullptr || bytes.first >= bytes.end) return;
    // What it wrote itself it sees, not what is committed.
    const auto covers = [&](const ByteRange& own) {
        return own.block == bytes.block && own.first <= bytes.first && bytes.end <= own.end;
    };
    if (std::ranges::any_of(running->writes, covers)) return;
    running->reads.push_back(bytes);
    for_each_piece(bytes, [&](const Access& access, const ByteRange&) {
        if (access.written) join(running->clock, *access.written);
    });
}

void SerialisabilityChecker::wrote(std::uint64_t transaction, const ByteRange& bytes) {
    Running* running = find(transaction);
    if (running != nullptr && bytes.first < bytes.end) running->writes.push_back(bytes);
}

std::optional<SerialisabilityViolation> SerialisabilityChecker::committed(std::uint64_t transaction) {
    Running* running = find(transaction);
    if (running == nullptr) return std::nullopt;
    ++committed_count_;
    for (const ByteRange& bytes : running->writes) {
        for_each_piece(bytes, [&](const Access& access, const ByteRange&) {
            if (access.written) join(running->clock, *access.written);
            if (access.read) join(running->clock, *access.read);
        });
    }
    auto violation = find_cycle(transaction, *running);
    follow_stale_edges(*running);
    make_others_stale(transaction, *running);
    remember(transaction, *running);
    slots_[running->stamp.slot] = std::move(running->clock);
    free_slots_.push_back(running->stamp.slot);
    running_.erase(transaction);
    return violation;
}

void SerialisabilityChecker::aborted(std::uint64_t transaction) {
    Running* running = find(transaction);
    if (running == nullptr) return;
    free_slots_.push_back(running->stamp.slot);
    running_.erase(transaction);
}

// It comes before each writer that changed what it had read. Does it also follow one?
std::optional<SerialisabilityViolation> SerialisabilityChecker::find_cycle(std::uint64_t transaction,
                                                                           Running& running) {
    for (const Stale& stale : running.stale) {
        if (!includes(running.clock, stale.writer)) continue;
        SerialisabilityViolation violation{.transaction = transaction, .other = stale.transaction, .read = stale.read};
        const auto look = [&](const Access& access, const ByteRange& bytes) {
            if (violation.met.end != 0 || !access.written || !includes(*access.written, stale.writer)) return;
            violation.follows = access.writer;
            violation.met = bytes;
        };
        for (const ByteRange& bytes : running.writes) for_each_piece(bytes, look);
        for (const ByteRange& bytes : running.reads)
            if (!overlap(bytes, stale.read)) for_each_piece(bytes, look);
        return violation;
    }
    return std::nullopt;
}

// What follows a writer that changed what it had read follows it and all that it follows.
void SerialisabilityChecker::follow_stale_edges(const Running& running) {
    if (running.stale.empty()) return;
    const Clock& clock = running.clock;
    const auto grow = [&](Clock& other) {
        const bool behind =
            std::ranges::any_of(running.stale, [&](const Stale& stale) { return includes(other, stale.writer); });
        if (behind && &other != &clock) join(other, clock);
    };
    for (auto& [id, other] : running_) grow(other.clock);
    for (Clock& other : slots_) grow(other);
    for (auto& [block, pieces] : blocks_) {
        for (auto& [first, piece] : pieces) {
            if (piece.access.written) grow(*piece.access.written);
            if (piece.access.read) grow(*piece.access.read);
        }
    }
}

void SerialisabilityChecker::make_others_stale(std::uint64_t transaction, const Running& running) {
    if (running.writes.empty()) return;
    for (auto& [id, other] : running_) {
        if (id == transaction) continue;
        for (const ByteRange& read : other.reads) {
            const bool changed =
                std::ranges::any_of(running.writes, [&](const ByteRange& write) { return overlap(read, write); });
            if (!changed) continue;
            other.stale.push_back({running.stamp, transaction, read});
            break;
        }
    }
}

void SerialisabilityChecker::remember(std::uint64_t transaction, const Running& running) {
    for (const ByteRange& bytes : running.reads) {
        for_each_piece(bytes, [&](Access& access, const ByteRange&) {
            if (!access.read) access.read = std::make_shared<Clock>();
            join(*access.read, running.clock);
        });
    }
    if (running.writes.empty()) return;
    const auto clock = std::make_shared<Clock>(running.clock);
    for (const ByteRange& bytes : running.writes)
        for_each_piece(bytes, [&](Access& access, const ByteRange&) { access = {transaction, clock, nullptr}; });
}

}  // namespace lockstep::monitors
