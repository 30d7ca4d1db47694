#include "nfs_server/nlm/share_table.hpp"

#include <algorithm>

namespace lockstep::server::nlm {

ShareStatus ShareTable::share(const ShareRequest& request) {
    const std::lock_guard hold(mutex_);
    const auto place = files_.try_emplace(request.file).first;
    auto& shares = place->second;
    ShareRequest* own = nullptr;
    for (ShareRequest& other : shares) {
        if (other.owner == request.owner) {
            own = &other;
        } else if ((other.deny & request.access) != 0 || (other.access & request.deny) != 0) {
            return ShareStatus::denied;  // the file has an entry: it stays
        }
    }
    if (own) {
        *own = request;
        return ShareStatus::granted;
    }
    size_t& count = per_client_[request.owner->client.get()];
    if (count >= max_per_client_) {
        if (shares.empty()) files_.erase(place);
        return ShareStatus::no_locks;
    }
    ++count;
    shares.push_back(request);
    return ShareStatus::granted;
}

void ShareTable::unshare(const ShareRequest& request) {
    const std::lock_guard hold(mutex_);
    const auto found = files_.find(request.file);
    if (found == files_.end()) return;
    const size_t gone = std::erase_if(found->second, [&](const auto& share) { return share.owner == request.owner; });
    if (found->second.empty()) files_.erase(found);
    const auto count = per_client_.find(request.owner->client.get());
    if (count != per_client_.end() && (count->second -= gone) == 0) per_client_.erase(count);
}

void ShareTable::release_client(const LockClient& client) {
    const std::lock_guard hold(mutex_);
    per_client_.erase(&client);
    for (auto file = files_.begin(); file != files_.end();) {
        std::erase_if(file->second, [&](const auto& share) { return share.owner->client.get() == &client; });
        file = file->second.empty() ? files_.erase(file) : std::next(file);
    }
}

std::vector<ShareRequest> ShareTable::list() const {
    const std::lock_guard hold(mutex_);
    std::vector<ShareRequest> list;
    for (const auto& [file, shares] : files_) list.insert(list.end(), shares.begin(), shares.end());
    return list;
}

size_t ShareTable::count() const {
    const std::lock_guard hold(mutex_);
    size_t count = 0;
    for (const auto& [file, shares] : files_) count += shares.size();
    return count;
}

}  // namespace lockstep::server::nlm
