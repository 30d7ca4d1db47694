// Who has mounted what, as far as MOUNT calls tell: information for people (showmount), not for access. Layer: ops.
#pragma once

#include <cstddef>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace lockstep::server::ops {

/// Bounded: beyond the limit a mount succeeds, but isn't listed. Any thread.
class MountTable {
 public:
    struct Entry {
        std::string host;
        std::string path;
        friend auto operator<=>(const Entry&, const Entry&) = default;
    };

    explicit MountTable(std::size_t limit = 4096) : limit_(limit) {}

    void add(std::string host, std::string path);
    void remove(const std::string& host, const std::string& path);
    void remove_all(const std::string& host);
    std::vector<Entry> all() const;

 private:
    std::size_t limit_;
    mutable std::mutex mutex_;
    std::set<Entry> entries_;
};

}  // namespace lockstep::server::ops
