// The write verifier: how a client learns that unstable data may be lost. It changes exactly when that may be so: a
// server that was killed is followed by one with a new verifier, one that stopped with everything durable by one with
// the same. Layer: ops. Source: RFC 1813 sections 3.3.7, 3.3.21 and 4.8.
#pragma once

#include <cstdint>
#include <string>

#include "nfs_server/base/result.hpp"
#include "nfs_server/fs/file_system.hpp"

namespace lockstep::server::ops {

struct Service;

/// Draws a write verifier. Errors end the process: without randomness it can't serve.
std::uint64_t new_write_verifier();

/// For a server that starts: the last one's verifier where nothing can have been lost, else a new one. From now on the
/// server counts as killed, until keep_write_verifier(). Errors: a message (the disk can't be read or written).
Result<std::uint64_t, std::string> choose_write_verifier(fs::FileSystem& file_system);

/// For a server that stops, after its last request: makes all durable and lets the next one keep the verifier. Where
/// that fails, the next one takes a new one.
void keep_write_verifier(const Service& service);

}  // namespace lockstep::server::ops
