// What NFS version 3 means, without a disk, locks or transactions: a tree of nodes in memory, one procedure after the
// other, as plain as it can be. The server must answer as this does. For the superuser: permissions are tested apart.
// Layer: model, beside the server's own: it knows the protocol's types and nothing of the server.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "nfs_server/wire/nfs3.hpp"

namespace lockstep::server::model {

/// Nodes are named by small numbers that are never used again, as handles are. Not safe for threads.
class ReferenceModel {
 public:
    using Node = int;
    static constexpr Node root = 0;

    struct Attributes {
        wire::ftype3 type;
        std::uint32_t mode;
        std::uint32_t nlink;
        std::uint64_t size;  // of directories: 0
        friend bool operator==(const Attributes&, const Attributes&) = default;
    };
    /// A status and, where a procedure makes or finds a node, that.
    struct Reply {
        wire::nfsstat3 status;
        Node node = -1;
    };

    ReferenceModel();

    Reply lookup(Node directory, const std::string& name) const;
    Reply create(Node directory, const std::string& name, wire::createmode3 mode, std::optional<std::uint64_t> size,
                 std::uint32_t permissions);
    Reply create_exclusive(Node directory, const std::string& name, std::uint64_t verifier);
    Reply mkdir(Node directory, const std::string& name, std::uint32_t permissions);
    Reply symlink(Node directory, const std::string& name, const std::string& text);
    /// A socket or a fifo.
    Reply mknod(Node directory, const std::string& name, wire::ftype3 type, std::uint32_t permissions);
    wire::nfsstat3 remove(Node directory, const std::string& name);
    wire::nfsstat3 rmdir(Node directory, const std::string& name);
    wire::nfsstat3 rename(Node from, const std::string& from_name, Node to, const std::string& to_name);
    wire::nfsstat3 link(Node file, Node directory, const std::string& name);
    wire::nfsstat3 write(Node file, std::uint64_t offset, const std::string& data);
    wire::nfsstat3 set_size(Node file, std::uint64_t size);
    wire::nfsstat3 set_mode(Node file, std::uint32_t mode);
    wire::nfsstat3 read(Node file, std::uint64_t offset, std::uint32_t count, std::string& data) const;
    wire::nfsstat3 readlink(Node link, std::string& text) const;
    wire::nfsstat3 getattr(Node file, Attributes& attributes) const;
    /// Of the rights that are asked for (ACCESS3_*), those that the superuser has.
    wire::nfsstat3 access(Node file, std::uint32_t asked, std::uint32_t& rights) const;
    wire::nfsstat3 readdir(Node directory, std::map<std::string, Node>& names) const;

    /// Nodes made so far, dead ones included.
    Node node_count() const { return static_cast<Node>(nodes_.size()); }
    bool is_alive(Node node) const { return nodes_[static_cast<std::size_t>(node)].nlink > 0; }

 private:
    struct Object {
        wire::ftype3 type = wire::NF3REG;
        std::uint32_t mode = 0;
        std::uint32_t nlink = 0;
        std::string data{};  // of a file, or a link's text
        std::map<std::string, Node> names{};
        Node parent = root;
        std::optional<std::uint64_t> verifier{};  // of the exclusive create that made it
    };

    Object& at(Node node) { return nodes_[static_cast<std::size_t>(node)]; }
    const Object& at(Node node) const { return nodes_[static_cast<std::size_t>(node)]; }
    wire::nfsstat3 judge_directory(Node directory) const;
    wire::nfsstat3 judge_new_name(Node directory, const std::string& name) const;
    Node add(Node directory, const std::string& name, Object object);
    void drop(Node node);
    bool is_at_or_below(Node node, Node ancestor) const;

    std::vector<Object> nodes_;
};

}  // namespace lockstep::server::model
