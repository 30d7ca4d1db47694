#include "nfs_server/rpc/record_reader.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <cstring>

#include "nfs_server/base/check.hpp"
#include "nfs_server/base/sanitizer.hpp"

namespace lockstep::server::rpc {

const char* to_string(RecordError error) {
    switch (error) {
        case RecordError::too_large:
            return "a record larger than the limit";
        case RecordError::out_of_memory:
            return "the memory for requests is exhausted";
    }
    return "unknown";
}

std::span<iovec> RecordReader::room() {
    direct_room_bytes_ = 0;
    size_t pieces = 0;
    if (record_ && fragment_left_bytes_ >= direct_bytes && record_->capacity_bytes > record_->size_bytes) {
        direct_room_bytes_ = std::min(fragment_left_bytes_, record_->capacity_bytes - record_->size_bytes);
        room_[pieces++] = {record_->memory.get() + record_->size_bytes, direct_room_bytes_};
    }
    // While the record has to grow before the fragment ends, nothing may be staged past it.
    if (direct_room_bytes_ == 0 || direct_room_bytes_ == fragment_left_bytes_)
        room_[pieces++] = {stage_.data(), stage_.size()};
    return std::span(room_).first(pieces);
}

Result<void, RecordError> RecordReader::take(size_t size_bytes, std::vector<Record>& records) {
    const size_t direct = std::min(size_bytes, direct_room_bytes_);
    if (direct > 0) {
        record_->size_bytes += direct;
        fragment_left_bytes_ -= direct;
        if (fragment_left_bytes_ == 0) {
            end_fragment(records);
        } else if (record_->size_bytes == record_->capacity_bytes) {
            LOCKSTEP_TRY(make_room(fragment_left_bytes_));
        }
    }
    check(size_bytes - direct <= stage_.size(), "no more than the room was filled");
    return take_staged(std::span(stage_).first(size_bytes - direct), records);
}

Result<void, RecordError> RecordReader::take_staged(std::span<const std::byte> bytes, std::vector<Record>& records) {
    while (!bytes.empty()) {
        if (fragment_left_bytes_ == 0) {
            const size_t wanted = std::min(head_.size() - head_bytes_, bytes.size());
            std::memcpy(head_.data() + head_bytes_, bytes.data(), wanted);
            head_bytes_ += wanted;
            bytes = bytes.subspan(wanted);
            if (head_bytes_ < head_.size()) break;
            LOCKSTEP_TRY(begin_fragment());
            if (fragment_left_bytes_ == 0) end_fragment(records);
            continue;
        }
        const size_t taken = std::min(fragment_left_bytes_, bytes.size());
        LOCKSTEP_TRY(make_room(taken));
        std::memcpy(record_->memory.get() + record_->size_bytes, bytes.data(), taken);
        record_->size_bytes += taken;
        fragment_left_bytes_ -= taken;
        bytes = bytes.subspan(taken);
        if (fragment_left_bytes_ == 0) end_fragment(records);
    }
    // The rest of a large fragment is read straight into the record: there must be room for some of it.
    if (fragment_left_bytes_ >= direct_bytes && record_->size_bytes == record_->capacity_bytes)
        LOCKSTEP_TRY(make_room(fragment_left_bytes_));
    return {};
}

Result<void, RecordError> RecordReader::begin_fragment() {
    uint32_t word = 0;
    std::memcpy(&word, head_.data(), sizeof word);
    word = ntohl(word);
    head_bytes_ = 0;
    last_fragment_ = (word >> 31) != 0;
    fragment_left_bytes_ = word & 0x7fffffff;
    if (!record_) begin_record();
    if (fragment_left_bytes_ > max_record_bytes_ - record_->size_bytes) return fail(RecordError::too_large);
    return {};
}

void RecordReader::begin_record() {
    if (!spare_) {
        record_.emplace(budget_);
        return;
    }
    record_.emplace(std::move(*spare_));
    record_->size_bytes = 0;
    allow_use(record_->memory.get(), record_->capacity_bytes);
    spare_.reset();
}

// Makes room for some of the `size_bytes` that are still to come: for all of them if they are few, or if the connection
// has sent as large a record before; otherwise the capacity at most quadruples, so that a claimed length takes no
// memory.
Result<void, RecordError> RecordReader::make_room(size_t size_bytes) {
    Record& record = *record_;
    const size_t wanted = record.size_bytes + size_bytes;
    if (wanted <= record.capacity_bytes) return {};
    const size_t trusted =
        std::max({record.size_bytes * 4, largest_record_bytes_, record.size_bytes + stage_bytes + direct_bytes});
    const size_t doubled = std::min(record.capacity_bytes * 2, max_record_bytes_);
    const size_t capacity = std::max({std::min(wanted, trusted), doubled, first_capacity_bytes});
    if (!record.share.grow_to(capacity)) return fail(RecordError::out_of_memory);
    std::unique_ptr<std::byte[]> memory(new std::byte[capacity]);
    if (record.size_bytes != 0) std::memcpy(memory.get(), record.memory.get(), record.size_bytes);
    record.memory = std::move(memory);
    record.capacity_bytes = capacity;
    return {};
}

void RecordReader::end_fragment(std::vector<Record>& records) {
    if (!last_fragment_) return;
    largest_record_bytes_ = std::max(largest_record_bytes_, record_->size_bytes);
    forbid_use(record_->memory.get() + record_->size_bytes, record_->capacity_bytes - record_->size_bytes);
    records.push_back(std::move(*record_));
    record_.reset();
}

}  // namespace lockstep::server::rpc
