// The oracles of the file workloads: silent on a tree that keeps its promises, and not on one that breaks one of them.
#include "netns_harness/workloads/file_workloads.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>

namespace lockstep::workloads {
namespace {

// What a tree does wrong on purpose.
struct Wrongs {
    bool tears_writes = false;       // only the first half of a long write arrives
    bool loses_in_rename = false;    // the target of a RENAME is gone for a moment
    bool grants_twice = false;       // a guarded CREATE is granted to somebody else as well
    bool lists_twice = false;        // READDIR tells a name twice
    bool forgets_removals = false;   // REMOVE answers ok and does nothing
    bool loses_unstable = false;     // a crash takes unstable writes, and the verifier says nothing of it
    bool keeps_what_is_cut = false;  // a file that is cut and grown has its old bytes again
    bool ignores_sizes = false;      // SETATTR of a size answers ok and does nothing
    bool ignores_guards = false;     // SETATTR does not look at its guard, and GETATTR is at times late
    bool forgets_replies = false;    // a call that comes again is done again
    bool loses_files = false;        // a file is gone once in a while
};

class MemoryTree : public RemoteTree {
 public:
    explicit MemoryTree(const Wrongs& wrongs) : wrongs_(wrongs) { directories_["/"] = {}; }

    Handle root() override { return handle("/"); }
    std::uint32_t make_directory(const Handle& directory, const std::string& name, Handle& made) override {
        made = handle(text(directory) + name + "/");
        directories_[text(made)] = {};
        return status_ok;
    }
    std::uint32_t create(const Handle& directory, const std::string& name, bool guarded, Handle& made) override {
        return once(made, [&] { return create_once(directory, name, guarded, made); });
    }
    std::uint32_t create_once(const Handle& directory, const std::string& name, bool guarded, Handle& made) {
        auto& names = directories_.at(text(directory));
        if (names.contains(name) && guarded) return status_exists;
        if (!names.contains(name)) names[name] = "file" + std::to_string(++files_made_);
        made = handle(names[name]);
        contents_[names[name]];
        if (guarded && wrongs_.grants_twice) another_owner_ = names[name];
        return status_ok;
    }
    std::uint32_t look_up(const Handle& directory, const std::string& name, Handle& found) override {
        const auto& names = directories_.at(text(directory));
        if (!names.contains(name) || (wrongs_.loses_in_rename && renamed_.contains(name) && ++looks_ % 5 == 0))
            return status_no_entry;
        found = handle(names.at(name));
        return status_ok;
    }
    std::uint32_t remove(const Handle& directory, const std::string& name) override {
        Handle none;
        return once(none, [&] {
            auto& names = directories_.at(text(directory));
            if (!names.contains(name)) return status_no_entry;
            if (!wrongs_.forgets_removals) names.erase(name);
            return status_ok;
        });
    }
    std::uint32_t rename(const Handle& directory, const std::string& from, const std::string& to) override {
        Handle none;
        return once(none, [&] { return rename_once(directory, from, to); });
    }
    std::uint32_t rename_once(const Handle& directory, const std::string& from, const std::string& to) {
        auto& names = directories_.at(text(directory));
        if (!names.contains(from)) return status_no_entry;
        const std::string file = names[from];
        names.erase(from);
        names[to] = file;
        renamed_.insert({to, true});
        return status_ok;
    }
    std::uint32_t list(const Handle& directory, std::vector<std::string>& names) override {
        names.clear();
        for (const auto& [name, file] : directories_.at(text(directory))) names.push_back(name);
        if (wrongs_.lists_twice && !names.empty()) names.push_back(names.front());
        return status_ok;
    }
    std::uint32_t size_of(const Handle& file, std::uint64_t& size) override {
        size = contents_.at(text(file)).size();
        return status_ok;
    }
    std::uint32_t set_size(const Handle& file, std::uint64_t size) override {
        Bytes& content = contents_.at(text(file));
        if (wrongs_.ignores_sizes) return status_ok;
        const Bytes before = content;
        content.resize(size, 0);
        if (wrongs_.keeps_what_is_cut && size > before.size())
            std::fill(content.begin() + static_cast<std::ptrdiff_t>(before.size()), content.end(), 7);
        return status_ok;
    }
    // Every third answer is as old as if another had changed the file between it and what follows.
    std::uint32_t state_of(const Handle& file, FileState& state) override {
        if (wrongs_.loses_files && ++lost_ % 50 == 0) gone_.insert(text(file));
        if (gone_.contains(text(file))) return status_stale;
        const FileState now{contents_.at(text(file)).size(), changes_[text(file)]};
        state = ++states_told_ % 3 == 0 ? former_[text(file)] : now;
        former_[text(file)] = now;
        return status_ok;
    }
    std::uint32_t set_size_if_unchanged(const Handle& file, const FileState& seen, std::uint64_t size) override {
        if (seen.changed != changes_[text(file)] && !wrongs_.ignores_guards) return status_not_sync;
        ++changes_[text(file)];
        return set_size(file, size);
    }
    std::uint32_t read(const Handle& file, std::uint64_t offset, std::uint32_t count, Bytes& bytes) override {
        const Bytes& content = contents_.at(text(file));
        const std::size_t begin = std::min<std::size_t>(offset, content.size());
        const std::size_t end = std::min<std::size_t>(begin + count, content.size());
        bytes.assign(content.begin() + static_cast<std::ptrdiff_t>(begin),
                     content.begin() + static_cast<std::ptrdiff_t>(end));
        if (text(file) == another_owner_ && !bytes.empty()) bytes[0] ^= 1;
        return status_ok;
    }
    std::uint32_t write(const Handle& file, std::uint64_t offset, const Bytes& bytes, bool stable, Verifier&) override {
        Bytes& content = contents_.at(text(file));
        ++changes_[text(file)];
        if (!stable && wrongs_.loses_unstable && ++unstable_ % 3 == 0) return status_ok;
        const std::size_t size = wrongs_.tears_writes && bytes.size() > 4096 ? bytes.size() / 2 : bytes.size();
        content.resize(std::max<std::size_t>(content.size(), offset + bytes.size()), 0);
        std::copy_n(bytes.begin(), size, content.begin() + static_cast<std::ptrdiff_t>(offset));
        return status_ok;
    }
    std::uint32_t commit(const Handle&, Verifier&) override { return status_ok; }
    std::uint32_t last_number() override { return number_; }
    void number_next_call(std::uint32_t number) override { repeated_ = number; }

 private:
    // The reply that is kept of the call that is repeated; without one, what `call` answers, which is kept.
    template <class Call>
    std::uint32_t once(Handle& made, Call call) {
        if (const auto kept = kept_.find(repeated_);
            repeated_ != 0 && kept != kept_.end() && !wrongs_.forgets_replies) {
            made = kept->second.second;
            repeated_ = 0;
            return kept->second.first;
        }
        repeated_ = 0;
        const std::uint32_t status = call();
        kept_[++number_] = {status, made};
        return status;
    }

    static Handle handle(const std::string& text) { return {text.begin(), text.end()}; }
    static std::string text(const Handle& handle) { return {handle.begin(), handle.end()}; }

    Wrongs wrongs_;
    std::map<std::string, std::map<std::string, std::string>> directories_;  // names and their files
    std::map<std::string, Bytes> contents_;
    std::map<std::string, bool> renamed_;
    std::map<std::string, std::uint64_t> changes_;
    std::map<std::string, FileState> former_;
    std::map<std::uint32_t, std::pair<std::uint32_t, Handle>> kept_;
    std::uint32_t number_ = 0, repeated_ = 0;
    std::set<std::string> gone_;
    std::string another_owner_;
    int files_made_ = 0, looks_ = 0, unstable_ = 0, states_told_ = 0, lost_ = 0;
};

const FileWorkloadKind& kind_of(const std::string& name) {
    const auto& kinds = file_workload_kinds();
    return *std::ranges::find_if(kinds, [&](const auto& kind) { return kind.name == name; });
}

constexpr const char* good_recording =
    "start\t1\nmkdir 2.1 d mode=777\t0 file=3.1 attr=2,777,2,0\ncreate 3.1 a guarded mode=666\t0 file=5.1\n"
    "create 3.1 a guarded mode=666\t17\nwrite 5.1 0 4 01020304\t0 count=4\nread 5.1 0 9\t0 count=4 eof=1 "
    "data=01020304\n"
    "getattr 5.1\t0 attr=1,666,1,4\nother\t0\nrename 3.1 a 3.1 b%20c\t0\nlookup 3.1 a\t2\nlookup 3.1 b%20c\t0 "
    "file=5.1\n"
    "readdir 3.1 0\t0 eof=1 names=.,..,b%20c,\nsetattr 5.1 size=2\t0\ngetattr 5.1\t0 attr=1,666,1,2\n"
    "create 3.1 n guarded mode=666\t13\nremove 3.1 b%20c\t0\nremove 3.1 b%20c\t2\n";

// A file with that text, as long as it lives.
class RecordingFile {
 public:
    explicit RecordingFile(const std::string& text) { std::ofstream(path_) << text; }
    ~RecordingFile() { std::filesystem::remove(path_); }
    const std::string& path() const { return path_; }

 private:
    std::string path_ = testing::TempDir() + "/recording." + std::to_string(getpid());
};

// What two workers that take turns find wrong.
std::vector<std::string> findings(const std::string& kind, const Wrongs& wrongs, int turns = 400,
                                  const std::string& recorded = good_recording) {
    const RecordingFile recording(recorded);
    MemoryTree tree(wrongs);
    std::vector<std::string> found;
    const auto note = [&found](const std::string& what) { found.push_back(what); };
    Worker one{"a-1", Random(1, 1), note, recording.path()}, other{"b-1", Random(1, 2), note, recording.path()};
    const auto first = kind_of(kind).make(one), second = kind_of(kind).make(other);
    for (int turn = 0; turn < turns; ++turn) {
        first->take_turn(tree);
        second->take_turn(tree);
    }
    EXPECT_GT(one.reads + other.reads, 0U) << kind << " looked at nothing";
    return found;
}

TEST(FileWorkloads, AreSilentOnATreeThatKeepsItsPromises) {
    for (const FileWorkloadKind& kind : file_workload_kinds()) {
        const auto found = findings(kind.name, {}, std::string(kind.name) == "large_files" ? 20 : 400);
        EXPECT_TRUE(found.empty()) << kind.name << ": " << found.front();
    }
}

TEST(FileWorkloads, HalfOfAWriteIsSeen) {
    EXPECT_FALSE(findings("atomic_writes", {.tears_writes = true}).empty());
    EXPECT_FALSE(findings("rename_swap", {.tears_writes = true}).empty());
    EXPECT_FALSE(findings("close_to_open", {.tears_writes = true}).empty());
}

TEST(FileWorkloads, AFileThatIsGoneWhileItIsReplacedIsSeen) {
    EXPECT_FALSE(findings("rename_swap", {.loses_in_rename = true}).empty());
}

TEST(FileWorkloads, AnExclusiveCreateThatIsGrantedTwiceIsSeen) {
    EXPECT_FALSE(findings("create_remove_race", {.grants_twice = true}).empty());
}

TEST(FileWorkloads, AnAppendThatIsLostOrTornIsSeen) {
    EXPECT_FALSE(findings("append_races", {.ignores_guards = true}).empty());
    EXPECT_FALSE(findings("append_races", {.tears_writes = true}).empty());
}

TEST(FileWorkloads, ALogThatIsGoneTooEarlyIsSeenAndOneThatIsOldIsNot) {
    EXPECT_FALSE(findings("append_races", {.loses_files = true}).empty());
    EXPECT_TRUE(findings("append_races", {}, 4000).empty()) << "long enough for logs to be removed";
}

TEST(FileWorkloads, ACallThatIsDoneTwiceIsSeen) {
    EXPECT_FALSE(findings("retransmissions", {.forgets_replies = true}).empty());
}

// The recording with one part of it put in the place of another.
std::string altered(const std::string& from, const std::string& to) {
    std::string text = good_recording;
    const std::size_t place = text.find(from);
    if (place == std::string::npos) throw std::runtime_error("the recording has no " + from);
    return text.replace(place, from.size(), to);
}

TEST(FileWorkloads, ARecordedCallThatIsAnsweredOtherwiseIsSeen) {
    const std::pair<const char*, const char*> changes[] = {
        {"\t17", "\t0"},
        {"data=01020304", "data=01020305"},
        {"attr=1,666,1,4", "attr=1,666,1,5"},
        {"b%20c,\n", "b,\n"},
        {"lookup 3.1 a\t2", "lookup 3.1 a\t0 file=5.1"},
        {"b%20c\t2", "b%20c\t0"},
        {"lookup 3.1 b%20c\t0 file=5.1", "lookup 3.1 b%20c\t0 file=3.1"}};
    for (const auto& [from, to] : changes)
        EXPECT_FALSE(findings("recorded_run", {}, 40, altered(from, to)).empty()) << to;
    EXPECT_FALSE(findings("recorded_run", {.ignores_sizes = true}).empty());
}

TEST(FileWorkloads, ARecordingThatCannotBeRepeatedIsRefused) {
    const std::string refused[] = {
        "",      "start\t1\n",       "symlink 2.1 a b\t0\n",    "read 2.1\n", "read 2.1 0 4\tok\n",
        "\t0\n", "readdir 2.1\t0\n", "write 2.1 0 99999 -\t0\n"};
    for (const std::string& text : refused)
        EXPECT_THROW(findings("recorded_run", {}, 1, text), std::runtime_error) << text;
    EXPECT_THROW(findings("recorded_run", {}, 40, altered("read 5.1", "read 9.1")), CallError);
    EXPECT_THROW(findings("recorded_run", {}, 40, altered("read 5.1 0 9", "read 5.1 0")), CallError);
}

TEST(FileWorkloads, ADirectoryThatListsANameTwiceOrKeepsOneIsSeen) {
    EXPECT_FALSE(findings("directory_churn", {.lists_twice = true}).empty());
    EXPECT_FALSE(findings("directory_churn", {.forgets_removals = true}).empty());
    EXPECT_FALSE(findings("metadata_mix", {.forgets_removals = true}).empty());
}

TEST(FileWorkloads, UnstableWritesThatAreLostWithoutAWordAreSeen) {
    EXPECT_FALSE(findings("small_files", {.loses_unstable = true}).empty());
    EXPECT_FALSE(findings("large_files", {.loses_unstable = true}, 20).empty());
    EXPECT_FALSE(findings("close_to_open", {.loses_unstable = true}).empty());
}

TEST(FileWorkloads, SizesThatAreNotSetAndBytesThatComeBackAreSeen) {
    EXPECT_FALSE(findings("metadata_mix", {.ignores_sizes = true}).empty());
    EXPECT_FALSE(findings("large_files", {.keeps_what_is_cut = true}, 20).empty());
}

}  // namespace
}  // namespace lockstep::workloads
