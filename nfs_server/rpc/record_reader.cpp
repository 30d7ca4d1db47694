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
    size_t direct_left_bytes = 0;
    if (payload_is_next()) {
        pieces = record_->payload->pieces(payload_bytes_, std::span(room_).first(payload_pieces_limit));
        for (const iovec& piece : std::span(room_).first(pieces)) direct_room_bytes_ += piece.iov_len;
        direct_left_bytes = record_->payload->size_bytes() - payload_bytes_;
    } else if (record_ && !may_have_payload_ && fragment_left_bytes_ >= direct_bytes &&
               record_->capacity_bytes > record_->size_bytes) {
        direct_room_bytes_ = std::min(fragment_left_bytes_, record_->capacity_bytes - record_->size_bytes);
        direct_left_bytes = fragment_left_bytes_;
        room_[pieces++] = {record_->memory.get() + record_->size_bytes, direct_room_bytes_};
    }
    // While the record has to grow before the fragment ends, nothing may be staged past it.
    if (direct_room_bytes_ == direct_left_bytes) room_[pieces++] = {stage_.data(), stage_room_bytes()};
    return std::span(room_).first(pieces);
}

// Up to where a payload may be expected.
size_t RecordReader::stage_room_bytes() const {
    if (expected_head_bytes_ == 0) return stage_.size();
    size_t wanted = expected_head_bytes_;
    if (may_have_payload_)
        wanted -= std::min(wanted, head_.size() + record_->size_bytes);
    else if (payload_is_next())
        wanted += fragment_left_bytes_ - (record_->payload->size_bytes() - payload_bytes_);
    else
        wanted += fragment_left_bytes_ - std::min(wanted, head_bytes_);
    return wanted == 0 ? stage_.size() : std::min(wanted, stage_.size());
}

Result<void, RecordError> RecordReader::take(size_t size_bytes, std::vector<Record>& records) {
    const size_t direct = std::min(size_bytes, direct_room_bytes_);
    if (direct > 0) {
        fragment_left_bytes_ -= direct;
        if (payload_is_next())
            payload_bytes_ += direct;
        else
            record_->size_bytes += direct;
        if (fragment_left_bytes_ == 0) {
            end_fragment(records);
        } else if (payload_is_next()) {
            LOCKSTEP_TRY(make_payload_room(payload_bytes_ + 1));
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
        if (payload_is_next()) {
            LOCKSTEP_TRY(take_payload(bytes));
        } else {
            const size_t limit = may_have_payload_ ? searched_bytes - record_->size_bytes : fragment_left_bytes_;
            const size_t taken = std::min({limit, fragment_left_bytes_, bytes.size()});
            LOCKSTEP_TRY(make_room(taken));
            std::memcpy(record_->memory.get() + record_->size_bytes, bytes.data(), taken);
            record_->size_bytes += taken;
            fragment_left_bytes_ -= taken;
            bytes = bytes.subspan(taken);
            if (may_have_payload_) LOCKSTEP_TRY(search_payload());
        }
        if (fragment_left_bytes_ == 0) end_fragment(records);
    }
    if (payload_is_next()) return make_payload_room(payload_bytes_ + 1);
    // The rest of a large fragment is read straight into the record: there must be room for some of it.
    if (fragment_left_bytes_ >= direct_bytes && !may_have_payload_ && record_->size_bytes == record_->capacity_bytes)
        LOCKSTEP_TRY(make_room(fragment_left_bytes_));
    return {};
}

// Takes the payload's part off the front of `bytes`.
Result<void, RecordError> RecordReader::take_payload(std::span<const std::byte>& bytes) {
    Payload& payload = *record_->payload;
    const auto part = bytes.first(std::min(bytes.size(), payload.size_bytes() - payload_bytes_));
    LOCKSTEP_TRY(make_payload_room(payload_bytes_ + part.size()));
    payload.write(payload_bytes_, part);
    payload_bytes_ += part.size();
    fragment_left_bytes_ -= part.size();
    bytes = bytes.subspan(part.size());
    return {};
}

// Memory for the payload's first bytes, so many at least: as much ahead as for a record.
Result<void, RecordError> RecordReader::make_payload_room(size_t size_bytes) {
    Record& record = *record_;
    if (size_bytes <= record.payload->room_bytes()) return {};
    const size_t room = std::max(size_bytes, std::min(record.payload->size_bytes(), grown(payload_bytes_, SIZE_MAX)));
    if (!record.share.grow_to(record.capacity_bytes + room)) return fail(RecordError::out_of_memory);
    record.payload->make_room(room);
    return {};
}

// What has come of the record is moved to its payload, as far as it belongs there.
Result<void, RecordError> RecordReader::search_payload() {
    Record& record = *record_;
    PayloadSearch search = finder_->find_payload(record.bytes(), record.size_bytes + fragment_left_bytes_);
    if (search.result == PayloadSearch::Result::undecided && record.size_bytes < searched_bytes) return {};
    may_have_payload_ = false;
    if (search.result != PayloadSearch::Result::found) return {};
    record.payload = std::move(search.payload);
    record.payload_at = search.at;
    payload_bytes_ = 0;
    auto came_with_it = std::span<const std::byte>(record.bytes()).subspan(search.at);
    record.size_bytes = search.at;
    fragment_left_bytes_ += came_with_it.size();
    return take_payload(came_with_it);
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
    may_have_payload_ = finder_ != nullptr && last_fragment_ && record_->size_bytes == 0 &&
                        fragment_left_bytes_ >= payload_record_bytes;
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
    const size_t doubled = std::min(record.capacity_bytes * 2, max_record_bytes_);
    const size_t capacity = std::max({grown(record.size_bytes, wanted), doubled, first_capacity_bytes});
    const size_t apart = record.payload ? record.payload->room_bytes() : 0;
    if (!record.share.grow_to(capacity + apart)) return fail(RecordError::out_of_memory);
    std::unique_ptr<std::byte[]> memory(new std::byte[capacity]);
    if (record.size_bytes != 0) std::memcpy(memory.get(), record.memory.get(), record.size_bytes);
    record.memory = std::move(memory);
    record.capacity_bytes = capacity;
    return {};
}

// What may be taken where `size_bytes` have come, of what is wanted.
size_t RecordReader::grown(size_t size_bytes, size_t wanted) const {
    return std::min(wanted, std::max({size_bytes * 4, largest_record_bytes_, size_bytes + stage_bytes + direct_bytes}));
}

void RecordReader::end_fragment(std::vector<Record>& records) {
    if (!last_fragment_) return;
    largest_record_bytes_ = std::max(largest_record_bytes_, record_->message_bytes());
    may_have_payload_ = false;
    expected_head_bytes_ = 0;
    if (record_->payload) {
        expected_head_bytes_ = head_.size() + record_->payload_at;
        // What is decoded has an empty argument instead.
        std::memset(record_->memory.get() + record_->payload_at - sizeof(uint32_t), 0, sizeof(uint32_t));
    }
    forbid_use(record_->memory.get() + record_->size_bytes, record_->capacity_bytes - record_->size_bytes);
    records.push_back(std::move(*record_));
    record_.reset();
}

}  // namespace lockstep::server::rpc
