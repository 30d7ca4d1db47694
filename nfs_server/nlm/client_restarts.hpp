// Clients that restarted, as they or their status monitors say, and whom of them to believe. Nlm layer.
#pragma once

#include <cstdint>
#include <string_view>

#include "nfs_server/nlm/lock_manager.hpp"

namespace lockstep::server::nlm {

// A LOCK call told the state of its client's status monitor: when it is greater than before, the client has restarted
// since, and what it held goes before the call is judged.
void note_state(LockManager& manager, uint64_t request_id, LockClient& client, int32_t state);

// A client's status monitor says that it restarted. Believed from the address only that the client locked from; the
// name is asked for when several clients lock from there. A state that is known already says nothing new.
void client_restarted(LockManager& manager, uint64_t request_id, std::string_view name, std::string_view address,
                      int32_t state);

// The same of all clients of the name, from somebody whom the server believes.
void client_restarted_by_name(LockManager& manager, uint64_t request_id, std::string_view name, int32_t state);

}  // namespace lockstep::server::nlm
