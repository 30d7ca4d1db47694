// What a file system holds, as clients see it: every path with its attributes, content and handle. Layer: explore.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "nfs_server/base/result.hpp"
#include "nfs_server/explore/stack.hpp"
#include "nfs_server/model/reference_model.hpp"

namespace lockstep::server::explore {

/// Two paths with one handle are one file.
struct TreeEntry {
    model::ReferenceModel::Attributes attributes{};
    std::string content;  ///< of a file; a symbolic link's text
    Handle handle;

    friend bool operator==(const TreeEntry&, const TreeEntry&) = default;
};

struct Tree {
    std::map<std::string, TreeEntry> entries;  ///< the root is ""
    std::set<Handle> gone;                     ///< handles of files that existed and must be stale now
    std::vector<std::uint32_t> executed{};     ///< the calls that changed something, by their numbers, in order
};

/// What the model holds; handles[n] is the server's handle of node n.
Tree tree_of(const model::ReferenceModel& model, const std::vector<Handle>& handles);

/// What the server holds, asked for with READDIR, LOOKUP, GETATTR, READ and READLINK. Errors: a message, when one of
/// them fails.
Result<std::map<std::string, TreeEntry>, std::string> observe(Stack& stack);

/// What is wrong with the kept replies, in a sentence; empty when the reply to a call is kept exactly where the call was
/// executed. Of those long ago some may have been forgotten.
std::string reply_problem(Stack& stack, const Tree& tree);

/// How `found` differs from `expected`, in a sentence; empty when it does not.
std::string difference(const std::map<std::string, TreeEntry>& expected, const std::map<std::string, TreeEntry>& found);

}  // namespace lockstep::server::explore
