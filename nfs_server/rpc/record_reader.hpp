// Record marking (RFC 5531 section 11): puts records together from a stream's fragments. Rpc layer.
//
//     fragment:  | last: 1 bit | length: 31 bits | length bytes |        record: fragments up to one that is the last
//
// The socket is read into room(): the rest of a large fragment goes straight to its record, or to its payload
// (payload.hpp), without a copy in between, and what follows it to a small staging buffer. After a record with a
// payload that is read only as far as the next one's payload will begin, if it is like this one. Memory for a record
// grows with the bytes that have come, not with the length that a fragment claims.
#pragma once

#include <sys/uio.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "nfs_server/base/result.hpp"
#include "nfs_server/rpc/memory_budget.hpp"
#include "nfs_server/rpc/payload.hpp"

namespace lockstep::server::rpc {

// One received message.
struct Record {
    std::unique_ptr<std::byte[]> memory;
    size_t size_bytes = 0;
    size_t capacity_bytes = 0;
    std::unique_ptr<Payload> payload;  // what lies apart; may be nullptr
    size_t payload_at = 0;             // the place of the payload's first byte in the message
    MemoryShare share;

    explicit Record(MemoryBudget& budget) : share(budget) {}
    std::span<std::byte> bytes() const { return {memory.get(), size_bytes}; }
    // Of the whole message.
    size_t message_bytes() const { return size_bytes + (payload ? payload->size_bytes() : 0); }
    PlacedPayload placed_payload() const { return {payload.get(), payload_at}; }
    void drop_payload() {
        payload.reset();
        share.shrink_to(capacity_bytes);
    }
};

// Why a stream can't be read on; its connection must be closed.
enum class RecordError {
    too_large,      // a record beyond the limit
    out_of_memory,  // the budget of all connections is exhausted
};
const char* to_string(RecordError error);

// The reading side of one stream. One thread at a time.
class RecordReader {
 public:
    // finder: of payloads; nullptr: none lies apart. Must outlive the reader.
    RecordReader(size_t max_record_bytes, MemoryBudget& budget, const PayloadFinder* finder = nullptr)
        : max_record_bytes_(max_record_bytes), budget_(budget), finder_(finder) {}

    // Where the next bytes of the stream go: one piece or more, for a scattering read. Valid until take().
    std::span<iovec> room();

    // The first `size_bytes` of room() were filled. Appends the records that are complete now.
    // Errors: too_large, out_of_memory; the reader is of no use afterwards.
    Result<void, RecordError> take(size_t size_bytes, std::vector<Record>& records);

    // The memory of a record that is done serves for the next one.
    void reuse(Record&& done) {
        done.drop_payload();
        spare_.emplace(std::move(done));
    }

    // A record, or the head of a fragment, has begun and has not ended.
    bool is_inside_record() const { return record_.has_value() || head_bytes_ != 0; }

 private:
    static constexpr size_t stage_bytes = size_t{16} << 10;
    static constexpr size_t first_capacity_bytes = 512;
    // A fragment with at least that much missing is read straight into its record.
    static constexpr size_t direct_bytes = size_t{4} << 10;
    // A fragment of at least that many bytes is looked at for a payload; of so many at its beginning.
    static constexpr size_t payload_record_bytes = size_t{16} << 10;
    static constexpr size_t searched_bytes = 512;
    static constexpr size_t payload_pieces_limit = 64;

    Result<void, RecordError> take_staged(std::span<const std::byte> bytes, std::vector<Record>& records);
    Result<void, RecordError> begin_fragment();
    void begin_record();
    Result<void, RecordError> make_room(size_t size_bytes);
    size_t grown(size_t size_bytes, size_t wanted) const;
    bool payload_is_next() const {
        return record_ && record_->payload && payload_bytes_ < record_->payload->size_bytes();
    }
    Result<void, RecordError> take_payload(std::span<const std::byte>& bytes);
    Result<void, RecordError> make_payload_room(size_t size_bytes);
    Result<void, RecordError> search_payload();
    size_t stage_room_bytes() const;
    void end_fragment(std::vector<Record>& records);

    const size_t max_record_bytes_;
    MemoryBudget& budget_;
    const PayloadFinder* finder_;
    std::optional<Record> record_;  // the unfinished one
    std::optional<Record> spare_;
    size_t fragment_left_bytes_ = 0;
    bool last_fragment_ = false;
    bool may_have_payload_ = false;   // the unfinished record; too little of it has come to tell
    size_t payload_bytes_ = 0;        // that have come of the unfinished record's payload
    size_t expected_head_bytes_ = 0;  // before the next payload; 0: none is expected
    std::array<std::byte, 4> head_{};
    size_t head_bytes_ = 0;            // bytes of the fragment's head that have come
    size_t largest_record_bytes_ = 0;  // of those that have come whole: the next may be as large
    size_t direct_room_bytes_ = 0;     // of room()'s first pieces, as far as they lie in the record or payload
    std::array<iovec, payload_pieces_limit + 1> room_{};
    std::array<std::byte, stage_bytes> stage_;
};

}  // namespace lockstep::server::rpc
