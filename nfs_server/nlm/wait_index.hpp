// Which owner waits where: how the search for deadlocks gets from an owner to the queues that it stands in. Nlm layer.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "nfs_server/fs/file_handle.hpp"

namespace lockstep::server::nlm {

struct Wait {
    uint64_t request_id;
    fs::FileIdentity file;
};

// Any thread; its mutex is taken last.
class WaitIndex {
 public:
    void add(uint64_t owner, const Wait& wait) {
        const std::lock_guard hold(mutex_);
        waits_[owner].push_back(wait);
        ++count_;
    }
    // What is not there may be removed.
    void remove(uint64_t owner, uint64_t request_id) {
        const std::lock_guard hold(mutex_);
        const auto found = waits_.find(owner);
        if (found == waits_.end()) return;
        count_ -= std::erase_if(found->second, [&](const Wait& wait) { return wait.request_id == request_id; });
        if (found->second.empty()) waits_.erase(found);
    }
    std::vector<Wait> of(uint64_t owner) const {
        const std::lock_guard hold(mutex_);
        const auto found = waits_.find(owner);
        return found == waits_.end() ? std::vector<Wait>{} : found->second;
    }
    size_t count() const { return count_; }

 private:
    mutable std::mutex mutex_;
    std::unordered_map<uint64_t, std::vector<Wait>> waits_;
    std::atomic<size_t> count_{0};
};

}  // namespace lockstep::server::nlm
