// What is exported, to whom, and as what. An export is a directory of the file system under a path that clients mount.
// Its number is in every file handle that comes from it, so each request is judged by the export that its handle names:
// the client's network, its port, and the user that it may act as.
//
// The table can be replaced while requests run (reload): a request reads it once, without a lock. Layer: ops.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "nfs_server/base/result.hpp"
#include "nfs_server/fs/error.hpp"
#include "nfs_server/rpc/credentials.hpp"
#include "nfs_server/rpc/peer_address.hpp"

namespace lockstep::server::ops {

/// Addresses that begin alike: "192.0.2.0/24", "2001:db8::/32", "192.0.2.7" (one host), "*" (everybody).
class Network {
 public:
    /// Error: a message that quotes the text.
    static Result<Network, std::string> parse(std::string_view text);

    /// `address`: IPv6, or IPv4 as ::ffff:a.b.c.d (PeerAddress::bytes()).
    bool contains(const std::array<std::uint8_t, 16>& address) const;
    /// As it was written.
    const std::string& text() const { return text_; }

 private:
    std::array<std::uint8_t, 16> prefix_{};
    unsigned prefix_bits_ = 0;  // of the 128
    std::string text_;
};

/// Who becomes the anonymous user.
enum class Squash : std::uint8_t { none, root, all };
std::optional<Squash> parse_squash(std::string_view text);

struct Export {
    std::string path;  ///< what clients mount; begins with a slash and does not end with one, unless it is "/"
    std::string directory = "/";     ///< the directory of the file system that they get
    std::vector<Network> clients{};  ///< empty: everybody
    bool read_only = false;
    bool secure_ports = false;  ///< only from ports below 1024, which on a Unix only its superuser can use
    Squash squash = Squash::none;
    std::uint32_t anonymous_uid = rpc::Credentials::nobody_id;
    std::uint32_t anonymous_gid = rpc::Credentials::nobody_id;

    /// In the handles of this export: a hash of its path, so that handles stay valid when others come and go. Not 0.
    std::uint32_t number() const;
    bool admits(const rpc::PeerAddress& client) const;
    /// As whom the caller acts here.
    rpc::Credentials effective(const rpc::Credentials& caller) const;
};

/// Reads
/// "PATH[,directory=DIR][,clients=NET[;NET...]][,read_only][,secure_ports][,squash=none|root|all][,anonymous_uid=N]
/// [,anonymous_gid=N]". Error: a message that quotes what is wrong.
Result<Export, std::string> parse_export(std::string_view text);

/// True for "/", "/a/b"; false for "", "a", "/a/", "/a//b", "/a/../b".
bool is_clean_path(std::string_view path);

/// What is exported at one time. Immutable, but for the inodes of the exported directories, which MOUNT finds out.
class ExportTable {
 public:
    /// Error: two exports with one path (or one number), or none at all.
    static Result<std::unique_ptr<const ExportTable>, std::string> make(std::vector<Export> exports);

    struct Entry {
        Export export_;
        std::uint32_t number;
        mutable std::atomic<std::uint64_t> root_inode{0};  ///< of `directory`, when somebody has mounted it; 0: unknown

        Entry(Export of, std::uint32_t its_number) : export_(std::move(of)), number(its_number) {}
        /// True for the directory above which clients of this export see nothing.
        bool is_root(std::uint64_t inode) const { return root_inode.load(std::memory_order_relaxed) == inode; }
    };

    /// nullptr: there is none of that number.
    const Entry* find(std::uint32_t number) const;
    /// The export in which the path lies, the deepest one; nullptr when it lies in none.
    const Entry* find_path(std::string_view path) const;
    const std::vector<std::unique_ptr<Entry>>& all() const { return entries_; }

 private:
    ExportTable() = default;
    std::vector<std::unique_ptr<Entry>> entries_;
};

/// The table in force. Any thread.
class Exports {
 public:
    explicit Exports(std::unique_ptr<const ExportTable> table) { replace(std::move(table)); }
    Exports(const Exports&) = delete;
    Exports& operator=(const Exports&) = delete;

    /// Valid as long as this object.
    const ExportTable& current() const { return *current_.load(std::memory_order_acquire); }
    /// From now on requests are judged by this. Earlier tables are kept: somebody may still read them, and reloading is
    /// rare.
    void replace(std::unique_ptr<const ExportTable> table);

    /// The export of a handle, if the client may use it. Errors: stale (no longer exported), access_denied (another
    /// network, or a port that is not secure).
    fs::Outcome<const ExportTable::Entry*> admit(std::uint32_t number, const rpc::PeerAddress& client) const;

 private:
    std::atomic<const ExportTable*> current_{nullptr};
    std::mutex mutex_;
    std::vector<std::unique_ptr<const ExportTable>> tables_;
};

}  // namespace lockstep::server::ops
