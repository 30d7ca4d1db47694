// Fuzz target of what comes over a connection of the lock service: any bytes, in any pieces, give messages or end the
// session; what is taken for a message is exactly what we would write; and no sequence of messages, from several
// sessions, breaks the service. The first byte says how the bytes are cut. Under libFuzzer this is
// LLVMFuzzerTestOneInput; message_test.cpp calls it too.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "netns_harness/dlm/lock_master.hpp"

#ifndef LOCKSTEP_FUZZ_ENTRY
#define LOCKSTEP_FUZZ_ENTRY lockstep_dlm_fuzz
#endif

namespace lockstep::dlm {
namespace {

void require(bool condition) {
    if (!condition) std::abort();
}

constexpr Owner sessions = 3;

void play(std::string_view bytes, std::size_t piece) {
    LockService service(
        [](Owner, const Message& sent) {
            require(parse_line(to_line(sent).substr(0, to_line(sent).size() - 1)) == sent);
        },
        [] { return false; });
    LineReader reader;
    Owner turn = 0;
    for (std::size_t at = 0; at < bytes.size() && !reader.overflown(); at += piece) {
        reader.append(bytes.substr(at, piece));
        while (const auto line = reader.next()) {
            const Owner owner = turn++ % sessions;
            const auto message = parse_line(*line);
            if (message) require(to_line(*message) == *line + "\n");
            if (!message || !service.take(owner, *message)) service.forget(owner);
        }
    }
    for (Owner owner = 0; owner < sessions; ++owner) service.forget(owner);
    require(service.resources_in_use() == 0);
}

}  // namespace
}  // namespace lockstep::dlm

extern "C" int LOCKSTEP_FUZZ_ENTRY(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
    lockstep::dlm::play(bytes, 1 + data[0] % 64);
    return 0;
}
