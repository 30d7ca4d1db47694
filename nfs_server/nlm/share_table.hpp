// Share reservations (NLM's SHARE and UNSHARE): who has a file open how, and what that forbids others. Nlm layer.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "nfs_server/fs/file_handle.hpp"
#include "nfs_server/nlm/lock_owner.hpp"

namespace lockstep::server::nlm {

// Bits of the protocol's fsh4_access and fsh4_mode: 1 reading, 2 writing.
struct ShareRequest {
    fs::FileIdentity file;
    std::shared_ptr<const LockOwner> owner;
    uint32_t access;  // what the owner does
    uint32_t deny;    // what others must not
};

enum class ShareStatus { granted, denied, no_locks };

// Any thread: one mutex, since shares are rare (only DOS-like clients make any).
class ShareTable {
 public:
    explicit ShareTable(size_t max_per_client = 65536) : max_per_client_(max_per_client) {}

    // What the owner had of the file before is replaced. denied: it would do what another denies, or deny what another
    // does; nothing has changed.
    ShareStatus share(const ShareRequest& request);
    // What was not shared stays so.
    void unshare(const ShareRequest& request);
    void release_client(const LockClient& client);
    // All of them, file by file.
    std::vector<ShareRequest> list() const;
    size_t count() const;

 private:
    struct HashFile {
        size_t operator()(const fs::FileIdentity& file) const { return file.inode * 31 + file.generation; }
    };
    const size_t max_per_client_;
    mutable std::mutex mutex_;
    std::unordered_map<fs::FileIdentity, std::vector<ShareRequest>, HashFile> files_;
    std::unordered_map<const LockClient*, size_t> per_client_;
};

}  // namespace lockstep::server::nlm
