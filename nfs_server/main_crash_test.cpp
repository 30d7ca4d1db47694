// kill -9 under load, again and again, on a disk in a file: whatever was acknowledged as stable is there afterwards.
//
// Each writer is a process that notes in a file what it is about to do and what was acknowledged. When the server has
// been killed, so are the writers (libnfs would try to reconnect for ever); the notes are read, the server is started
// again, and what it holds is compared with them.
#include <gtest/gtest.h>

#include <chrono>
#include <map>
#include <optional>
#include <random>
#include <thread>

#include "nfs_server/main_nfs_client.hpp"
#include "nfs_server/main_server_process.hpp"

namespace lockstep::server::test {
namespace {

using Content = std::optional<std::string>;  // nothing: the file is not there

// What the server may hold under one name.
struct Expected {
    Content acknowledged;
    std::optional<Content> under_way;  // a step whose answer had not come: it may have happened or not
};
using Files = std::map<std::string, Expected>;

std::string content_of_round(uint64_t round, size_t size_bytes) {
    std::string content = std::to_string(round) + ":";
    while (content.size() < size_bytes) content += static_cast<char>('a' + content.size() * round % 26);
    return content;
}

// One step of a writer, and its line in the notes.
struct Step {
    std::string path;
    bool removes;
    uint64_t round;
    size_t size_bytes;

    Content result() const { return removes ? Content() : Content(content_of_round(round, size_bytes)); }
};

class Notes {
 public:
    explicit Notes(const std::filesystem::path& file) : file_(file) {}

    void begin(const Step& step) {
        append("begin " + step.path + (step.removes ? " 1 " : " 0 ") + std::to_string(step.round) + " " +
               std::to_string(step.size_bytes) + "\n");
    }
    void acknowledged() { append("done\n"); }

    // Applies what is noted to `files`, then forgets it. Returns the number of acknowledged steps.
    int take(Files& files) {
        std::ifstream stream(file_);
        std::string word;
        std::optional<Step> open;
        int acknowledged_steps = 0;
        while (stream >> word) {
            if (word == "begin") {
                open.emplace();
                stream >> open->path >> open->removes >> open->round >> open->size_bytes;
            } else if (open) {
                files[open->path] = {open->result(), std::nullopt};
                open.reset();
                ++acknowledged_steps;
            }
        }
        if (open) files[open->path].under_way = open->result();
        std::filesystem::remove(file_);
        return acknowledged_steps;
    }

 private:
    void append(const std::string& line) {
        const int file = open(file_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        if (write(file, line.data(), line.size()) != static_cast<ssize_t>(line.size())) _exit(3);
        ::close(file);
    }
    std::filesystem::path file_;
};

// A process that writes and removes files of its own directory until it is killed.
class Writer {
 public:
    Writer(int id, const std::filesystem::path& directory)
        : home_("/writer-" + std::to_string(id)), notes_(directory / ("notes-" + std::to_string(id))) {}

    void start(const std::string& url, uint64_t seed) {
        pid_ = fork();
        if (pid_ != 0) return;
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        work(url, seed);
        _exit(0);
    }
    int kill_and_take_notes() {
        kill(pid_, SIGKILL);
        waitpid(pid_, nullptr, 0);
        return notes_.take(files_);
    }

    // Compares what is there with what was acknowledged, and takes it as the truth from here on.
    void judge(NfsClient& client) {
        for (auto& [path, expected] : files_) {
            std::string read;
            const int status = client.read_file(path, read);
            ASSERT_TRUE(status == 0 || status == -ENOENT) << path << ": " << status;
            const Content found = status == 0 ? Content(read) : Content();
            EXPECT_TRUE(found == expected.acknowledged || (expected.under_way && may_be(found, *expected.under_way)))
                << path << " holds " << describe(found) << ", acknowledged was " << describe(expected.acknowledged);
            expected = {found, std::nullopt};
        }
    }

 private:
    // A step is CREATE or a truncation, then a WRITE: cut between them it leaves an empty file.
    static bool may_be(const Content& found, const Content& under_way) {
        return found == under_way || (under_way && found && found->empty());
    }
    static std::string describe(const Content& content) {
        return content ? std::to_string(content->size()) + " bytes of round " + content->substr(0, content->find(':'))
                       : "no file";
    }

    void work(const std::string& url, uint64_t seed) {
        std::mt19937_64 random(seed);
        NfsClient client(url);
        const int made = client.make_directory(home_);
        if (made != 0 && made != -EEXIST) return;
        for (uint64_t round = seed * 1'000'000;; ++round) {
            const Step step{home_ + "/" + std::to_string(random() % 12), random() % 4 == 0, round, random() % 20'000};
            notes_.begin(step);
            const int status = step.removes ? client.remove(step.path)
                                            : client.write_file(step.path, *step.result(), random() % 2 == 0);
            if (status != 0 && !(step.removes && status == -ENOENT)) return;
            notes_.acknowledged();
        }
    }

    std::string home_;
    Notes notes_;
    Files files_;
    pid_t pid_ = -1;
};

// True when the file system below takes O_DIRECT. tmpfs does not (before Linux 6.6).
bool takes_direct_io(const std::filesystem::path& directory) {
    const auto file = directory / ("direct-" + std::to_string(getpid()));
    const int opened = open(file.c_str(), O_RDWR | O_CREAT | O_DIRECT | O_CLOEXEC, 0600);
    std::filesystem::remove(file);
    if (opened < 0) return false;
    close(opened);
    return true;
}

// Where the disk goes: to the directory for temporary files, or, when that takes no O_DIRECT, beside the build.
std::filesystem::path place_of_the_disk() {
    const auto usual = std::filesystem::temp_directory_path();
    const char* build = std::getenv("LOCKSTEP_BUILD_DIR");
    const std::filesystem::path other = build != nullptr ? build : ".";
    return takes_direct_io(usual) || !takes_direct_io(other) ? usual : other;
}

// The flags with which a process has a file open, as the kernel tells them; nothing when it has not.
std::optional<unsigned> flags_of(pid_t pid, const std::filesystem::path& file) {
    const std::filesystem::path process = "/proc/" + std::to_string(pid);
    for (const auto& entry : std::filesystem::directory_iterator(process / "fd")) {
        std::error_code ignored;
        if (std::filesystem::read_symlink(entry.path(), ignored) != std::filesystem::canonical(file)) continue;
        std::ifstream info(process / "fdinfo" / entry.path().filename());
        for (std::string word, value; info >> word >> value;)
            if (word == "flags:") return static_cast<unsigned>(std::stoul(value, nullptr, 8));
    }
    return std::nullopt;
}

// With O_DIRECT a killed process leaves nothing in the page cache: what is there afterwards was written.
void expect_direct(const ServerProcess& server, const std::filesystem::path& disk) {
    const auto flags = flags_of(server.pid(), disk);
    ASSERT_TRUE(flags.has_value()) << "the server does not have " << disk << " open";
    const bool is_direct = (*flags & O_DIRECT) != 0;
    EXPECT_EQ(is_direct, takes_direct_io(disk.parent_path())) << "flags 0" << std::oct << *flags;
    testing::Test::RecordProperty("direct_io", is_direct ? "yes" : "no");
    if (!is_direct)
        std::fprintf(stderr, "The file system of %s takes no O_DIRECT: this run tells nothing about it.\n",
                     disk.c_str());
}

TEST(Crash, WhatWasAcknowledgedAsStableSurvivesKillNine) {
    const uint64_t seed = 5;
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    std::mt19937_64 random(seed);
    TemporaryDirectory directory(place_of_the_disk());
    const std::string disk = "file:" + (directory.path() / "disk").string();
    std::vector<Writer> writers;
    for (int id = 0; id < 3; ++id) writers.emplace_back(id, directory.path());

    int acknowledged = 0;
    for (int round = 0; round < 6; ++round) {
        ServerProcess server(directory.path(), round == 0 ? disk + ":64M" : disk);
        expect_direct(server, directory.path() / "disk");
        NfsClient client(server.url());
        for (Writer& writer : writers) writer.judge(client);
        for (Writer& writer : writers) writer.start(server.url(), random());
        std::this_thread::sleep_for(std::chrono::milliseconds(100 + random() % 300));  // how long the load runs
        server.kill_now();
        for (Writer& writer : writers) acknowledged += writer.kill_and_take_notes();
    }
    ServerProcess server(directory.path(), disk);
    NfsClient client(server.url());
    for (Writer& writer : writers) writer.judge(client);
    EXPECT_GT(acknowledged, 50) << "there was load";
    RecordProperty("acknowledged_steps", acknowledged);
    EXPECT_NE(server.errors().find("recovered"), std::string::npos) << "the kills left something to recover";
}

}  // namespace
}  // namespace lockstep::server::test
