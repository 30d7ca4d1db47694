// From a message to its reply, whatever carried it. Rpc layer.
#pragma once

#include <sys/uio.h>

#include <cstdint>
#include <span>
#include <vector>

#include "nfs_server/rpc/message.hpp"
#include "nfs_server/rpc/program.hpp"

namespace lockstep::server::rpc {

// What became of a message.
struct Answer {
    enum class Kind {
        none,     // no call: there is nothing to answer, and a stream can't be trusted any more
        refused,  // a reply with an RPC-level error; no procedure ran
        reply,    // a procedure ran
    };
    Kind kind = Kind::none;
    uint64_t request_id = 0;  // with `reply`
    uint32_t xid = 0;
    uint32_t accept_status = 0;  // of RFC 5531, or 100 + its reject_stat
    uint32_t size_bytes = 0;     // of the reply, without what the transport adds
};

// Answers messages with the procedures of one set of programs. Any thread, any number at once.
class Dispatcher final : public PayloadFinder {
 public:
    // The programs must outlive it.
    explicit Dispatcher(const ProgramSet& programs) : programs_(programs) {}

    // Where a message came from.
    struct Origin {
        uint64_t connection_id;
        const PeerAddress& peer;
    };

    // Decodes the message, runs its procedure and leaves the encoded reply in `pieces`, which point into the message,
    // the arena and whatever the procedure said: all of it must live until they are sent. The message's bytes are
    // changed. payload: what of the message lies apart, where find_payload() found it. Fires rpc:call_received, or
    // rpc:call_refused; the transport fires rpc:reply_sent.
    Answer answer(std::span<std::byte> message, const Origin& origin, Arena& arena, std::vector<iovec>& pieces,
                  const PlacedPayload& payload = {}) const;

    PayloadSearch find_payload(std::span<const std::byte> beginning, size_t message_bytes) const override;

 private:
    struct Received {
        std::span<const std::byte> bytes;
        const PlacedPayload& payload;
    };
    Answer run(const CallHead& head, wire::XdrDecoder& decoder, const Origin& origin, const Received& message,
               Arena& arena, std::vector<iovec>& pieces) const;

    const ProgramSet& programs_;
};

}  // namespace lockstep::server::rpc
