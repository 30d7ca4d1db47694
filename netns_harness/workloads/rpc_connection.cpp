#include "netns_harness/workloads/rpc_connection.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <mutex>

#include "netns_harness/workloads/call_recorder.hpp"

namespace lockstep::workloads {

using Clock = std::chrono::steady_clock;

namespace {

// libnfs draws the first number of a context's calls, and the port that it binds to, from counters that it changes
// without a lock. Two connections of one host whose calls have the same numbers are one client to a server that keeps
// replies: it answers a call of the one with its reply to the other.
std::mutex libnfs_counters;

rpc_context* make_context() {
    const std::lock_guard hold(libnfs_counters);
    return rpc_init_context();
}

template <class Call>
int start_to_connect(rpc_context* rpc, const std::string& address, int port, int program, int version, rpc_cb answered,
                     Call& call) {
    const std::lock_guard hold(libnfs_counters);
    return rpc_connect_port_async(rpc, address.c_str(), port, program, version, answered, &call);
}

}  // namespace

RpcConnection::RpcConnection(const std::string& address, int port, int program, int version,
                             std::chrono::milliseconds call_limit)
    : rpc_(make_context()), call_limit_(call_limit) {
    if (rpc_ == nullptr) throw NoAnswer("libnfs: out of memory");
    Call connecting;
    try {
        finish("connect", start_to_connect(rpc_, address, port, program, version, &RpcConnection::answered, connecting),
               connecting);
    } catch (const CallError& error) {
        rpc_destroy_context(rpc_);
        throw NoAnswer(address + ":" + std::to_string(port) + ": " + error.what());
    }
    const int on = 1;
    setsockopt(rpc_get_fd(rpc_), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

RpcConnection::~RpcConnection() {
    rpc_destroy_context(rpc_);
}

void RpcConnection::answered(rpc_context*, int status, void* data, void* private_data) {
    Call& call = *static_cast<Call*>(private_data);
    call.done = true;
    call.status = status;
    if (status == RPC_STATUS_SUCCESS && call.take) call.take(data);
    if (status == RPC_STATUS_ERROR && data != nullptr) call.error = static_cast<const char*>(data);
}

void RpcConnection::finish(const char* what, int queued, Call& call) {
    if (queued != 0) throw NoAnswer(std::string(what) + ": " + rpc_get_error(rpc_));
    pump(what, call);
    if (call.status != RPC_STATUS_SUCCESS)
        throw NoAnswer(std::string(what) + ": " + (call.error.empty() ? "the call failed" : call.error));
}

void RpcConnection::finish_timed(const char* what, int queued, Call& call) {
    CallRecorder* recorder = CallRecorder::of_this_process();
    if (recorder == nullptr) return finish(what, queued, call);
    const auto begin = Clock::now();
    try {
        finish(what, queued, call);
    } catch (const NoAnswer&) {
        recorder->unanswered(Clock::now());
        throw;
    }
    recorder->answered(begin, Clock::now());
}

void RpcConnection::pump(const char* what, const Call& call) {
    const auto deadline = Clock::now() + call_limit_;
    while (!call.done) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
        pollfd wanted{rpc_get_fd(rpc_), static_cast<short>(rpc_which_events(rpc_)), 0};
        const int ready = left > 0 ? poll(&wanted, 1, static_cast<int>(left)) : 0;
        if (ready < 0 && errno == EINTR) continue;
        if (ready <= 0) {
            // The pending call refers to our stack: it must be gone before we are.
            rpc_disconnect(rpc_, "no answer in time");
            throw NoAnswer(std::string(what) + ": no answer within " + std::to_string(call_limit_.count()) + " ms");
        }
        if (rpc_service(rpc_, wanted.revents) < 0 && !call.done) {
            const std::string error = rpc_get_error(rpc_);
            rpc_disconnect(rpc_, "broken");
            throw NoAnswer(std::string(what) + ": " + error);
        }
    }
}

}  // namespace lockstep::workloads
