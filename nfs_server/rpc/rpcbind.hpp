// Telling the local rpcbind which program is served where, for clients that ask it for ports. Rpc layer.
#pragma once

#include <string>
#include <vector>

#include "nfs_server/base/result.hpp"
#include "nfs_server/rpc/peer_address.hpp"
#include "nfs_server/rpc/program.hpp"

namespace lockstep::server::rpc {

// Programs that rpcbind knows of because of us; they are withdrawn when it is destroyed. One thread at a time.
// Source: RFC 1833.
class RpcbindRegistration {
 public:
    RpcbindRegistration() = default;
    ~RpcbindRegistration();
    RpcbindRegistration(const RpcbindRegistration&) = delete;
    RpcbindRegistration& operator=(const RpcbindRegistration&) = delete;

    // Registers every program of the set at the address, of TCP or of UDP; what was registered for the same program and
    // version before is replaced. Error: a message that names the program: no rpcbind answers, or it refuses us.
    Result<void, std::string> add(const ProgramSet& programs, const PeerAddress& address, bool is_udp = false);

 private:
    struct Entry {
        uint32_t program;
        uint32_t version;
        const char* network;  // "tcp", "tcp6", "udp" or "udp6"
    };
    std::vector<Entry> entries_;
};

}  // namespace lockstep::server::rpc
