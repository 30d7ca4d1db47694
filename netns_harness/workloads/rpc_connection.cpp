#include "netns_harness/workloads/rpc_connection.hpp"

#include <nfsc/libnfs-zdr.h>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <mutex>
#include <random>

#include "netns_harness/workloads/call_recorder.hpp"

namespace lockstep::workloads {

using Clock = std::chrono::steady_clock;

namespace {

// libnfs draws the port that it binds to, and much else, from counters that it changes without a lock.
std::mutex libnfs_counters;

// The same credential in all connections: libnfs' has the time in it, and a call that is sent again by another
// connection would not be the same call.
void set_credential(rpc_context* rpc) {
    AUTH* credential = libnfs_authunix_create("lockstep", getuid(), getgid(), 0, nullptr);
    if (credential == nullptr) throw NoAnswer("libnfs: out of memory");
    constexpr std::size_t stamp_bytes = 4;  // the credential's first field (RFC 5531, appendix A)
    std::memset(credential->ah_cred.oa_base, 0, stamp_bytes);
    rpc_set_auth(rpc, credential);
}

rpc_context* make_context() {
    const std::lock_guard hold(libnfs_counters);
    rpc_context* rpc = rpc_init_context();
    if (rpc != nullptr) set_credential(rpc);
    return rpc;
}

template <class Call>
int start_to_connect(rpc_context* rpc, const std::string& address, int port, int program, int version, rpc_cb answered,
                     Call& call) {
    const std::lock_guard hold(libnfs_counters);
    return rpc_connect_port_async(rpc, address.c_str(), port, program, version, answered, &call);
}

// Connections of one host whose calls have the same numbers are one client to a server that keeps replies: it answers a
// call of the one with its reply to the other. libnfs makes the first number of the time and a counter without a lock.
std::uint32_t first_number() {
    static std::random_device random;
    static std::mutex random_mutex;
    const std::lock_guard hold(random_mutex);
    return static_cast<std::uint32_t>(random());
}

}  // namespace

RpcConnection::RpcConnection(const std::string& address, int port, int program, int version,
                             std::chrono::milliseconds call_limit)
    : rpc_(make_context()), number_after_(first_number()), call_limit_(call_limit) {
    if (rpc_ == nullptr) throw NoAnswer("libnfs: out of memory");
    Call connecting;
    rpc_set_next_xid(rpc_, number_after_++);  // of the NULL call that libnfs makes
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
