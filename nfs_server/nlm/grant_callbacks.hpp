// Tells clients that a request of theirs that waited is granted: NLM4_GRANTED, to their lock manager. Nlm layer.
//
// A client that answers anything but "granted" does not want the lock any more, and one that was never reached can't
// believe that it has it: the grant is taken back, the next one's turn comes. But once a message was sent, the client
// may hold the lock although no answer came: then it stays the client's, until it gives it up, restarts, or is fenced.
#pragma once

#include <cstdint>

#include "nfs_server/nlm/lock_table.hpp"
#include "nfs_server/nlm/warning_limit.hpp"
#include "nfs_server/rpc/outgoing.hpp"

namespace lockstep::server::nlm {

class GrantCallbacks {
 public:
    // Makes the table's requests wait. Both outlive the callbacks, and `outgoing` ends before the table does.
    GrantCallbacks(LockTable& table, rpc::Outgoing& outgoing, int64_t give_up_after_ms);

 private:
    void tell(const LockRequest& granted);
    void told(const LockRequest& granted, const rpc::OutgoingResult& result);
    void warn(const std::string& client, const char* what);

    LockTable& table_;
    rpc::Outgoing& outgoing_;
    const int64_t give_up_after_ms_;
    WarningLimit warnings_;
};

}  // namespace lockstep::server::nlm
