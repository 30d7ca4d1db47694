// A connection to one RPC program through libnfs, one call at a time, each with a limit.
#pragma once

#include <nfsc/libnfs.h>
// libnfs' raw headers want libnfs.h first.
#include <nfsc/libnfs-raw.h>

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <type_traits>

#include "netns_harness/workloads/remote_files.hpp"

namespace lockstep::workloads {

// One thread. Throws CallError.
class RpcConnection {
 public:
    RpcConnection(const std::string& address, int port, int program, int version, std::chrono::milliseconds call_limit);
    ~RpcConnection();
    RpcConnection(const RpcConnection&) = delete;
    RpcConnection& operator=(const RpcConnection&) = delete;

    // Sends the call that `start(rpc, callback, private_data)` queues (one of libnfs' *_async functions: 0 when queued)
    // and hands its decoded result, valid during the call only, to `take(const Result&)`; of no result, to `take()`.
    template <class Result, class Start, class Take>
    void call(const char* what, Start start, Take take) {
        number_ = next_number_ ? *next_number_ : number_after_;
        if (!next_number_) ++number_after_;
        next_number_.reset();
        rpc_set_next_xid(rpc_, number_);
        Call call{[&take]([[maybe_unused]] void* result) {
            if constexpr (std::is_void_v<Result>)
                take();
            else
                take(*static_cast<Result*>(result));
        }};
        finish_timed(what, start(rpc_, &RpcConnection::answered, static_cast<void*>(&call)), call);
    }

    // The number (xid) of the last call. A call that is given the number of an earlier one is, to the server, that one
    // sent again.
    std::uint32_t number() const { return number_; }
    void number_next_call(std::uint32_t number) { next_number_ = number; }

 private:
    struct Call {
        std::function<void(void*)> take;
        bool done = false;
        int status = 0;
        std::string error = {};
    };
    static void answered(rpc_context* rpc, int status, void* data, void* private_data);
    void finish(const char* what, int queued, Call& call);
    void finish_timed(const char* what, int queued, Call& call);
    void pump(const char* what, const Call& call);

    rpc_context* rpc_;
    std::uint32_t number_after_;  // of the next call that has none given
    std::uint32_t number_ = 0;
    std::optional<std::uint32_t> next_number_;
    std::chrono::milliseconds call_limit_;
};

}  // namespace lockstep::workloads
