// Fuzz target of what clients' hosts answer to this server's own calls: their portmappers, lock managers and status
// monitors. Any bytes are a reply or none. The first byte says which reader gets the rest. Under libFuzzer this is
// LLVMFuzzerTestOneInput; fuzz_test.cpp calls it too.
#include <cstdlib>
#include <cstring>

#include "nfs_server/base/arena.hpp"
#include "nfs_server/nlm/wire_message.hpp"
#include "nfs_server/rpc/outgoing_message.hpp"
#include "nfs_server/wire/nlm4.hpp"

#ifndef LOCKSTEP_FUZZ_ENTRY
#define LOCKSTEP_FUZZ_ENTRY lockstep_reply_fuzz
#endif

namespace lockstep::server::nlm {
namespace {

void require(bool condition) {
    if (!condition) std::abort();
}

void read_reply(rpc::Bytes message) {
    const auto reply = rpc::parse_reply(message);
    if (!reply) return;
    require(message.size() >= 12 && reply->results.size() <= message.size() - 12);
    for (const char* host : {"192.0.2.1", "2001:db8::1"}) {
        auto results = reply->results;
        rpc::port_in(*rpc::PeerAddress::parse(host, 0), results);
    }
    Arena arena;
    auto results = reply->results;
    static_cast<void>(decoded(wire::xdr_nlm4_res, results, arena));
}

// However the bytes arrive, the record is the same, and what is written is read again.
void read_stream(const rpc::Bytes& stream) {
    using Kind = rpc::TakenRecord::Kind;
    const auto whole = rpc::take_record(stream);
    for (size_t size = 0; size < stream.size(); size += 1 + size / 4) {
        const auto part = rpc::take_record(std::span(stream).first(size));
        require(part.kind == Kind::incomplete || part.kind == whole.kind);
        require(part.kind != Kind::whole || part.record == whole.record);
    }
    if (whole.kind != Kind::whole) return;
    require(whole.record.size() <= rpc::max_reply_bytes);
    require(rpc::take_record(rpc::marked(whole.record)).record == whole.record);
    read_reply(whole.record);
}

}  // namespace
}  // namespace lockstep::server::nlm

extern "C" int LOCKSTEP_FUZZ_ENTRY(const uint8_t* data, size_t size) {
    using namespace lockstep::server;
    if (size == 0) return 0;
    rpc::Bytes bytes(size - 1);
    if (size > 1) std::memcpy(bytes.data(), data + 1, size - 1);
    data[0] % 2 == 0 ? nlm::read_reply(std::move(bytes)) : nlm::read_stream(bytes);
    return 0;
}
