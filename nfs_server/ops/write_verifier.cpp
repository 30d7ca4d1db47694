#include "nfs_server/ops/write_verifier.hpp"

#include <sodium.h>

#include "nfs_server/base/check.hpp"
#include "nfs_server/base/faults.hpp"
#include "nfs_server/fs/end_record.hpp"
#include "nfs_server/ops/request.hpp"
#include "nfs_server/ops/verifier.hpp"
#include "tracepoints/nfs3.tp"

namespace lockstep::server::ops {
namespace {

Fault constant_verifier{"constant_verifier", "the write verifier is the same in every life of the server", 1};
Fault drifting_verifier{"drifting_verifier", "a reply carries another write verifier, though nothing is lost"};

}  // namespace

std::uint64_t new_write_verifier() {
    check(sodium_init() >= 0, "the system gives no random numbers");
    std::uint64_t verifier = 0;
    randombytes_buf(&verifier, sizeof verifier);
    return verifier;
}

Result<std::uint64_t, std::string> choose_write_verifier(fs::FileSystem& file_system) {
    const auto kept = fs::take_end_record(file_system);
    if (!kept && kept.error() == fs::Error::corrupt)
        return fail(std::string("the record of how the server ended contradicts its checksum"));
    if (!kept) return fail(std::string("the record of how the server ended can't be read or written"));
    const std::uint64_t verifier =
        constant_verifier.strikes() ? file_system.id() : kept->value_or(new_write_verifier());
    lttng_ust_tracepoint(nfs3, verifier_chosen, file_system.id(), verifier);
    return verifier;
}

void keep_write_verifier(const Service& service) {
    if (!fs::leave_end_record(service.file_system, service.write_verifier)) return;
    lttng_ust_tracepoint(nfs3, service_stopped, service.file_system.id());
}

void Request::tell_verifier(char (&verifier)[8]) const {
    const std::uint64_t value = service.write_verifier + (drifting_verifier.strikes() ? 1 : 0);
    set_verifier(verifier, value);
    lttng_ust_tracepoint(nfs3, verifier_sent, service.file_system.id(), value, call.request_id);
}

}  // namespace lockstep::server::ops
