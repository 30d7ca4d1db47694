// The calls of a run that was recorded are made again, one after the other, in the order in which they took effect
// then, in a directory that stands for the file system of that run. Operations are atomic, so each must be answered as
// it was: status, data, sizes, names, and which file a name means. nfs_server/model/README.md has the text; a line is a
// call, a tab and its reply. A replay that was interrupted begins anew in a fresh directory.
#include <algorithm>
#include <fstream>
#include <map>
#include <sstream>
#include <stdexcept>

#include "netns_harness/workloads/workload_parts.hpp"

namespace lockstep::workloads {
namespace {

using Words = std::vector<std::string>;

Words words_of(const std::string& text) {
    std::istringstream stream(text);
    Words words;
    for (std::string word; stream >> word;) words.push_back(word);
    return words;
}

// Of "KEY=VALUE"; empty when the words have no such key.
std::string value_of(const Words& words, const std::string& key) {
    for (const std::string& word : words)
        if (word.starts_with(key + "=")) return word.substr(key.size() + 1);
    return "";
}

std::string unquoted(const std::string& text) {
    if (text == "%") return "";
    std::string plain;
    for (std::size_t at = 0; at < text.size(); ++at) {
        if (text[at] == '%' && at + 2 < text.size()) {
            plain += static_cast<char>(std::stoi(text.substr(at + 1, 2), nullptr, 16));
            at += 2;
        } else {
            plain += text[at];
        }
    }
    return plain;
}

Bytes bytes_of(const std::string& hex) {
    Bytes bytes;
    if (hex == "%") return bytes;
    for (std::size_t at = 0; at + 1 < hex.size(); at += 2)
        bytes.push_back(static_cast<unsigned char>(std::stoi(hex.substr(at, 2), nullptr, 16)));
    return bytes;
}

// "TYPE,MODE,LINKS,SIZE"; nothing of what is no regular file.
std::optional<std::uint64_t> size_in(const Words& reply) {
    const std::string attributes = value_of(reply, "attr");
    if (!attributes.starts_with("1,")) return std::nullopt;
    return std::stoull(attributes.substr(attributes.rfind(',') + 1));
}

struct Recorded {
    std::size_t line = 0;
    Words call;
    Words reply;
    std::uint32_t status = 0;
    std::string verb() const { return call.front(); }
};

// Refused for a reason that lies outside of the files: the disk, the caller's rights, the time of a guard. Nothing
// changed.
bool has_outer_reason(std::uint32_t status) {
    constexpr std::uint32_t outer[] = {1, 5, 13, 28, 30, 69, 10001, 10002, 10003, 10006, 10008};
    return std::ranges::find(outer, status) != std::end(outer);
}

bool is_repeated(const Recorded& recorded) {
    static const std::set<std::string> left_out{"other",  "start",       "access", "commit",
                                                "fsstat", "readdirplus", "fsinfo", "pathconf"};
    const std::string verb = recorded.verb();
    if (left_out.contains(verb) || has_outer_reason(recorded.status)) return false;
    if (verb == "setattr") return !value_of(recorded.call, "size").empty();
    // A part of a listing depends on how the server cuts it.
    if (verb == "readdir") return recorded.call.at(2) == "0" && value_of(recorded.reply, "eof") != "0";
    return verb != "lookup" || recorded.call.at(2) != "..";
}

std::vector<Recorded> read_recording(const std::string& file) {
    static const std::set<std::string> known{"getattr", "setattr", "lookup", "read",   "write",
                                             "create",  "mkdir",   "remove", "rename", "readdir"};
    std::ifstream lines(file);
    if (!lines) throw std::runtime_error("cannot read the recording " + file);
    std::vector<Recorded> all;
    std::size_t number = 0;
    for (std::string line; std::getline(lines, line);) {
        const std::string place = file + ":" + std::to_string(++number) + ": ";
        const std::size_t tab = line.find('\t');
        if (tab == std::string::npos) throw std::runtime_error(place + "a call and its reply are missing");
        Recorded recorded{number, words_of(line.substr(0, tab)), words_of(line.substr(tab + 1)), 0};
        if (recorded.call.empty()) throw std::runtime_error(place + "a call and its reply are missing");
        try {
            recorded.status = static_cast<std::uint32_t>(std::stoul(recorded.reply.at(0)));
            if (!is_repeated(recorded)) continue;
        } catch (const std::exception&) {
            throw std::runtime_error(place + "this is no recorded call");
        }
        const bool no_data = recorded.verb() == "write" && recorded.call.size() > 4 && recorded.call[4] == "-";
        const bool is_exclusive = recorded.call.size() > 3 && recorded.call[3] == "exclusive";
        if (!known.contains(recorded.verb()) || no_data || is_exclusive)
            throw std::runtime_error(place + "'" + recorded.verb() + "' can't be repeated");
        all.push_back(std::move(recorded));
    }
    if (all.empty()) throw std::runtime_error(file + " holds no call that could be repeated");
    return all;
}

class RecordedRun final : public OwnDirectory {
 public:
    explicit RecordedRun(Worker& worker) : OwnDirectory(worker), calls_(read_recording(worker.recording)) {}

 private:
    // The root of a file system is inode 2, generation 1.
    void forget() override {
        next_ = 0;
        files_ = {{"2.1", directory_}};
    }

    void take_sure_turn(RemoteTree& tree) override {
        if (next_ == calls_.size()) start_anew(tree);
        const Recorded& recorded = calls_[next_++];
        try {
            repeat(tree, recorded);
        } catch (const std::logic_error&) {  // out of range, or no number
            throw CallError(worker_.recording + ":" + std::to_string(recorded.line) +
                            ": the call names a file that no call before it made or found, or lacks a word");
        }
    }

    const Handle& file(const Recorded& recorded, std::size_t word) const { return files_.at(recorded.call.at(word)); }
    static std::string name(const Recorded& recorded, std::size_t word) { return unquoted(recorded.call.at(word)); }

    void repeat(RemoteTree& tree, const Recorded& recorded) {
        const std::string verb = recorded.verb();
        if (verb == "lookup" || verb == "create" || verb == "mkdir") return repeat_naming(tree, recorded);
        if (verb == "read") return repeat_read(tree, recorded);
        if (verb == "readdir") return repeat_listing(tree, recorded);
        std::uint64_t size = 0;
        std::uint32_t status = status_ok;
        if (verb == "getattr") {
            status = tree.size_of(file(recorded, 1), size);
            if (const auto then = size_in(recorded.reply); status == status_ok && then && *then != size)
                differs(recorded, "the size is " + std::to_string(size));
        } else if (verb == "setattr") {
            status = tree.set_size(file(recorded, 1), std::stoull(value_of(recorded.call, "size")));
        } else if (verb == "write") {
            Verifier ignored{};
            const Bytes data = bytes_of(recorded.call.at(4));
            status = tree.write(file(recorded, 1), std::stoull(recorded.call.at(2)), data, true, ignored);
        } else if (verb == "remove") {
            status = tree.remove(file(recorded, 1), name(recorded, 2));
        } else {
            if (file(recorded, 1) != file(recorded, 3))
                throw CallError("line " + std::to_string(recorded.line) + ": a rename between directories");
            status = tree.rename(file(recorded, 1), name(recorded, 2), name(recorded, 4));
        }
        compare_status(recorded, status);
        ++worker_.writes;
    }

    void repeat_naming(RemoteTree& tree, const Recorded& recorded) {
        const std::string verb = recorded.verb();
        Handle found;
        const Handle& directory = file(recorded, 1);
        const bool guarded = recorded.call.size() > 3 && recorded.call[3] == "guarded";
        const std::uint32_t status = verb == "lookup"  ? tree.look_up(directory, name(recorded, 2), found)
                                     : verb == "mkdir" ? tree.make_directory(directory, name(recorded, 2), found)
                                                       : tree.create(directory, name(recorded, 2), guarded, found);
        compare_status(recorded, status);
        ++worker_.reads;
        if (status != status_ok) return;
        if (const std::string size = value_of(recorded.call, "size"); verb == "create" && !size.empty())
            expect("SETATTR", tree.set_size(found, std::stoull(size)));
        const std::string then = value_of(recorded.reply, "file");
        if (then.empty()) return;
        const auto [known, is_new] = files_.emplace(then, found);
        if (!is_new && known->second != found) differs(recorded, "the name means another file");
    }

    void repeat_read(RemoteTree& tree, const Recorded& recorded) {
        Bytes data;
        const std::uint32_t status = tree.read(file(recorded, 1), std::stoull(recorded.call.at(2)),
                                               static_cast<std::uint32_t>(std::stoul(recorded.call.at(3))), data);
        compare_status(recorded, status);
        ++worker_.reads;
        const std::string then = value_of(recorded.reply, "data");
        if (status == status_ok && then != "-" && data != bytes_of(then)) differs(recorded, "the data are others");
    }

    void repeat_listing(RemoteTree& tree, const Recorded& recorded) {
        std::vector<std::string> names;
        const std::uint32_t status = tree.list(file(recorded, 1), names);
        compare_status(recorded, status);
        ++worker_.reads;
        if (status != status_ok) return;
        std::set<std::string> then;
        std::istringstream text(value_of(recorded.reply, "names"));
        for (std::string each; std::getline(text, each, ',');)
            if (each != "." && each != "..") then.insert(unquoted(each));
        if (then != std::set<std::string>(names.begin(), names.end())) differs(recorded, "the names are others");
    }

    void compare_status(const Recorded& recorded, std::uint32_t status) {
        if (has_outer_reason(status)) throw Refused(recorded.verb(), status);
        if (status != recorded.status) differs(recorded, "the status is " + std::to_string(status));
    }

    void differs(const Recorded& recorded, const std::string& how) {
        std::string call;
        for (const std::string& word : recorded.call) call += word.substr(0, 40) + " ";
        failed("line " + std::to_string(recorded.line) + " of the recording, " + call + "was answered " +
               recorded.reply.front() + " then, and now " + how);
    }

    std::vector<Recorded> calls_;
    std::size_t next_ = 0;
    std::map<std::string, Handle> files_;  // of the recorded run, and of this one
};

}  // namespace

std::unique_ptr<FileWorkload> make_recorded_run(Worker& worker) {
    return made<RecordedRun>(worker);
}

}  // namespace lockstep::workloads
