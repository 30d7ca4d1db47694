#include "nfs_server/nlm/lock_owner.hpp"

#include <cstring>
#include <functional>

namespace lockstep::server::nlm {
namespace {

// Parts in one string; the lengths keep ("ab", "c") apart from ("a", "bc").
void append_part(std::string& key, std::string_view part) {
    const uint64_t part_bytes = part.size();
    key.append(reinterpret_cast<const char*>(&part_bytes), sizeof part_bytes).append(part);
}

std::string client_key(std::string_view name, std::string_view address) {
    std::string key;
    append_part(key, address);
    return key.append(name);
}

std::string owner_key(std::string_view client, std::string_view handle, int32_t svid, std::string_view address) {
    std::string key(reinterpret_cast<const char*>(&svid), sizeof svid);
    append_part(key, address);
    append_part(key, client);
    return key.append(handle);
}

template <class Shards>
auto& shard_of(Shards& shards, const std::string& key) {
    return shards[std::hash<std::string>{}(key) % shards.size()];
}

}  // namespace

// Called when the object is gone. Another of the same key may have taken the place meanwhile: it stays.
template <class T>
void LockOwners::forget(Shard<T>& shard, const std::string& key) {
    const std::lock_guard hold(shard.mutex);
    const auto found = shard.objects.find(key);
    if (found != shard.objects.end() && found->second.expired()) shard.objects.erase(found);
}

std::shared_ptr<LockClient> LockOwners::find_client(std::string_view name, std::string_view address) {
    const std::string key = client_key(name, address);
    auto& shard = shard_of(clients_, key);
    const std::lock_guard hold(shard.mutex);
    const auto found = shard.objects.find(key);
    return found == shard.objects.end() ? nullptr : found->second.lock();
}

template <class Predicate>
std::vector<std::shared_ptr<LockClient>> LockOwners::clients_where(Predicate is_wanted) {
    // Those that are looked at are let go of after the mutex: the last one to go takes it.
    std::vector<std::shared_ptr<LockClient>> all;
    for (auto& shard : clients_) {
        const std::lock_guard hold(shard.mutex);
        for (const auto& [key, place] : shard.objects)
            if (auto client = place.lock()) all.push_back(std::move(client));
    }
    std::vector<std::shared_ptr<LockClient>> found;
    for (const auto& client : all)
        if (is_wanted(*client)) found.push_back(client);
    return found;
}

std::vector<std::shared_ptr<LockClient>> LockOwners::clients_at(std::string_view address) {
    return clients_where([&](const LockClient& client) { return client.address == address; });
}

std::vector<std::shared_ptr<LockClient>> LockOwners::clients_named(std::string_view name) {
    return clients_where([&](const LockClient& client) { return client.name == name; });
}

std::shared_ptr<LockClient> LockOwners::find_or_add_client(std::string_view name, std::string_view address) {
    const std::string key = client_key(name, address);
    auto& shard = shard_of(clients_, key);
    const std::lock_guard hold(shard.mutex);
    auto& place = shard.objects[key];
    if (auto client = place.lock()) return client;
    const std::string label = std::string(name).append("@").append(address);
    std::shared_ptr<LockClient> client(new LockClient{std::string(name), std::string(address), label},
                                       [&shard, key](LockClient* gone) {
                                           delete gone;
                                           forget(shard, key);
                                       });
    place = client;
    return client;
}

std::shared_ptr<const LockOwner> LockOwners::find_or_add(std::string_view client_name, std::string_view handle,
                                                         int32_t svid, std::string_view address) {
    const std::string key = owner_key(client_name, handle, svid, address);
    auto client = find_or_add_client(client_name, address);
    auto& shard = shard_of(owners_, key);
    const std::lock_guard hold(shard.mutex);
    auto& place = shard.objects[key];
    if (auto owner = place.lock()) return owner;
    ++count_;
    std::shared_ptr<const LockOwner> owner(new LockOwner{++last_number_, std::move(client), std::string(handle), svid},
                                           [this, &shard, key](const LockOwner* gone) {
                                               delete gone;
                                               --count_;
                                               forget(shard, key);
                                           });
    place = owner;
    return owner;
}

}  // namespace lockstep::server::nlm
