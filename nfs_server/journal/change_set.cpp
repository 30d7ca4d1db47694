#include "nfs_server/journal/change_set.hpp"

#include <algorithm>
#include <cstring>

#include "nfs_server/base/check.hpp"
#include "nfs_server/journal/format.hpp"

namespace lockstep::server::journal {
namespace {

constexpr size_t scan_limit = 128;   // blocks that are found by looking at each
constexpr int absorb_look_back = 8;  // patches that a new one may be absorbed by
constexpr uint32_t bits_per_byte = 8;
constexpr size_t home_run_limit = 1024;  // blocks of one entry

void set_bit(std::span<std::byte> content, uint32_t bit, bool value) {
    std::byte& byte = content[bit / bits_per_byte];
    const std::byte mask{static_cast<uint8_t>(1u << bit % bits_per_byte)};
    byte = value ? byte | mask : byte & ~mask;
}

template <class Struct>
std::byte* put(std::byte* to, const Struct& structure) {
    std::memcpy(to, &structure, sizeof(Struct));
    return to + sizeof(Struct);
}

}  // namespace

size_t ChangeSet::find(uint64_t block) const {
    if (changes_.size() <= scan_limit) {
        for (size_t i = blocks_.size(); i-- > 0;)
            if (blocks_[i] == block) return i;
        return none;
    }
    const auto place = index_.find(block);
    return place == index_.end() ? none : place->second;
}

size_t ChangeSet::add(PinnedBlock pinned) {
    blocks_.push_back(pinned.block());
    changes_.push_back({.pinned = std::move(pinned), .whole = {}});
    if (changes_.size() == scan_limit + 1) {
        for (uint32_t i = 0; i < blocks_.size(); ++i) index_.emplace(blocks_[i], i);
    } else if (changes_.size() > scan_limit) {
        index_.emplace(blocks_.back(), static_cast<uint32_t>(blocks_.size() - 1));
    }
    return changes_.size() - 1;
}

void ChangeSet::append(Change& change, Patch patch) {
    const auto number = static_cast<uint32_t>(patches_.size());
    patch.previous = change.last;
    patches_.push_back(patch);
    (change.last == end ? change.first : patches_[change.last].next) = number;
    change.last = number;
}

// Overwrites an older patch that holds all of the new bytes, if no younger patch lies over them.
bool ChangeSet::absorb(const Change& change, uint32_t offset, std::span<const std::byte> bytes) {
    uint32_t number = change.last;
    for (int looks = 0; looks < absorb_look_back && number != end; ++looks, number = patches_[number].previous) {
        const Patch& patch = patches_[number];
        const uint32_t first = patch.is_bit ? patch.offset / bits_per_byte : patch.offset;
        const uint32_t behind = patch.is_bit ? first + 1 : first + patch.size;
        const auto new_behind = static_cast<uint32_t>(offset + bytes.size());
        if (first >= new_behind || behind <= offset) continue;
        if (patch.is_bit || first > offset || behind < new_behind) return false;
        std::memcpy(payload_.data() + patch.payload + (offset - first), bytes.data(), bytes.size());
        return true;
    }
    return false;
}

void ChangeSet::write_bytes(size_t index, uint32_t offset, std::span<const std::byte> bytes) {
    Change& change = changes_[index];
    if (change.whole) {
        change.whole.make_unique();
        std::memcpy(change.whole.mutable_data() + offset, bytes.data(), bytes.size());
        return;
    }
    if (absorb(change, offset, bytes)) return;
    const auto payload = static_cast<uint32_t>(payload_.size());
    payload_.insert(payload_.end(), bytes.begin(), bytes.end());
    payload_.resize(round_up_8(payload_.size()));
    append(change,
           {.payload = payload, .offset = static_cast<uint16_t>(offset), .size = static_cast<uint16_t>(bytes.size())});
}

void ChangeSet::write_bit(size_t index, uint32_t bit, bool value) {
    Change& change = changes_[index];
    if (change.whole) {
        change.whole.make_unique();
        set_bit(change.whole.mutable_span(), bit, value);
        return;
    }
    append(change, {.offset = static_cast<uint16_t>(bit), .size = static_cast<uint16_t>(value), .is_bit = true});
}

void ChangeSet::replace(size_t index, BlockBuffer content) {
    Change& change = changes_[index];
    if (!change.whole) ++replaced_count_;
    change.first = change.last = end;
    change.whole = std::move(content);
}

void ChangeSet::place(std::vector<PinnedBlock> pins, std::span<BlockBuffer> contents, uint64_t freed_sequence) {
    for (size_t i = 0; i < pins.size(); ++i) {
        Change& change = changes_[add(std::move(pins[i]))];
        change.whole = std::move(contents[i]);
        change.goes_home = true;
        change.freed_sequence = freed_sequence;
    }
    home_count_ += pins.size();
}

void ChangeSet::patch_content(const Patch& patch, std::span<std::byte> content) const {
    if (patch.is_bit)
        set_bit(content, patch.offset, patch.size != 0);
    else
        std::memcpy(content.data() + patch.offset, payload_.data() + patch.payload, patch.size);
}

void ChangeSet::overlay(size_t index, uint32_t offset, std::span<std::byte> out) const {
    const Change& change = changes_[index];
    if (change.whole) {
        std::memcpy(out.data(), change.whole.data() + offset, out.size());
        return;
    }
    const auto out_behind = static_cast<uint32_t>(offset + out.size());
    for (uint32_t number = change.first; number != end; number = patches_[number].next) {
        const Patch& patch = patches_[number];
        if (patch.is_bit) {
            const uint32_t byte = patch.offset / bits_per_byte;
            if (byte < offset || byte >= out_behind) continue;
            set_bit(out.subspan(byte - offset, 1), patch.offset % bits_per_byte, patch.size != 0);
            continue;
        }
        const uint32_t first = std::max<uint32_t>(patch.offset, offset);
        const uint32_t behind = std::min<uint32_t>(patch.offset + patch.size, out_behind);
        if (first >= behind) continue;
        std::memcpy(out.data() + (first - offset), payload_.data() + patch.payload + (first - patch.offset),
                    behind - first);
    }
}

uint64_t ChangeSet::record_bytes() const {
    const uint64_t whole_blocks = replaced_count_ + home_count_;
    const uint64_t entries = patches_.size() + whole_blocks;
    return sizeof(RecordHeader) + entries * sizeof(EntryHeader) + payload_.size() + whole_blocks * sizeof(uint64_t);
}

// How many changes from this one on are neighbours that go home: one entry.
size_t ChangeSet::home_run_at(size_t index) const {
    size_t length = 0;
    while (index + length < changes_.size() && length < home_run_limit && changes_[index + length].goes_home &&
           blocks_[index + length] == blocks_[index] + length)
        ++length;
    return length;
}

std::byte* ChangeSet::encode_home_run(size_t index, size_t length, std::byte* to, std::vector<HomeBlock>& homes) const {
    to = put(to, EntryHeader{.block = changes_[index].pinned.block(),
                             .size = static_cast<uint16_t>(length),
                             .kind = EntryKind::home});
    for (const Change& change : std::span(changes_).subspan(index, length)) {
        to = put(to, hash_of(change.whole));
        homes.push_back({change.pinned.again(), change.whole, change.freed_sequence});
    }
    return to;
}

std::byte* ChangeSet::encode_change(const Change& change, std::byte* to, EncodedRecord& record,
                                    uint32_t& entries_count) const {
    const uint64_t block = change.pinned.block();
    if (change.whole) {
        to = put(to, EntryHeader{.block = block, .kind = EntryKind::block});
        to = put(to, hash_of(change.whole));
        record.replaced.push_back(change.whole);
        ++entries_count;
    }
    for (uint32_t number = change.first; number != end; number = patches_[number].next) {
        const Patch& patch = patches_[number];
        to = put(to, EntryHeader{.block = block,
                                 .offset = patch.offset,
                                 .size = patch.size,
                                 .kind = patch.is_bit ? EntryKind::bit : EntryKind::bytes});
        ++entries_count;
        if (patch.is_bit) continue;
        std::memcpy(to, payload_.data() + patch.payload, round_up_8(patch.size));
        to += round_up_8(patch.size);
    }
    return to;
}

void ChangeSet::encode(uint64_t txn_id, EncodedRecord& record) const {
    record.bytes.resize(record_bytes());
    record.replaced.clear();
    record.homes.clear();
    std::byte* to = record.bytes.data() + sizeof(RecordHeader);
    uint32_t entries_count = 0;
    for (size_t index = 0; index < changes_.size();) {
        if (const size_t length = home_run_at(index); length > 0) {
            to = encode_home_run(index, length, to, record.homes);
            ++entries_count;
            index += length;
        } else {
            to = encode_change(changes_[index++], to, record, entries_count);
        }
    }
    // Dropped patches take no room after all.
    record.bytes.resize(static_cast<size_t>(to - record.bytes.data()));
    put(record.bytes.data(), RecordHeader{.size_bytes = static_cast<uint32_t>(record.bytes.size()),
                                          .entries_count = entries_count,
                                          .sequence = 0,
                                          .txn_id = txn_id});
}

void ChangeSet::place_in_cache() const {
    if (home_count_ == 0) return;
    BlockCache::Placing placing;
    for (const Change& change : changes_)
        if (change.goes_home) placing.place(change.pinned, change.whole);
}

void ChangeSet::apply(BlockCache& cache, uint64_t sequence) const {
    place_in_cache();
    for (const Change& change : changes_) {
        if (change.goes_home) continue;
        if (change.whole) {
            cache.replace(change.pinned, sequence, change.whole);
            continue;
        }
        if (change.first == end) continue;
        cache.modify(change.pinned, sequence, [&](std::span<std::byte> content) {
            for (uint32_t number = change.first; number != end; number = patches_[number].next)
                patch_content(patches_[number], content);
        });
    }
}

void ChangeSet::clear() {
    changes_.clear();
    blocks_.clear();
    patches_.clear();
    payload_.clear();
    index_.clear();
    replaced_count_ = home_count_ = 0;
}

}  // namespace lockstep::server::journal
