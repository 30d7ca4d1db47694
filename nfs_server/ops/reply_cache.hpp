// The duplicate request cache: a call that changes something and is sent again is answered with the first reply, also
// after a crash. Each success is written by the transaction of its own call (fs/kept_reply.hpp); failures, which have
// changed nothing, are kept in memory only.
//
//     begin(call) ──► a reply is kept: it is the answer
//        │ none                                   ▲
//        ▼                                        │ waits while the same call is under way
//     Execution ── keep() within the transaction ── finish()
//
// Bounded by the slots on the disk. A new call takes the room of the oldest reply of the client that has most: so what
// a client with few calls may still send again is not pushed out by a busy one. Calls that change nothing never come
// here. Layer: ops. Source: RFC 1813 section 4.5; Juszczak, "Improving the Performance and Correctness of an NFS
// Server" (1989).
#pragma once

#include <array>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

#include "nfs_server/fs/file_system.hpp"
#include "nfs_server/fs/kept_reply.hpp"
#include "nfs_server/rpc/program.hpp"

namespace lockstep::server::ops {

/// What a call has left behind.
enum class Effect : std::uint8_t {
    none = 0,      ///< nothing
    unstable = 1,  ///< a change that a crash may lose, and its reply with it
    stable = 2,    ///< a change that is on stable storage, and its reply with it
};

class ReplyCache {
    struct Entry;

 public:
    /// Reads what is kept on the disk. `file_system` outlives the cache and does not serve yet. Errors: io, corrupt.
    static fs::Outcome<std::unique_ptr<ReplyCache>> open(fs::FileSystem& file_system);
    ReplyCache(const ReplyCache&) = delete;
    ReplyCache& operator=(const ReplyCache&) = delete;
    ~ReplyCache();

    /// A call under way. finish() or destruction ends it; the same call, when it is sent again, waits for that.
    class Execution {
     public:
        Execution(Execution&& other) noexcept : cache_(other.cache_), entry_(std::exchange(other.entry_, nullptr)) {}
        Execution& operator=(Execution&&) = delete;
        ~Execution();

        /// Within the transaction, which is about to commit: makes the encoded reply part of it. May be called again,
        /// by a later attempt. arena: of the call.
        void keep(fs::Operation& op, Arena& arena, std::span<const std::byte> reply);
        /// The call is done, and this is its answer. Fires nfs3:call_executed.
        void finish(Effect effect, std::span<const std::byte> reply, std::uint64_t request_id);

     private:
        friend class ReplyCache;
        Execution(ReplyCache& cache, Entry& entry) : cache_(cache), entry_(&entry) {}
        ReplyCache& cache_;
        Entry* entry_;  // nullptr: finished
    };

    /// What to do with a call.
    struct Begun {
        std::optional<Execution> execution;  ///< nothing: the call has been answered before …
        std::vector<std::byte> reply;        ///< … with this
    };
    /// Waits while the same call is under way. Any thread. Fires nfs3:call_replayed when the call had changed
    /// something.
    Begun begin(const rpc::CallContext& call);

    /// Replies kept now, and how many there may be. Any thread.
    std::size_t size() const;
    std::size_t capacity() const { return capacity_; }
    /// How many calls were answered with a reply that was kept. Any thread.
    std::uint64_t replays() const;

 private:
    using Address = std::array<std::uint8_t, 16>;
    using Kept = std::deque<Entry*>;  // a client's finished calls, oldest first
    struct HashName {
        std::size_t operator()(const fs::CallName& name) const noexcept {
            return static_cast<std::size_t>(name.fingerprint ^ name.xid * 0x9e37'79b9'7f4a'7c15u);
        }
    };
    struct HashAddress {
        std::size_t operator()(const Address& address) const noexcept;
    };
    static constexpr std::uint64_t no_slot = UINT64_MAX;

    explicit ReplyCache(std::uint64_t slots);
    void load(std::vector<fs::FoundReply> found);
    Entry& add(const fs::CallName& name);
    template <class Change>
    void change_client(const Address& address, Change change);
    void tell_replayed(const Entry& entry, std::uint64_t request_id) const;
    void remember(Entry& entry);
    bool forget_oldest();
    void drop(Entry& entry);

    const std::size_t capacity_;
    const bool is_durable_;
    mutable std::mutex mutex_;
    std::condition_variable finished_;
    std::unordered_map<fs::CallName, Entry, HashName> entries_;
    std::unordered_map<Address, Kept, HashAddress> clients_;
    std::set<std::pair<std::size_t, Address>> by_size_;  // each client once, with how many it has
    std::vector<std::uint64_t> free_slots_;              // the last is taken first
    std::uint64_t last_serial_ = 0;
    std::uint64_t replays_ = 0;
};

}  // namespace lockstep::server::ops
