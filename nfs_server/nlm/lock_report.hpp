// What an operator sees of the lock manager, and the one thing to be done about a client that vanished. Nlm layer.
#pragma once

#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "nfs_server/nlm/lock_manager.hpp"

namespace lockstep::server::nlm {

// {"grace_period": BOOL, "locks": [{"client", "address", "owner", "svid", "inode", "generation", "first_byte",
// "last_byte", "mode": "shared" or "exclusive", "waits_for": [owner's number] or null}]}. last_byte is null to the end
// of the file.
nlohmann::json report_locks(LockManager& manager);

// The same as a table for people, a line for each lock and wait.
std::string locks_as_text(const nlohmann::json& report);

// Ends all that the client holds and waits for. Gives {"client", "locks_released"}, or {"error"} when it has nothing.
// The client is not told: this is for one that is dead or cut off, and must not come back without a restart.
nlohmann::json fence_client(LockManager& manager, std::string_view name);

}  // namespace lockstep::server::nlm
