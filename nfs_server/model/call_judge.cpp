#include "nfs_server/model/call_judge.hpp"

#include <algorithm>
#include <array>
#include <charconv>

#include <fmt/format.h>

namespace lockstep::server::model {
namespace {

using namespace wire;

constexpr std::uint64_t largest_file = 64u << 20;  // that the model keeps in memory
constexpr std::uint32_t modes_without_set_id = 01777;

template <class Number = std::uint64_t>
Number number_of(std::string_view text, int base = 10) {
    Number value{};
    std::from_chars(text.data(), text.data() + text.size(), value, base);
    return value;
}

std::string unquoted(std::string_view text) {
    if (text == "%") return {};
    std::string result;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '%') {
            result += text[i];
        } else {
            result += static_cast<char>(number_of<unsigned>(text.substr(i + 1, 2), 16));
            i += 2;
        }
    }
    return result;
}

std::string from_hex(std::string_view text) {
    std::string result;
    if (text == "%") return result;
    for (std::size_t i = 0; i + 1 < text.size(); i += 2)
        result += static_cast<char>(number_of<unsigned>(text.substr(i, 2), 16));
    return result;
}

// The text up to `end`, taken off its front with the end.
std::string cut_off(std::string& text, char end) {
    const std::size_t size = std::min(text.find(end), text.size());
    std::string front = text.substr(0, size);
    text.erase(0, size + 1);
    return front;
}

// What the model has no reason for; the server may have one, and then nothing has changed.
bool is_beyond_the_model(nfsstat3 status) {
    constexpr std::array beyond{NFS3ERR_IO,        NFS3ERR_NOSPC,       NFS3ERR_ROFS,       NFS3ERR_DQUOT,
                                NFS3ERR_BADHANDLE, NFS3ERR_NOT_SYNC,    NFS3ERR_BAD_COOKIE, NFS3ERR_NOTSUPP,
                                NFS3ERR_TOOSMALL,  NFS3ERR_SERVERFAULT, NFS3ERR_BADTYPE,    NFS3ERR_JUKEBOX,
                                NFS3ERR_FBIG,      NFS3ERR_MLINK,       NFS3ERR_XDEV};
    return std::ranges::find(beyond, status) != beyond.end();
}

}  // namespace

// A line in words; those with = by their keys.
struct CallJudge::Words {
    explicit Words(std::string_view line) {
        while (!line.empty()) {
            const std::size_t end = std::min(line.find(' '), line.size());
            const std::string_view word = line.substr(0, end);
            line.remove_prefix(std::min(end + 1, line.size()));
            const std::size_t equals = word.find('=');
            if (equals != std::string_view::npos && std::islower(static_cast<unsigned char>(word.front())) != 0 &&
                !words.empty() && is_key(word.substr(0, equals)))
                values[std::string(word.substr(0, equals))] = word.substr(equals + 1);
            else
                words.emplace_back(word);
        }
    }
    static bool is_key(std::string_view text) {
        constexpr std::array<std::string_view, 11> keys{"mode", "size", "file",  "attr",  "count", "eof",
                                                        "data", "text", "names", "files", "rights"};
        return std::ranges::find(keys, text) != keys.end();
    }
    std::string word(std::size_t index) const { return index < words.size() ? words[index] : std::string(); }
    bool has(const char* key) const { return values.contains(key); }
    std::string value(const char* key) const {
        const auto found = values.find(key);
        return found == values.end() ? std::string() : found->second;
    }
    bool says(const char* word) const { return std::ranges::find(words, word) != words.end(); }
    nfsstat3 status() const { return static_cast<nfsstat3>(number_of<int>(word(0))); }

    std::vector<std::string> words;
    std::map<std::string, std::string> values;
};

// The model's reply.
struct CallJudge::Expected {
    bool is_known = true;  // false: the model says nothing of such a call
    nfsstat3 status = NFS3_OK;
    Node node = -1;  // made or found, or the one whose attributes the reply has
    bool names_file = false;
    std::string problem{};  // what else is wrong
};

CallJudge::CallJudge() : nodes_{{"2.1", ReferenceModel::root}}, files_{"2.1"} {}

// Nothing: the trace does not tell what this handle names.
std::optional<CallJudge::Node> CallJudge::find(const std::string& file, nfsstat3 status) {
    if (const auto found = nodes_.find(file); found != nodes_.end()) return found->second;
    if (status != NFS3ERR_STALE && status != NFS3ERR_BADHANDLE)
        doubts_.insert("a call names a file that was made before the trace begins");
    return std::nullopt;
}

std::optional<std::string> CallJudge::judge(std::uint32_t uid, std::string_view call_text,
                                            std::string_view reply_text) {
    const Words call(call_text);
    const Words reply(reply_text);
    if (call.word(0) == "start") {
        has_begun_ = reply.word(0) == "1";
        if (!has_begun_) doubts_.insert("the file system was not empty when the server started");
        return std::nullopt;
    }
    if (!has_begun_) doubts_.insert("the trace does not begin with the start of the server on an empty file system");
    if (!has_begun_) return std::nullopt;
    const nfsstat3 status = reply.status();
    if (uid != 0 || call.says("owner")) compared_mode_ = modes_without_set_id;
    const bool is_refused_to_a_user = uid != 0 && (status == NFS3ERR_ACCES || status == NFS3ERR_PERM);
    if (call.word(0) == "other" || is_beyond_the_model(status) || is_refused_to_a_user) {
        ++skipped_;
        return std::nullopt;
    }
    const Expected expected = expect(call, reply);
    if (!expected.is_known) {
        ++skipped_;
        return std::nullopt;
    }
    ++judged_;
    ++judged_procedures_[call.word(0)];
    std::string problem = compare(expected, reply);
    if (problem.empty() && status == NFS3_OK && call.word(0) == "access" && uid == 0)
        problem = compare_rights(expected.node, number_of<std::uint32_t>(call.word(2)), reply);
    if (problem.empty()) return std::nullopt;
    return fmt::format("\"{}\" was answered \"{}\": {}", call_text.substr(0, 200), reply_text.substr(0, 200), problem);
}

CallJudge::Expected CallJudge::expect(const Words& call, const Words& reply) {
    const std::string verb = call.word(0);
    const nfsstat3 status = reply.status();
    const auto node = find(call.word(1), status);
    if (!node) return {.is_known = false};
    const std::string name = unquoted(call.word(2));
    const auto size = call.has("size") ? std::optional(number_of(call.value("size"))) : std::nullopt;
    if (size.value_or(0) > largest_file) doubts_.insert("a file is larger than the model can hold");
    if (size.value_or(0) > largest_file) return {.is_known = false};
    const auto mode = [&](std::uint32_t otherwise) {
        return call.has("mode") ? number_of<std::uint32_t>(call.value("mode"), 8) & 07777 : otherwise;
    };
    const auto made = [](const ReferenceModel::Reply& answer) {
        return Expected{.status = answer.status, .node = answer.node, .names_file = true};
    };
    if (verb == "lookup") return made(model_.lookup(*node, name));
    if (verb == "create" && call.word(3) == "exclusive")
        return made(model_.create_exclusive(*node, name, number_of(call.word(4))));
    if (verb == "create")
        return made(model_.create(*node, name, call.word(3) == "guarded" ? GUARDED : UNCHECKED, size, mode(0600)));
    if (verb == "mkdir") return made(model_.mkdir(*node, name, mode(0700)));
    if (verb == "symlink") return made(model_.symlink(*node, name, unquoted(call.word(3))));
    if (verb == "mknod")
        return made(model_.mknod(*node, name, static_cast<ftype3>(number_of<int>(call.word(3))), mode(0600)));
    if (verb == "remove") return {.status = model_.remove(*node, name)};
    if (verb == "rmdir") return {.status = model_.rmdir(*node, name)};
    if (verb == "rename" || verb == "link") {
        const bool links = verb == "link";
        const auto other = find(call.word(links ? 2 : 3), status);
        if (!other) return {.is_known = false};
        if (links) return {.status = model_.link(*node, *other, unquoted(call.word(3))), .node = *node};
        return {.status = model_.rename(*node, name, *other, unquoted(call.word(4)))};
    }
    if (verb == "write") return expect_write(call, reply);
    if (verb == "read") return expect_read(call, reply);
    Expected expected{.node = *node};
    static const std::set<std::string> of_attributes{"getattr", "setattr", "access",  "commit",
                                                     "fsstat",  "fsinfo",  "pathconf"};
    if (of_attributes.contains(verb)) {
        ReferenceModel::Attributes ignored{};
        if (size) expected.status = model_.set_size(*node, *size);
        if (expected.status == NFS3_OK && call.has("mode")) expected.status = model_.set_mode(*node, mode(0));
        if (expected.status == NFS3_OK) expected.status = model_.getattr(*node, ignored);
    } else if (verb == "readlink") {
        std::string text;
        expected.status = model_.readlink(*node, text);
        if (status == NFS3_OK && text != unquoted(reply.value("text"))) expected.problem = "the link holds " + text;
    } else if (verb == "readdir" || verb == "readdirplus") {
        std::map<std::string, Node> names;
        expected.status = model_.readdir(*node, names);
        if (status == NFS3_OK && expected.status == NFS3_OK) expected.problem = compare_names(*node, call, reply);
        if (status == NFS3_OK && expected.problem.empty()) expected.problem = compare_entries(*node, reply);
    } else {
        expected.is_known = false;
    }
    return expected;
}

CallJudge::Expected CallJudge::expect_write(const Words& call, const Words& reply) {
    const Node node = nodes_.at(call.word(1));
    const std::uint64_t offset = number_of(call.word(2));
    const std::uint64_t count = reply.status() == NFS3_OK ? number_of(reply.value("count")) : number_of(call.word(3));
    if (offset + count > largest_file) {
        doubts_.insert("a file is larger than the model can hold");
        return {.is_known = false};
    }
    const bool is_recorded = call.word(4) != "-";
    if (!is_recorded) unknown_content_.insert(node);
    if (!is_recorded) doubts_.insert("data that was written is too large to be recorded");
    std::string data = is_recorded ? from_hex(call.word(4)) : std::string(count, '\0');
    if (is_recorded && data.size() != number_of(call.word(3))) return {.status = NFS3ERR_INVAL};
    data.resize(std::min<std::size_t>(data.size(), count));
    return {.status = model_.write(node, offset, data), .node = node};
}

CallJudge::Expected CallJudge::expect_read(const Words& call, const Words& reply) {
    const Node node = nodes_.at(call.word(1));
    std::string data;
    const std::uint64_t offset = number_of(call.word(2));
    Expected expected{.status = model_.read(node, offset, number_of<std::uint32_t>(call.word(3)), data), .node = node};
    if (expected.status != NFS3_OK || reply.status() != NFS3_OK) return expected;
    // The server may give less than was asked for, but for the file's end.
    const std::uint64_t count = number_of(reply.value("count"));
    const bool is_end = reply.value("eof") == "1";
    if (count > data.size() || (count == 0 && !data.empty())) {
        expected.problem = fmt::format("there are {} bytes", data.size());
    } else if (is_end && count < data.size()) {
        expected.problem = "that is not the file's end";
    } else if (reply.value("data") != "-" && !unknown_content_.contains(node) &&
               from_hex(reply.value("data")) != std::string_view(data).substr(0, count)) {
        expected.problem = "the file holds other bytes";
    }
    return expected;
}

std::string CallJudge::compare_names(Node directory, const Words& call, const Words& reply) const {
    std::map<std::string, Node> names;
    if (model_.readdir(directory, names) != NFS3_OK) return {};
    const std::string text = reply.value("names");
    std::size_t listed = 0;
    for (std::size_t start = 0; start < text.size();) {
        const std::size_t end = std::min(text.find(',', start), text.size());
        const std::string name = unquoted(std::string_view(text).substr(start, end - start));
        if (!names.contains(name)) return fmt::format("the directory has no name \"{}\"", name);
        ++listed;
        start = end + 1;
    }
    const bool is_whole = call.word(2) == "0" && reply.value("eof") == "1";
    if (is_whole && listed != names.size()) return fmt::format("the directory has {} names", names.size());
    return {};
}

// READDIRPLUS: what is said of each name is true of the file that has it at this moment.
std::string CallJudge::compare_entries(Node directory, const Words& reply) {
    std::string names = reply.value("names"), files = reply.value("files");
    while (!names.empty() && !files.empty()) {
        const std::string name = unquoted(cut_off(names, ','));
        std::string about = cut_off(files, '/');
        const std::string file = cut_off(about, ':');
        const Node node = model_.lookup(directory, name).node;
        std::string problem = file == "-" ? std::string() : compare_file(node, file);
        if (problem.empty() && !about.empty()) problem = compare_attributes(node, about);
        if (!problem.empty()) return fmt::format("of \"{}\": {}", name, problem);
    }
    return {};
}

// A read-only export, of which the model knows nothing, takes away all rights to change something.
std::string CallJudge::compare_rights(Node node, std::uint32_t asked, const Words& reply) const {
    constexpr std::uint32_t changes = ACCESS3_MODIFY | ACCESS3_EXTEND | ACCESS3_DELETE;
    std::uint32_t rights = 0;
    model_.access(node, asked, rights);
    const auto told = number_of<std::uint32_t>(reply.value("rights"));
    return told == rights || told == (rights & ~changes) ? std::string() : fmt::format("the rights are {}", rights);
}

std::string CallJudge::compare(const Expected& expected, const Words& reply) {
    if (expected.status != reply.status())
        return fmt::format("the model answers {}", static_cast<int>(expected.status));
    if (!expected.problem.empty() || expected.status != NFS3_OK) return expected.problem;
    if (expected.names_file && reply.has("file"))
        if (std::string problem = compare_file(expected.node, reply.value("file")); !problem.empty()) return problem;
    return reply.has("attr") ? compare_attributes(expected.node, reply.value("attr")) : std::string();
}

std::string CallJudge::compare_file(Node node, const std::string& file) {
    const auto index = static_cast<std::size_t>(node);
    if (index >= files_.size()) files_.resize(index + 1);
    if (files_[index].empty()) {
        if (!nodes_.emplace(file, node).second) return "the model makes a new file, and this is an old one's handle";
        files_[index] = file;
    }
    return files_[index] == file ? std::string() : "the model finds " + files_[index];
}

std::string CallJudge::compare_attributes(Node node, const std::string& text) const {
    std::array<std::string, 4> parts;
    std::size_t start = 0;
    for (std::string& part : parts) {
        const std::size_t end = std::min(text.find(',', start), text.size());
        part = text.substr(std::min(start, end), end - std::min(start, end));
        start = end + 1;
    }
    ReferenceModel::Attributes expected{};
    if (model_.getattr(node, expected) != NFS3_OK) return "the model says that the file is gone";
    if (number_of<int>(parts[0]) != static_cast<int>(expected.type))
        return fmt::format("the type is {}", static_cast<int>(expected.type));
    if ((number_of<std::uint32_t>(parts[1], 8) & compared_mode_) != (expected.mode & compared_mode_))
        return fmt::format("the mode is {:o}", expected.mode);
    if (number_of(parts[2]) != expected.nlink) return fmt::format("there are {} links", expected.nlink);
    if (expected.type != NF3DIR && number_of(parts[3]) != expected.size)
        return fmt::format("the size is {}", expected.size);
    return {};
}

}  // namespace lockstep::server::model
