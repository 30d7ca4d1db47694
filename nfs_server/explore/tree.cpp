#include "nfs_server/explore/tree.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>

namespace lockstep::server::explore {
namespace {

using namespace wire;  // status codes
using model::ReferenceModel;

std::string join(const std::string& directory, const std::string& name) {
    return directory.empty() ? name : directory + "/" + name;
}

void add_node(const ReferenceModel& model, const std::vector<Handle>& handles, ReferenceModel::Node node,
              const std::string& path, Tree& tree) {
    TreeEntry& entry = tree.entries[path];
    entry.handle = handles[static_cast<std::size_t>(node)];
    (void)model.getattr(node, entry.attributes);
    if (entry.attributes.type == NF3REG) (void)model.read(node, 0, UINT32_MAX, entry.content);
    if (entry.attributes.type == NF3LNK) (void)model.readlink(node, entry.content);
    std::map<std::string, ReferenceModel::Node> names;
    if (model.readdir(node, names) != NFS3_OK) return;
    for (const auto& [name, child] : names)
        if (name != "." && name != "..") add_node(model, handles, child, join(path, name), tree);
}

void add_file(Stack& stack, const Handle& handle, const std::string& path, std::map<std::string, TreeEntry>& entries) {
    auto& client = stack.client();
    client.reset();
    const auto attributes = client.getattr(handle);
    if (attributes.status != NFS3_OK)
        throw std::runtime_error(fmt::format("GETATTR of /{} answers {}", path, static_cast<int>(attributes.status)));
    const fattr3& now = attributes.GETATTR3res_u.resok.obj_attributes;
    TreeEntry& entry = entries[path];
    entry.handle = handle;
    entry.attributes = {now.type, now.mode, now.nlink, now.type == NF3DIR ? 0 : now.size};
    if (now.type == NF3REG) entry.content = client.content(handle);
    if (now.type == NF3LNK) entry.content = client.readlink(handle).READLINK3res_u.resok.data;
    if (now.type != NF3DIR) return;
    for (const std::string& name : client.names(handle)) {
        if (name == "." || name == "..") continue;
        const auto found = client.lookup(handle, name);
        if (found.status != NFS3_OK)
            throw std::runtime_error(fmt::format("LOOKUP of {} in /{}, which READDIR lists, answers {}", name, path,
                                                 static_cast<int>(found.status)));
        add_file(stack, ops::test::to_handle(found.LOOKUP3res_u.resok.object), join(path, name), entries);
    }
}

std::string describe(const TreeEntry& entry) {
    const auto& attributes = entry.attributes;
    return fmt::format("type {} mode {:o} links {} size {}", static_cast<int>(attributes.type), attributes.mode,
                       attributes.nlink, attributes.size);
}

std::string difference(const std::string& path, const TreeEntry& expected, const TreeEntry& found) {
    if (expected.attributes != found.attributes)
        return fmt::format("/{} has {}, not {}", path, describe(found), describe(expected));
    if (expected.handle != found.handle) return fmt::format("/{} is another file: its handle differs", path);
    const auto [at, other] = std::ranges::mismatch(found.content, expected.content);
    return fmt::format("/{} holds other bytes from {} on", path, at - found.content.begin());
}

}  // namespace

Tree tree_of(const ReferenceModel& model, const std::vector<Handle>& handles) {
    Tree tree;
    add_node(model, handles, ReferenceModel::root, "", tree);
    for (ReferenceModel::Node node = 0; node < model.node_count(); ++node)
        if (!model.is_alive(node)) tree.gone.insert(handles[static_cast<std::size_t>(node)]);
    return tree;
}

Result<std::map<std::string, TreeEntry>, std::string> observe(Stack& stack) {
    std::map<std::string, TreeEntry> entries;
    try {
        add_file(stack, stack.root(), "", entries);
    } catch (const std::runtime_error& error) {
        return fail(std::string(error.what()));
    }
    return entries;
}

std::string reply_problem(Stack& stack, const Tree& tree) {
    constexpr std::size_t certainly_kept = 16;
    const auto kept = stack.kept_replies();
    if (!kept) return kept.error();
    for (const std::uint32_t xid : *kept)
        if (std::ranges::find(tree.executed, xid) == tree.executed.end())
            return fmt::format("the reply to call {} is kept, what the call did is not", xid);
    const std::size_t first = tree.executed.size() - std::min(tree.executed.size(), certainly_kept);
    for (std::size_t i = first; i < tree.executed.size(); ++i)
        if (!kept->contains(tree.executed[i]))
            return fmt::format("what call {} did is kept, the reply to it is not", tree.executed[i]);
    return {};
}

std::string difference(const std::map<std::string, TreeEntry>& expected,
                       const std::map<std::string, TreeEntry>& found) {
    for (const auto& [path, entry] : expected) {
        const auto at = found.find(path);
        if (at == found.end()) return fmt::format("/{} is missing", path);
        if (at->second != entry) return difference(path, entry, at->second);
    }
    for (const auto& [path, entry] : found)
        if (!expected.contains(path)) return fmt::format("/{} is there", path);
    return {};
}

}  // namespace lockstep::server::explore
