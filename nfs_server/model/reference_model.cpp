#include "nfs_server/model/reference_model.hpp"

#include <algorithm>
#include <utility>

namespace lockstep::server::model {

using namespace wire;

namespace {

constexpr std::uint32_t set_group_id = 02000;  // of a directory: inherited by the directories in it

bool is_special(const std::string& name) {
    return name == "." || name == "..";
}

nfsstat3 judge_name(const std::string& name) {
    if (name.empty() || name.find('/') != std::string::npos) return NFS3ERR_ACCES;
    return name.size() > 255 ? NFS3ERR_NAMETOOLONG : NFS3_OK;
}

}  // namespace

ReferenceModel::ReferenceModel() {
    nodes_.push_back({.type = NF3DIR, .mode = 0755, .nlink = 2});
}

nfsstat3 ReferenceModel::judge_directory(Node directory) const {
    if (!is_alive(directory)) return NFS3ERR_STALE;
    return at(directory).type == NF3DIR ? NFS3_OK : NFS3ERR_NOTDIR;
}

nfsstat3 ReferenceModel::judge_new_name(Node directory, const std::string& name) const {
    if (auto status = judge_directory(directory); status != NFS3_OK) return status;
    if (auto status = judge_name(name); status != NFS3_OK) return status;
    return is_special(name) || at(directory).names.contains(name) ? NFS3ERR_EXIST : NFS3_OK;
}

ReferenceModel::Node ReferenceModel::add(Node directory, const std::string& name, Object object) {
    object.parent = directory;
    nodes_.push_back(std::move(object));
    at(directory).names[name] = node_count() - 1;
    return node_count() - 1;
}

void ReferenceModel::drop(Node node) {
    at(node).nlink = at(node).type == NF3DIR ? 0 : at(node).nlink - 1;
}

ReferenceModel::Reply ReferenceModel::lookup(Node directory, const std::string& name) const {
    if (auto status = judge_directory(directory); status != NFS3_OK) return {status};
    if (auto status = judge_name(name); status != NFS3_OK) return {status};
    if (name == ".") return {NFS3_OK, directory};
    if (name == "..") return {NFS3_OK, at(directory).parent};
    const auto found = at(directory).names.find(name);
    return found == at(directory).names.end() ? Reply{NFS3ERR_NOENT} : Reply{NFS3_OK, found->second};
}

ReferenceModel::Reply ReferenceModel::create(Node directory, const std::string& name, createmode3 mode,
                                             std::optional<std::uint64_t> size, std::uint32_t permissions) {
    const nfsstat3 judged = judge_new_name(directory, name);
    if (judged == NFS3ERR_EXIST && !is_special(name) && mode == UNCHECKED) {
        const Node file = at(directory).names.at(name);
        if (at(file).type != NF3REG) return {NFS3ERR_EXIST};
        if (size) at(file).data.resize(*size, '\0');
        return {NFS3_OK, file};
    }
    if (judged != NFS3_OK) return {judged};
    return {NFS3_OK,
            add(directory, name,
                {.type = NF3REG, .mode = permissions, .nlink = 1, .data = std::string(size.value_or(0), '\0')})};
}

ReferenceModel::Reply ReferenceModel::create_exclusive(Node directory, const std::string& name,
                                                       std::uint64_t verifier) {
    const nfsstat3 judged = judge_new_name(directory, name);
    if (judged == NFS3ERR_EXIST && !is_special(name)) {
        const Node file = at(directory).names.at(name);
        const bool same = at(file).type == NF3REG && at(file).verifier == verifier;
        return same ? Reply{NFS3_OK, file} : Reply{NFS3ERR_EXIST};
    }
    if (judged != NFS3_OK) return {judged};
    return {NFS3_OK, add(directory, name, {.type = NF3REG, .mode = 0600, .nlink = 1, .verifier = verifier})};
}

ReferenceModel::Reply ReferenceModel::mkdir(Node directory, const std::string& name, std::uint32_t permissions) {
    if (auto status = judge_new_name(directory, name); status != NFS3_OK) return {status};
    ++at(directory).nlink;
    const std::uint32_t mode = permissions | (at(directory).mode & set_group_id);
    return {NFS3_OK, add(directory, name, {.type = NF3DIR, .mode = mode, .nlink = 2})};
}

ReferenceModel::Reply ReferenceModel::symlink(Node directory, const std::string& name, const std::string& text) {
    if (auto status = judge_new_name(directory, name); status != NFS3_OK) return {status};
    return {NFS3_OK, add(directory, name, {.type = NF3LNK, .mode = 0777, .nlink = 1, .data = text})};
}

ReferenceModel::Reply ReferenceModel::mknod(Node directory, const std::string& name, ftype3 type,
                                            std::uint32_t permissions) {
    if (auto status = judge_new_name(directory, name); status != NFS3_OK) return {status};
    return {NFS3_OK, add(directory, name, {.type = type, .mode = permissions, .nlink = 1})};
}

nfsstat3 ReferenceModel::remove(Node directory, const std::string& name) {
    if (auto status = judge_directory(directory); status != NFS3_OK) return status;
    if (auto status = judge_name(name); status != NFS3_OK) return status;
    if (is_special(name)) return NFS3ERR_ISDIR;
    const Reply victim = lookup(directory, name);
    if (victim.status != NFS3_OK) return victim.status;
    if (at(victim.node).type == NF3DIR) return NFS3ERR_ISDIR;
    at(directory).names.erase(name);
    drop(victim.node);
    return NFS3_OK;
}

nfsstat3 ReferenceModel::rmdir(Node directory, const std::string& name) {
    if (auto status = judge_directory(directory); status != NFS3_OK) return status;
    if (auto status = judge_name(name); status != NFS3_OK) return status;
    if (name == ".") return NFS3ERR_INVAL;
    if (name == "..") return NFS3ERR_EXIST;
    const Reply victim = lookup(directory, name);
    if (victim.status != NFS3_OK) return victim.status;
    if (at(victim.node).type != NF3DIR) return NFS3ERR_NOTDIR;
    if (!at(victim.node).names.empty()) return NFS3ERR_NOTEMPTY;
    at(directory).names.erase(name);
    --at(directory).nlink;
    drop(victim.node);
    return NFS3_OK;
}

bool ReferenceModel::is_at_or_below(Node node, Node ancestor) const {
    for (; node != ancestor; node = at(node).parent)
        if (node == root) return false;
    return true;
}

nfsstat3 ReferenceModel::rename(Node from, const std::string& from_name, Node to, const std::string& to_name) {
    if (!is_alive(from) || !is_alive(to)) return NFS3ERR_STALE;
    if (at(from).type != NF3DIR || at(to).type != NF3DIR) return NFS3ERR_NOTDIR;
    for (const std::string& name : {from_name, to_name}) {
        if (auto status = judge_name(name); status != NFS3_OK) return status;
        if (is_special(name)) return NFS3ERR_INVAL;
    }
    const Reply source = lookup(from, from_name);
    if (source.status != NFS3_OK) return source.status;
    const bool is_directory = at(source.node).type == NF3DIR;
    if (is_directory && is_at_or_below(to, source.node)) return NFS3ERR_INVAL;
    const Reply target = lookup(to, to_name);
    if (target.node == source.node) return NFS3_OK;
    if (target.status == NFS3_OK) {
        const bool compatible = is_directory == (at(target.node).type == NF3DIR) && at(target.node).names.empty();
        if (!compatible) return NFS3ERR_EXIST;
        if (is_directory) --at(to).nlink;
        drop(target.node);
    }
    at(from).names.erase(from_name);
    at(to).names[to_name] = source.node;
    if (is_directory) {
        --at(from).nlink;
        ++at(to).nlink;
        at(source.node).parent = to;
    }
    return NFS3_OK;
}

nfsstat3 ReferenceModel::link(Node file, Node directory, const std::string& name) {
    if (!is_alive(file) || !is_alive(directory)) return NFS3ERR_STALE;
    if (at(directory).type != NF3DIR) return NFS3ERR_NOTDIR;
    if (at(file).type == NF3DIR) return NFS3ERR_INVAL;
    if (auto status = judge_new_name(directory, name); status != NFS3_OK) return status;
    at(directory).names[name] = file;
    ++at(file).nlink;
    return NFS3_OK;
}

nfsstat3 ReferenceModel::write(Node file, std::uint64_t offset, const std::string& data) {
    if (!is_alive(file)) return NFS3ERR_STALE;
    if (at(file).type != NF3REG) return NFS3ERR_INVAL;
    if (data.empty()) return NFS3_OK;
    std::string& content = at(file).data;
    content.resize(std::max<std::size_t>(content.size(), offset + data.size()), '\0');
    content.replace(offset, data.size(), data);
    return NFS3_OK;
}

nfsstat3 ReferenceModel::set_size(Node file, std::uint64_t size) {
    if (!is_alive(file)) return NFS3ERR_STALE;
    if (at(file).type != NF3REG) return NFS3ERR_INVAL;
    at(file).data.resize(size, '\0');
    return NFS3_OK;
}

nfsstat3 ReferenceModel::set_mode(Node file, std::uint32_t mode) {
    if (!is_alive(file)) return NFS3ERR_STALE;
    at(file).mode = mode & 07777;
    return NFS3_OK;
}

nfsstat3 ReferenceModel::read(Node file, std::uint64_t offset, std::uint32_t count, std::string& data) const {
    if (!is_alive(file)) return NFS3ERR_STALE;
    if (at(file).type != NF3REG) return NFS3ERR_INVAL;
    data = offset < at(file).data.size() ? at(file).data.substr(offset, count) : std::string();
    return NFS3_OK;
}

nfsstat3 ReferenceModel::readlink(Node link, std::string& text) const {
    if (!is_alive(link)) return NFS3ERR_STALE;
    if (at(link).type != NF3LNK) return NFS3ERR_INVAL;
    text = at(link).data;
    return NFS3_OK;
}

nfsstat3 ReferenceModel::getattr(Node file, Attributes& attributes) const {
    if (!is_alive(file)) return NFS3ERR_STALE;
    attributes = {at(file).type, at(file).mode, at(file).nlink, at(file).data.size()};
    return NFS3_OK;
}

nfsstat3 ReferenceModel::access(Node file, std::uint32_t asked, std::uint32_t& rights) const {
    if (!is_alive(file)) return NFS3ERR_STALE;
    const bool may_execute = (at(file).mode & 0111) != 0;
    rights = asked & (at(file).type == NF3DIR
                          ? ACCESS3_READ | ACCESS3_LOOKUP | ACCESS3_MODIFY | ACCESS3_EXTEND | ACCESS3_DELETE
                          : ACCESS3_READ | ACCESS3_MODIFY | ACCESS3_EXTEND | (may_execute ? ACCESS3_EXECUTE : 0));
    return NFS3_OK;
}

nfsstat3 ReferenceModel::readdir(Node directory, std::map<std::string, Node>& names) const {
    if (auto status = judge_directory(directory); status != NFS3_OK) return status;
    names = at(directory).names;
    names["."] = directory;
    names[".."] = at(directory).parent;
    return NFS3_OK;
}

}  // namespace lockstep::server::model
