#include "nfs_server/test_retransmitter.hpp"

#include <random>

#include "nfs_server/test_raw_client.hpp"

namespace lockstep::server::test {
namespace {

// Sends it twice. Returns the first reply; empty when the server is gone.
rpc::test::Bytes twice(RawClient& client, const rpc::test::Bytes& message) {
    const auto first = client.exchange(message);
    return client.exchange(message).empty() ? rpc::test::Bytes() : first;
}

// A file is made, written and removed, and its handle used once more after another file has taken its place. False when
// the server is gone.
bool round(RawClient& client, const Handle& root, const std::string& name, uint32_t& xid) {
    const auto created = twice(client, create_call(++xid, root, name));
    const Handle file = created_handle(created);
    if (file.empty()) return !created.empty();
    return !twice(client, write_call(++xid, file, "written", wire::FILE_SYNC)).empty() &&
           !twice(client, write_call(++xid, file, "loosely", wire::UNSTABLE)).empty() &&
           !twice(client, remove_call(++xid, root, name)).empty() &&
           !twice(client, create_call(++xid, root, name)).empty() &&
           !client.exchange(getattr_call(++xid, file)).empty() &&
           !twice(client, remove_call(++xid, root, name)).empty();
}

}  // namespace

void retransmit(uint16_t port, const std::atomic<bool>& stopping) {
    RawClient client(port);
    const Handle root = client.mount();
    auto xid = static_cast<uint32_t>(std::random_device{}());
    for (uint32_t i = 0; !stopping && !root.empty(); ++i)
        if (!round(client, root, "again-" + std::to_string(i), xid)) return;
}

}  // namespace lockstep::server::test
