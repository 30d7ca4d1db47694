// RPC programs (RFC 5531) as tables of typed procedures. Rpc layer; it knows neither NFS nor sockets.
//
//     Program nfs(NFS_PROGRAM, NFS_V3, "NFS");
//     nfs.add(NFSPROC3_GETATTR, "GETATTR", wire::xdr_GETATTR3args, wire::xdr_GETATTR3res,
//             [&](const CallContext& call, const wire::GETATTR3args& args, wire::GETATTR3res& res) { … });
//
// A handler runs on one of the server's threads, any number of them at once, and may block: other requests, of the same
// connection too, go on. It fills `res`; the reply is encoded and sent when it returns.
#pragma once

#include <rpc/rpc.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "nfs_server/base/arena.hpp"
#include "nfs_server/rpc/credentials.hpp"
#include "nfs_server/rpc/payload.hpp"
#include "nfs_server/rpc/peer_address.hpp"
#include "nfs_server/wire/xdr_decoder.hpp"
#include "nfs_server/wire/xdr_encoder.hpp"

namespace lockstep::server::rpc {

// What a handler is told about its call. Everything here, the arguments and the arena live until the reply has left.
struct CallContext {
    uint64_t request_id;     // unique in the life of the process, never 0; every tracepoint of the request carries it
    uint64_t connection_id;  // unique in the life of the process, never 0
    uint32_t xid;
    uint32_t program;
    uint32_t version;
    uint32_t procedure;
    const PeerAddress& peer;
    Credentials credentials;
    Arena& arena;  // for what the reply points at: data, names, lists
    // A hash of the whole call but its number, of those procedures that ask for it (Program::fingerprint_calls); else
    // 0.
    uint64_t fingerprint = 0;
    // A large argument that was received apart, as the procedure asked (Program::receive_apart); it is empty in the
    // arguments. nullptr: all of them are there.
    const Payload* payload = nullptr;
};

// The arguments or results of a procedure that has none.
struct NoValue {};
inline bool_t xdr_no_value(XDR*, NoValue*) {
    return TRUE;
}

// One procedure, its types erased.
struct Procedure {
    const char* name;
    // Decodes the arguments into the arena; nullptr: the record holds no such arguments (GARBAGE_ARGS).
    std::function<void*(wire::XdrDecoder&, Arena&)> decode;
    // Runs the handler and encodes its result; false: the result could not be encoded (SYSTEM_ERR).
    std::function<bool(const CallContext&, const void* args, wire::XdrEncoder&)> run;
    bool wants_fingerprint = false;
    // Finds a payload in the beginning of the arguments, which take so many bytes; may be nullptr.
    PayloadSearch (*find_payload)(std::span<const std::byte> beginning, size_t arguments_bytes) = nullptr;
};

// One version of one program. Built at start-up, then read by every thread.
class Program {
 public:
    Program(uint32_t number, uint32_t version, std::string name)
        : number_(number), version_(version), name_(std::move(name)) {
        add(0, "NULL", xdr_no_value, xdr_no_value, [](const CallContext&, const NoValue&, NoValue&) {});
    }

    // Adds a procedure, or replaces the one of that number. The handler is called as handler(const CallContext&, const
    // Args&, Res&) with a zeroed Res; whatever Res points at must live as long as the call's arena, best in it.
    // Procedure 0 is there.
    template <class Args, class Res, class Handler>
    Program& add(uint32_t procedure, const char* name, bool_t (*xdr_args)(XDR*, Args*), bool_t (*xdr_res)(XDR*, Res*),
                 Handler handler) {
        static_assert(std::is_invocable_v<Handler, const CallContext&, const Args&, Res&>);
        auto decode = [xdr_args](wire::XdrDecoder& decoder, Arena& arena) -> void* {
            auto* args = arena.make<Args>();
            return decoder.decode(xdr_args, *args) ? args : nullptr;
        };
        auto run = [xdr_res, handler = std::move(handler)](const CallContext& call, const void* args,
                                                           wire::XdrEncoder& encoder) {
            auto* res = call.arena.make<Res>();
            handler(call, *static_cast<const Args*>(args), *res);
            return encoder.encode(xdr_res, *res);
        };
        if (procedures_.size() <= procedure) procedures_.resize(procedure + 1);
        procedures_[procedure] = {name, std::move(decode), std::move(run)};
        return *this;
    }

    // Calls of this procedure, which has been added, are fingerprinted, so that one that is sent again can be
    // recognised.
    Program& fingerprint_calls(uint32_t procedure) {
        procedures_.at(procedure).wants_fingerprint = true;
        return *this;
    }
    // Of large calls of this procedure, which has been added, an opaque argument is received apart. `search`: as in
    // Procedure.
    Program& receive_apart(uint32_t procedure, decltype(Procedure::find_payload) search) {
        procedures_.at(procedure).find_payload = search;
        return *this;
    }
    // What fingerprints are keyed with: nobody else shall be able to make two calls with one fingerprint.
    void set_fingerprint_key(const std::array<uint8_t, 16>& key) { fingerprint_key_ = key; }
    // The fingerprint of a message: of what follows its number, up to max_fingerprinted_bytes, and of its size. Never
    // 0.
    uint64_t fingerprint(std::span<const std::byte> message, const PlacedPayload& payload = {}) const;
    static constexpr size_t max_fingerprinted_bytes = 1024;

    uint32_t number() const { return number_; }
    uint32_t version() const { return version_; }
    const std::string& name() const { return name_; }

    // The procedure of that number, nullptr if there is none.
    const Procedure* find(uint32_t procedure) const {
        if (procedure >= procedures_.size() || !procedures_[procedure].run) return nullptr;
        return &procedures_[procedure];
    }

 private:
    uint32_t number_;
    uint32_t version_;
    std::string name_;
    std::vector<Procedure> procedures_;
    std::array<uint8_t, 16> fingerprint_key_{};
};

// The programs that one port serves. Built at start-up, then read by every thread.
class ProgramSet {
 public:
    // Several versions of one program are several Programs.
    void add(Program program);

    struct Lookup {
        const Program* program;  // nullptr: not in that version
        bool known_number;       // some version of the program is served …
        uint32_t low_version;    // … from this
        uint32_t high_version;   // … to this
    };
    Lookup find(uint32_t number, uint32_t version) const;

    std::vector<const Program*> all() const;

 private:
    std::map<uint32_t, std::map<uint32_t, Program>> programs_;
};

}  // namespace lockstep::server::rpc
