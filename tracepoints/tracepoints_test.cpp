// The providers, as a program that links them meets them: an in-process probe gets exactly the fields that were fired.
#include <gtest/gtest.h>

#include <lttng/tracepoint.h>

#include <string>

#include "tracepoints/lock_api.tp"
#include "tracepoints/rpc.tp"

namespace {

struct Seen {
    int count = 0;
    std::string owner;
    uint64_t last_byte = 0;
};

void on_acquired(void* data, const char*, const char* owner, uint64_t, uint64_t last_byte, uint8_t) {
    auto* seen = static_cast<Seen*>(data);
    ++seen->count;
    seen->owner = owner;
    seen->last_byte = last_byte;
}

constexpr const char* acquired_signature =
    "const char*, file, const char*, owner, uint64_t, first_byte, uint64_t, last_byte, uint8_t, mode";

TEST(Tracepoints, AProbeSeesTheFieldsOnlyWhileItIsRegistered) {
    Seen seen;
    auto* probe = reinterpret_cast<void (*)()>(&on_acquired);
    ASSERT_EQ(0, lttng_ust_tracepoint_provider_register("lock_api", "acquired", probe, &seen, acquired_signature));
    lttng_ust_tracepoint(lock_api, acquired, "/f", "host/1", 0, UINT64_MAX, 5);
    ASSERT_EQ(0, lttng_ust_tracepoint_provider_unregister("lock_api", "acquired", probe, &seen));
    lttng_ust_tracepoint(lock_api, acquired, "/f", "host/2", 0, 1, 5);
    EXPECT_EQ(1, seen.count);
    EXPECT_EQ("host/1", seen.owner);
    EXPECT_EQ(UINT64_MAX, seen.last_byte);
}

TEST(Tracepoints, TheExportedSignatureIsTheDeclarationByteForByte) {
    EXPECT_STREQ(acquired_signature, lttng_ust_tracepoint_lock_api___acquired.signature);
}

}  // namespace
