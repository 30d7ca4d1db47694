#include "nfs_server/ops/mount_table.hpp"

namespace lockstep::server::ops {

void MountTable::add(std::string host, std::string path) {
    std::lock_guard hold(mutex_);
    if (entries_.size() < limit_) entries_.insert({std::move(host), std::move(path)});
}

void MountTable::remove(const std::string& host, const std::string& path) {
    std::lock_guard hold(mutex_);
    entries_.erase({host, path});
}

void MountTable::remove_all(const std::string& host) {
    std::lock_guard hold(mutex_);
    std::erase_if(entries_, [&](const Entry& entry) { return entry.host == host; });
}

std::vector<MountTable::Entry> MountTable::all() const {
    std::lock_guard hold(mutex_);
    return {entries_.begin(), entries_.end()};
}

}  // namespace lockstep::server::ops
