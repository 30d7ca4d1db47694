// Which code is ours: the agent's threads take locks too, and those are not the program's.
#pragma once

namespace lockstep::preload {

// Whether an address of code lies in Lockstep's own libraries, in LTTng-UST's or in liburcu's. Those that are loaded at
// the program's start are known; any thread, no lock.
bool is_own_code(const void* address);

}  // namespace lockstep::preload
