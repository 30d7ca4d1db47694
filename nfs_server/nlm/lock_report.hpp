// What an operator sees of the lock manager, and the one thing to be done about a client that vanished. Nlm layer.
#pragma once

#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "nfs_server/nlm/lock_manager.hpp"

namespace lockstep::server::nlm {

// {"grace_period": BOOL, "locks": [{"client", "address", "owner", "svid", "inode", "generation", "first_byte",
// "last_byte", "mode": "shared" or "exclusive", "waits_for": [owner's number] or null}], "shares": [{"client",
// "address", "owner", "inode", "generation", "access", "deny"}]}. last_byte is null to the end of the file; access and
// deny are "nothing", "reading", "writing" or "reading and writing".
nlohmann::json report_locks(LockManager& manager);

// The same as a table for people, a line for each lock, wait and share.
std::string locks_as_text(const nlohmann::json& report);

// Ends all that the client holds and waits for. Gives {"client", "address", "locks_released"}, or {"error"} when it has
// nothing, or when several have the name and `address` is empty. The client is not told: this is for one that is dead
// or cut off, and must not come back without a restart.
nlohmann::json fence_client(LockManager& manager, std::string_view name, std::string_view address = {});

}  // namespace lockstep::server::nlm
