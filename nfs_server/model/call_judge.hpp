// Judges recorded calls of a server: each, in the order in which their transactions ended, must have had the reference
// model's reply. README.md has the text that calls and replies are recorded as. Layer: model.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "nfs_server/model/reference_model.hpp"

namespace lockstep::server::model {

/// Not safe for threads.
class CallJudge {
 public:
    CallJudge();

    // The first call is "start", its reply how many files there are: without it, or with others than the root, nothing
    // is known.

    /// The next call, by whom, and its reply. Returns how the reply differs from the model's, in a sentence; nothing
    /// when it does not, or when the model says nothing of such a call. After a difference the judge knows nothing
    /// more.
    std::optional<std::string> judge(std::uint32_t uid, std::string_view call, std::string_view reply);

    /// Calls that were compared with the model.
    std::uint64_t judged() const { return judged_; }
    /// The same by procedure, named as in the recorded text.
    const std::map<std::string, std::uint64_t>& judged_procedures() const { return judged_procedures_; }
    /// Calls of which the model says nothing: of other procedures, or refused for reasons that it does not have (no
    /// space, permissions of others than the superuser).
    std::uint64_t skipped() const { return skipped_; }
    /// Why the judgement is incomplete: a sentence each.
    const std::set<std::string>& doubts() const { return doubts_; }

 private:
    using FileName = std::string;  // INODE.GENERATION
    using Node = ReferenceModel::Node;
    struct Words;
    struct Expected;

    std::optional<Node> find(const std::string& file, wire::nfsstat3 status);
    Expected expect(const Words& call, const Words& reply);
    std::string compare(const Expected& expected, const Words& reply);
    std::string compare_file(Node node, const std::string& file);
    std::string compare_attributes(Node node, const std::string& text) const;
    std::string compare_names(Node directory, const Words& call, const Words& reply) const;
    std::string compare_entries(Node directory, const Words& reply);
    std::string compare_rights(Node node, std::uint32_t asked, const Words& reply) const;
    Expected expect_write(const Words& call, const Words& reply);
    Expected expect_read(const Words& call, const Words& reply);

    ReferenceModel model_;
    std::map<FileName, Node> nodes_;
    std::vector<FileName> files_;  // by node
    std::set<Node> unknown_content_;
    std::uint32_t compared_mode_ = 07777;
    bool has_begun_ = false;  // with an empty file system
    std::uint64_t judged_ = 0;
    std::map<std::string, std::uint64_t> judged_procedures_;
    std::uint64_t skipped_ = 0;
    std::set<std::string> doubts_;
};

}  // namespace lockstep::server::model
