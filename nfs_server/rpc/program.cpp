#include "nfs_server/rpc/program.hpp"

#include <arpa/inet.h>
#include <sodium.h>

#include <algorithm>
#include <cstring>

#include "nfs_server/base/check.hpp"

namespace lockstep::server::rpc {

namespace {

// The beginning of the message as it came, in `memory`.
std::span<const std::byte> joined(std::span<const std::byte> message, const PlacedPayload& payload,
                                  std::span<std::byte> memory) {
    const size_t head_bytes = std::min(payload.at, memory.size());
    std::memcpy(memory.data(), message.data(), head_bytes);
    const auto size = htonl(static_cast<uint32_t>(payload.payload->size_bytes()));
    if (payload.at <= memory.size()) std::memcpy(memory.data() + payload.at - sizeof size, &size, sizeof size);
    const auto rest = memory.subspan(head_bytes);
    const size_t payload_bytes = std::min(rest.size(), payload.payload->size_bytes());
    payload.payload->read(0, rest.first(payload_bytes));
    return memory.first(head_bytes + payload_bytes);
}

}  // namespace

uint64_t Program::fingerprint(std::span<const std::byte> message, const PlacedPayload& payload) const {
    static_assert(sizeof fingerprint_key_ == crypto_shorthash_KEYBYTES && crypto_shorthash_BYTES == sizeof(uint64_t));
    const size_t message_bytes = message.size() + (payload.payload ? payload.payload->size_bytes() : 0);
    std::array<std::byte, sizeof(uint32_t) + max_fingerprinted_bytes> memory;
    if (payload.payload) message = joined(message, payload, memory);
    const auto hashed = message.subspan(std::min(sizeof(uint32_t), message.size()));
    const auto hash = [&](const void* bytes, size_t size_bytes) {
        uint64_t value = 0;
        crypto_shorthash(reinterpret_cast<unsigned char*>(&value), static_cast<const unsigned char*>(bytes), size_bytes,
                         fingerprint_key_.data());
        return value;
    };
    const std::array<uint64_t, 2> whole{hash(hashed.data(), std::min(hashed.size(), max_fingerprinted_bytes)),
                                        message_bytes};
    return std::max<uint64_t>(hash(whole.data(), sizeof whole), 1);
}

void ProgramSet::add(Program program) {
    const uint32_t number = program.number();
    const uint32_t version = program.version();
    const bool added = programs_[number].emplace(version, std::move(program)).second;
    check(added, "a version of a program is served once");
}

ProgramSet::Lookup ProgramSet::find(uint32_t number, uint32_t version) const {
    const auto versions = programs_.find(number);
    if (versions == programs_.end()) return {nullptr, false, 0, 0};
    const auto program = versions->second.find(version);
    return {program == versions->second.end() ? nullptr : &program->second, true, versions->second.begin()->first,
            versions->second.rbegin()->first};
}

std::vector<const Program*> ProgramSet::all() const {
    std::vector<const Program*> all;
    for (const auto& [number, versions] : programs_)
        for (const auto& [version, program] : versions) all.push_back(&program);
    return all;
}

}  // namespace lockstep::server::rpc
