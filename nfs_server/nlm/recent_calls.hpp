// Calls over UDP that were answered lately: a datagram that the network brings twice, or late, has no second effect.
// Nlm layer.
//
// Most of the protocol's calls may be made twice without harm, but not when others came between: an UNLOCK that comes
// again after its owner has locked anew would take that lock away, a LOCK that comes again after its UNLOCK would stay
// for ever. A stream brings nothing twice.
#pragma once

#include <array>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <tuple>

#include "nfs_server/rpc/program.hpp"
#include "nfs_server/rpc/udp_server.hpp"
#include "nfs_server/wire/nlm4.hpp"

namespace lockstep::server::nlm {

// Any thread. A call is known by its sender's address and port, its number, and a hash of all that it says.
class RecentCalls {
 public:
    // So many of the latest are known.
    static constexpr size_t max_calls = 32768;

    // What the call was answered when it came before; waits while another thread makes it. Else makes it.
    template <class Make>
    wire::nlm4_stats once(const rpc::CallContext& call, Make make) {
        if (call.connection_id < rpc::first_udp_connection_id) return make();
        const Key key{call.fingerprint, call.xid, call.peer.port(), call.peer.bytes()};
        if (const auto answer = begin(key)) return *answer;
        const wire::nlm4_stats answer = make();
        end(key, answer);
        return answer;
    }

 private:
    using Key = std::tuple<uint64_t, uint32_t, uint16_t, std::array<uint8_t, 16>>;
    using Answer = std::optional<wire::nlm4_stats>;  // nothing: the call is being made

    // Nothing: it is for the caller to make the call.
    Answer begin(const Key& key) {
        std::unique_lock hold(mutex_);
        const auto [place, is_new] = calls_.try_emplace(key);
        if (is_new) {
            order_.push_back(key);
            forget_oldest();
            return std::nullopt;
        }
        Answer answer;
        is_answered_.wait(hold, [&] {
            const auto found = calls_.find(key);
            if (found == calls_.end()) return true;  // it was long ago by now
            answer = found->second;
            return answer.has_value();
        });
        return answer;
    }

    void end(const Key& key, wire::nlm4_stats answer) {
        const std::lock_guard hold(mutex_);
        if (const auto found = calls_.find(key); found != calls_.end()) found->second = answer;
        is_answered_.notify_all();
    }

    void forget_oldest() {
        if (order_.size() <= max_calls) return;
        calls_.erase(order_.front());
        order_.pop_front();
        is_answered_.notify_all();
    }

    std::mutex mutex_;
    std::condition_variable is_answered_;
    std::map<Key, Answer> calls_;
    std::deque<Key> order_;
};

}  // namespace lockstep::server::nlm
