#include "nfs_server/rpc/program.hpp"

#include <sodium.h>

#include <algorithm>
#include <cstring>

#include "nfs_server/base/check.hpp"

namespace lockstep::server::rpc {

uint64_t Program::fingerprint(std::span<const std::byte> message) const {
    static_assert(sizeof fingerprint_key_ == crypto_shorthash_KEYBYTES && crypto_shorthash_BYTES == sizeof(uint64_t));
    const auto hashed = message.subspan(std::min(sizeof(uint32_t), message.size()));
    const auto hash = [&](const void* bytes, size_t size_bytes) {
        uint64_t value = 0;
        crypto_shorthash(reinterpret_cast<unsigned char*>(&value), static_cast<const unsigned char*>(bytes), size_bytes,
                         fingerprint_key_.data());
        return value;
    };
    const std::array<uint64_t, 2> whole{hash(hashed.data(), std::min(hashed.size(), max_fingerprinted_bytes)),
                                        message.size()};
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
