#include "nfs_server/ops/reply_cache.hpp"

#include <algorithm>
#include <cstring>

#include "nfs_server/base/check.hpp"
#include "nfs_server/base/faults.hpp"
#include "nfs_server/base/waiting.hpp"
#include "tracepoints/nfs3.tp"

namespace lockstep::server::ops {
namespace {

Fault execute_again{"execute_again", "a call that is sent again is executed again, though its reply is kept", 2};
Fault keep_reply_in_memory{"keep_reply_in_memory", "replies are kept in memory only, where a crash loses them", 1};

// Replies in memory, where the disk has no area for them.
constexpr std::size_t capacity_without_area = 1024;

std::pair<std::uint64_t, std::uint64_t> words_of(const std::array<std::uint8_t, 16>& address) {
    std::pair<std::uint64_t, std::uint64_t> words;
    std::memcpy(&words.first, address.data(), 8);
    std::memcpy(&words.second, address.data() + 8, 8);
    return words;
}

// What tracepoints call a client.
std::uint64_t number_of(const fs::CallName& name) {
    const auto [high, low] = words_of(name.client);
    return low ^ high * 0x9e37'79b9'7f4a'7c15u;
}

// What tracepoints tell replies apart by. FNV-1a.
std::uint64_t digest(std::span<const std::byte> reply) {
    std::uint64_t value = 0xcbf2'9ce4'8422'2325u;
    for (const std::byte byte : reply) value = (value ^ std::to_integer<std::uint64_t>(byte)) * 0x100'0000'01b3u;
    return value;
}

}  // namespace

struct ReplyCache::Entry {
    explicit Entry(const fs::CallName& call) : name(call) {}
    fs::CallName name;
    std::uint64_t serial = 0;
    std::uint64_t slot = no_slot;
    std::uint32_t procedure = 0;
    bool is_finished = false;
    bool has_changed = false;  // something, durably or not
    std::vector<std::byte> reply{};
};

std::size_t ReplyCache::HashAddress::operator()(const Address& address) const noexcept {
    const auto [high, low] = words_of(address);
    return static_cast<std::size_t>((high ^ low) * 0x9e37'79b9'7f4a'7c15u);
}

ReplyCache::ReplyCache(std::uint64_t slots)
    : capacity_(slots == 0 ? capacity_without_area : slots), is_durable_(slots != 0) {
    entries_.reserve(capacity_);
    free_slots_.reserve(slots);
    for (std::uint64_t slot = slots; slot-- > 0;) free_slots_.push_back(slot);
}

ReplyCache::~ReplyCache() = default;

fs::Outcome<std::unique_ptr<ReplyCache>> ReplyCache::open(fs::FileSystem& file_system) {
    std::unique_ptr<ReplyCache> cache(new ReplyCache(file_system.volume().reply_slots()));
    LOCKSTEP_TRY(auto found, fs::read_kept_replies(file_system));
    cache->load(std::move(found));
    return cache;
}

// From the oldest to the newest, so that each client's are in order. Of two of one call the newest counts.
void ReplyCache::load(std::vector<fs::FoundReply> found) {
    std::ranges::sort(found, std::greater{}, [](const fs::FoundReply& reply) { return reply.kept.serial; });
    std::vector<Entry*> newest_first;
    std::vector<bool> is_used(capacity_);
    for (fs::FoundReply& reply : found) {
        last_serial_ = std::max(last_serial_, reply.kept.serial);
        const auto [place, is_new] = entries_.try_emplace(reply.kept.call, reply.kept.call);
        if (!is_new) continue;
        Entry& entry = place->second;
        entry.serial = reply.kept.serial;
        entry.slot = reply.slot;
        entry.procedure = reply.kept.procedure;
        entry.is_finished = entry.has_changed = true;
        entry.reply = std::move(reply.kept.reply);
        is_used[reply.slot] = true;
        newest_first.push_back(&entry);
    }
    std::erase_if(free_slots_, [&](std::uint64_t slot) { return is_used[slot]; });
    for (auto entry = newest_first.rbegin(); entry != newest_first.rend(); ++entry) {
        remember(**entry);
        lttng_ust_tracepoint(nfs3, reply_recovered, number_of((*entry)->name), (*entry)->name.xid,
                             (*entry)->name.fingerprint, digest((*entry)->reply));
    }
}

// Changes what is kept of a client, and its place in the order of sizes.
template <class Change>
void ReplyCache::change_client(const Address& address, Change change) {
    const auto client = clients_.try_emplace(address).first;
    auto node = by_size_.extract({client->second.size(), address});
    change(client->second);
    const std::size_t size = client->second.size();
    if (size == 0) {
        clients_.erase(client);
    } else if (node.empty()) {
        by_size_.emplace(size, address);
    } else {
        node.value().first = size;
        by_size_.insert(std::move(node));
    }
}

void ReplyCache::remember(Entry& entry) {
    change_client(entry.name.client, [&](Kept& kept) { kept.push_back(&entry); });
}

// False when every call is under way.
bool ReplyCache::forget_oldest() {
    if (by_size_.empty()) return false;
    Entry* oldest = nullptr;
    const Address largest = by_size_.rbegin()->second;
    change_client(largest, [&](Kept& kept) {
        oldest = kept.front();
        kept.pop_front();
    });
    lttng_ust_tracepoint(nfs3, reply_forgotten, number_of(oldest->name), oldest->name.xid, oldest->name.fingerprint);
    drop(*oldest);
    return true;
}

void ReplyCache::drop(Entry& entry) {
    if (entry.slot != no_slot) free_slots_.push_back(entry.slot);
    entries_.erase(entries_.find(entry.name));
}

ReplyCache::Entry& ReplyCache::add(const fs::CallName& name) {
    Entry& entry = entries_.try_emplace(name, name).first->second;
    entry.serial = ++last_serial_;
    if (is_durable_) {
        entry.slot = free_slots_.back();
        free_slots_.pop_back();
    }
    return entry;
}

void ReplyCache::tell_replayed(const Entry& entry, std::uint64_t request_id) const {
    if (!entry.has_changed) return;
    lttng_ust_tracepoint(nfs3, call_replayed, number_of(entry.name), entry.name.xid, entry.name.fingerprint, request_id,
                         digest(entry.reply));
}

ReplyCache::Begun ReplyCache::begin(const rpc::CallContext& call) {
    const fs::CallName name{call.peer.bytes(), call.xid, call.fingerprint};
    std::unique_lock hold(mutex_);
    for (;;) {
        const auto found = entries_.find(name);
        if (found == entries_.end()) {
            if (entries_.size() < capacity_ || forget_oldest()) break;
            about_to_wait();
            finished_.wait(hold);
        } else if (!found->second.is_finished) {
            about_to_wait();
            finished_.wait(hold);
        } else if (execute_again.strikes()) {
            found->second.is_finished = false;
            change_client(name.client, [&](Kept& kept) { std::erase(kept, &found->second); });
            return {Execution(*this, found->second), {}};
        } else {
            ++replays_;
            tell_replayed(found->second, call.request_id);
            return {std::nullopt, found->second.reply};
        }
    }
    Entry& entry = add(name);
    entry.procedure = call.procedure;
    return {Execution(*this, entry), {}};
}

void ReplyCache::Execution::keep(fs::Operation& op, Arena& arena, std::span<const std::byte> reply) {
    if (!cache_.is_durable_ || keep_reply_in_memory.strikes()) return;
    op.keep_reply(entry_->slot, fs::encode_reply(arena, entry_->name, entry_->procedure, entry_->serial, reply));
}

void ReplyCache::Execution::finish(Effect effect, std::span<const std::byte> reply, std::uint64_t request_id) {
    Entry& entry = *std::exchange(entry_, nullptr);
    std::lock_guard hold(cache_.mutex_);
    entry.reply.assign(reply.begin(), reply.end());
    entry.is_finished = true;
    entry.has_changed = effect != Effect::none;
    lttng_ust_tracepoint(nfs3, call_executed, number_of(entry.name), entry.name.xid, entry.name.fingerprint, request_id,
                         digest(reply), static_cast<std::uint8_t>(effect));
    if (!entry.has_changed && entry.slot != no_slot) cache_.free_slots_.push_back(std::exchange(entry.slot, no_slot));
    cache_.remember(entry);
    cache_.finished_.notify_all();
}

// The call came to nothing and may be tried again, by this name too.
ReplyCache::Execution::~Execution() {
    if (entry_ == nullptr) return;
    std::lock_guard hold(cache_.mutex_);
    cache_.drop(*entry_);
    cache_.finished_.notify_all();
}

std::size_t ReplyCache::size() const {
    std::lock_guard hold(mutex_);
    return entries_.size();
}

std::uint64_t ReplyCache::replays() const {
    std::lock_guard hold(mutex_);
    return replays_;
}

}  // namespace lockstep::server::ops
