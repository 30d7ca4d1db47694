// For tests: a client that calls every procedure of NFS, on a few names that other such clients use, too. Apart from
// its declaration, since libnfs and what rpcgen makes can't be included in one file.
#pragma once

#include <cstdint>

namespace lockstep::server::test {

// Calls each of the 21 procedures that have arguments `rounds` times, as the superuser: a round is each once, in an
// order of chance. The same seed asks for the same, but what it finds depends on the others. What is answered is not
// looked at, but for the handles in it. False when the server was gone before the end.
bool call_every_procedure(uint16_t port, uint64_t seed, uint64_t rounds);

}  // namespace lockstep::server::test
