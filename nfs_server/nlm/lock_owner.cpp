#include "nfs_server/nlm/lock_owner.hpp"

#include <cstring>
#include <functional>

namespace lockstep::server::nlm {
namespace {

// One string for the three names; the lengths keep ("ab", "c") apart from ("a", "bc").
std::string key_of(std::string_view client, std::string_view handle, int32_t svid) {
    const uint64_t client_bytes = client.size();
    std::string key(sizeof client_bytes + sizeof svid, '\0');
    std::memcpy(key.data(), &client_bytes, sizeof client_bytes);
    std::memcpy(key.data() + sizeof client_bytes, &svid, sizeof svid);
    return key.append(client).append(handle);
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

std::shared_ptr<LockClient> LockOwners::find_client(std::string_view name) {
    const std::string key(name);
    auto& shard = shard_of(clients_, key);
    const std::lock_guard hold(shard.mutex);
    const auto found = shard.objects.find(key);
    return found == shard.objects.end() ? nullptr : found->second.lock();
}

std::vector<std::shared_ptr<LockClient>> LockOwners::clients_at(std::string_view address) {
    std::vector<std::shared_ptr<LockClient>> found;
    // Those that are looked at are let go of after the mutex: the last one to go takes it.
    std::vector<std::shared_ptr<LockClient>> all;
    for (auto& shard : clients_) {
        const std::lock_guard hold(shard.mutex);
        for (const auto& [name, place] : shard.objects)
            if (auto client = place.lock()) all.push_back(std::move(client));
    }
    for (const auto& client : all)
        if (client->address == address) found.push_back(client);
    return found;
}

std::shared_ptr<LockClient> LockOwners::find_or_add_client(std::string_view name, std::string_view address) {
    const std::string key(name);
    auto& shard = shard_of(clients_, key);
    const std::lock_guard hold(shard.mutex);
    auto& place = shard.objects[key];
    if (auto client = place.lock()) return client;
    std::shared_ptr<LockClient> client(new LockClient{key, std::string(address)}, [&shard](LockClient* gone) {
        const std::string name_of_gone = gone->name;
        delete gone;
        forget(shard, name_of_gone);
    });
    place = client;
    return client;
}

std::shared_ptr<const LockOwner> LockOwners::find_or_add(std::string_view client_name, std::string_view handle,
                                                         int32_t svid, std::string_view address) {
    const std::string key = key_of(client_name, handle, svid);
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
