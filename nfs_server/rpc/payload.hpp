// A large argument that is received apart from its record: its bytes go from the socket straight to the memory that
// they will stay in. Rpc layer; what memory that is, is the program's business.
//
//     message:  | head, arguments, length | the argument's bytes | padding |
//     record:   | head, arguments, 0 |                           | padding |      payload: | the argument's bytes |
//
// So a record whose payload lies apart is a message with an empty argument in its place.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

namespace lockstep::server::rpc {

// The argument's memory. One thread at a time.
class Payload {
 public:
    // lane: calls with payloads of one lane would only wait for each other, so they run one after the other; 0: none.
    explicit Payload(size_t size_bytes, uint64_t lane = 0) : size_bytes_(size_bytes), lane_(lane) {}
    virtual ~Payload() = default;
    Payload(const Payload&) = delete;
    Payload& operator=(const Payload&) = delete;

    size_t size_bytes() const { return size_bytes_; }
    uint64_t lane() const { return lane_; }
    // For how many of its bytes there is memory.
    virtual size_t room_bytes() const = 0;
    // Takes memory for the first `size_bytes` at least; no more than all.
    virtual void make_room(size_t size_bytes) = 0;
    // Where its bytes from `from` on lie, as far as there is room and pieces are. Returns the pieces filled in.
    virtual size_t pieces(size_t from, std::span<iovec> to) const = 0;

    // Copies bytes [from, from + out.size()), which have room.
    void read(size_t from, std::span<std::byte> out) const;
    void write(size_t from, std::span<const std::byte> bytes);

 private:
    const size_t size_bytes_;
    const uint64_t lane_;
};

// A payload and its place in the message, or none.
struct PlacedPayload {
    Payload* payload = nullptr;
    size_t at = 0;  // of its first byte
};

// What the beginning of a message tells about a payload.
struct PayloadSearch {
    enum class Result {
        none,       // it has none
        undecided,  // too little of the message has come
        found,      // the message is long enough to hold it
    };
    Result result = Result::none;
    size_t at = 0;  // with `found`: of its first byte, from the beginning of what was looked at
    std::unique_ptr<Payload> payload{};
};

class PayloadFinder {
 public:
    // beginning: what has come of a message of `message_bytes`. Any thread.
    virtual PayloadSearch find_payload(std::span<const std::byte> beginning, size_t message_bytes) const = 0;

 protected:
    ~PayloadFinder() = default;
};

}  // namespace lockstep::server::rpc
