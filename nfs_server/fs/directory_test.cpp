#include "nfs_server/fs/directory.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <random>
#include <set>
#include <string>

#include "nfs_server/fs/reaper.hpp"
#include "nfs_server/fs/test_file_system.hpp"

namespace lockstep::server::fs {
namespace {

using test::TestFileSystem;
using test::TestOptions;
using txn::LockMode;

// The root directory, filled with files that have no data.
class Directory : public testing::Test {
 protected:
    explicit Directory(const TestOptions& options = {}) : fs_(options) {}

    Outcome<Inode*> lock_root(Operation& op, LockMode mode) { return op.lock_inode(root_inode, mode); }

    Outcome<std::uint64_t> add_in(Operation& op, const std::string& name) {
        LOCKSTEP_TRY(Inode * root, lock_root(op, LockMode::exclusive));
        LOCKSTEP_TRY(Inode * file, op.create_inode(FileType::regular));
        file->change().nlink = 1;
        LOCKSTEP_TRY(insert_entry(op, *root, name, file->number()));
        return file->number();
    }
    std::uint64_t add(const std::string& name) {
        return fs_.must([&](Operation& op) { return add_in(op, name); });
    }
    void remove(const std::string& name) {
        fs_.must([&](Operation& op) -> Outcome<void> {
            LOCKSTEP_TRY(Inode * root, lock_root(op, LockMode::exclusive));
            LOCKSTEP_TRY(const auto found, find_entry(op, *root, name));
            if (!found) return fail(Error(Error::not_found));
            LOCKSTEP_TRY(erase_entry(op, *root, *found));
            LOCKSTEP_TRY(Inode * file, op.lock_inode(found->inode, LockMode::exclusive));
            return drop_link(op, *file);
        });
    }
    std::optional<std::uint64_t> find(const std::string& name) {
        return fs_.must([&](Operation& op) -> Outcome<std::optional<std::uint64_t>> {
            LOCKSTEP_TRY(Inode * root, lock_root(op, LockMode::shared));
            LOCKSTEP_TRY(const auto found, find_entry(op, *root, name));
            return found ? std::optional(found->inode) : std::nullopt;
        });
    }
    // Names with their inodes behind a cookie, at most `limit`; and the cookie to go on with.
    std::map<std::string, std::uint64_t> list(std::uint64_t& cookie, std::size_t limit = ~0ul) {
        return fs_.must([&](Operation& op) -> Outcome<std::map<std::string, std::uint64_t>> {
            std::map<std::string, std::uint64_t> names;
            LOCKSTEP_TRY(Inode * root, lock_root(op, LockMode::shared));
            LOCKSTEP_TRY(list_entries(op, *root, cookie, [&](const DirectoryEntry& entry) {
                if (names.size() == limit) return false;
                EXPECT_TRUE(names.emplace(entry.name, entry.inode).second);
                EXPECT_GT(entry.key, cookie);
                cookie = entry.key;
                return true;
            }));
            return names;
        });
    }
    InodeRecord root() {
        return fs_.must([&](Operation& op) -> Outcome<InodeRecord> {
            LOCKSTEP_TRY(Inode * inode, lock_root(op, LockMode::shared));
            return **inode;
        });
    }
    // Random insertions and removals, with listings and remounts in between, against a std::map.
    void compare_with_map(unsigned seed, int steps, std::size_t typical_size, std::size_t max_name) {
        std::mt19937 random(seed);
        std::map<std::string, std::uint64_t> model;
        for (int step = 0; step < steps; ++step) {
            SCOPED_TRACE(fmt::format("seed {} step {}", seed, step));
            if (model.size() < 2 || random() % (2 * typical_size) > model.size()) {
                std::string name(1 + random() % max_name, static_cast<char>('a' + random() % 26));
                name = std::to_string(random() % 100'000) + name;
                name.resize(std::min(name.size(), max_name_bytes));
                if (model.contains(name)) continue;
                model[name] = add(name);
            } else {
                auto victim = std::next(model.begin(), static_cast<std::ptrdiff_t>(random() % model.size()));
                remove(victim->first);
                model.erase(victim);
            }
            if (step % 100 != 0) continue;
            if (step % 500 == 0) fs_.remount();
            std::uint64_t cookie = 2;
            ASSERT_EQ(list(cookie), model);
            ASSERT_EQ(root().entries, model.size());
            fs_.expect_sound();
        }
        while (!model.empty()) {
            remove(model.begin()->first);
            model.erase(model.begin());
        }
        EXPECT_EQ(root().blocks, 0u);
        fs_.expect_sound();
    }

    TestFileSystem fs_;
};

TEST_F(Directory, FindsWhatWasInsertedAndNothingElse) {
    const auto one = add("one");
    const auto two = add("two");
    EXPECT_EQ(find("one"), one);
    EXPECT_EQ(find("two"), two);
    EXPECT_EQ(find("three"), std::nullopt);
    EXPECT_EQ(find("on"), std::nullopt);
    remove("one");
    EXPECT_EQ(find("one"), std::nullopt);
    EXPECT_EQ(find("two"), two);
    fs_.expect_sound();
}

TEST_F(Directory, AnEmptyDirectoryOwnsNoBlock) {
    EXPECT_EQ(root().blocks, 0u);
    add("one");
    EXPECT_EQ(root().blocks, 1u);
    remove("one");
    EXPECT_EQ(root().blocks, 0u);
}

TEST_F(Directory, NamesOfEveryLengthAndByteAreKept) {
    std::map<std::string, std::uint64_t> model;
    for (std::size_t length = 1; length <= max_name_bytes; ++length) {
        std::string name(length, '\xff');
        name.back() = static_cast<char>(length == '/' ? 1 : length);
        model[name] = add(name);
    }
    std::uint64_t cookie = 2;
    EXPECT_EQ(list(cookie), model);
    fs_.expect_sound();
}

TEST_F(Directory, BehavesLikeAMapUnderRandomChange) {
    compare_with_map(11, 3000, 300, 30);
}

TEST_F(Directory, BehavesLikeAMapWithLongNames) {
    compare_with_map(12, 1500, 400, 240);
}

class CollidingDirectory : public Directory {
 protected:
    CollidingDirectory() : Directory({.format = {.name_hash_bits = 3, .seed = 2}}) {}
};

TEST_F(CollidingDirectory, NamesWithEqualHashesAreToldApart) {
    compare_with_map(13, 2000, 300, 30);
}

TEST_F(CollidingDirectory, TwoHundredFiftySevenEqualHashesAreRefused) {
    const auto& superblock = fs_->volume().superblock;
    const std::uint64_t hash = key_of_name(superblock, "0");
    int added = 0;
    for (int i = 0; added <= 256; ++i) {
        const std::string name = std::to_string(i);
        if (key_of_name(superblock, name) != hash) continue;
        if (added == 256) {
            EXPECT_EQ(fs_.error_of([&](Operation& op) { return add_in(op, name); }), Error::no_space);
            EXPECT_EQ(find(name), std::nullopt);
        } else {
            add(name);
        }
        ++added;
    }
    fs_.expect_sound();
}

TEST_F(Directory, AListingInPartsSeesWhatStaysExactlyOnceWhateverChanges) {
    std::mt19937 random(21);
    std::set<std::string> staying;
    std::vector<std::string> coming_and_going;
    for (int i = 0; i < 1500; ++i) {
        add(fmt::format("stays {}", i));
        staying.insert(fmt::format("stays {}", i));
    }
    std::multiset<std::string> seen;
    std::uint64_t cookie = 2;
    for (int part = 0;; ++part) {
        const auto names = list(cookie, 40);
        if (names.empty()) break;
        for (const auto& [name, inode] : names) seen.insert(name);
        // Enough to split and to join many nodes.
        for (int i = 0; i < 60; ++i) {
            const std::string name = fmt::format("passes {} {}", part, i);
            add(name);
            coming_and_going.push_back(name);
        }
        while (coming_and_going.size() > 100) {
            const std::size_t victim = random() % coming_and_going.size();
            remove(coming_and_going[victim]);
            coming_and_going.erase(coming_and_going.begin() + static_cast<std::ptrdiff_t>(victim));
        }
    }
    for (const std::string& name : staying) EXPECT_EQ(seen.count(name), 1u) << name;
    for (const std::string& name : seen) EXPECT_EQ(seen.count(name), 1u) << name;
    fs_.expect_sound();
}

// As many names as LOCKSTEP_LARGE_DIRECTORY says; a hundred thousand, unless told otherwise; fewer where each costs
// thirty times as much.
class LargeDirectory : public Directory {
 protected:
    LargeDirectory()
        : Directory({.size_blocks = names() * 2 / 3, .format = {.inode_count = names() + names() / 10, .seed = 3}}) {}
    static std::uint64_t names() {
        const char* told = std::getenv("LOCKSTEP_LARGE_DIRECTORY");
#ifdef __SANITIZE_THREAD__
        constexpr std::uint64_t many = 10'000;
#else
        constexpr std::uint64_t many = 100'000;
#endif
        return told != nullptr ? std::stoull(told) : many;
    }
};

TEST_F(LargeDirectory, OfAHundredThousandNamesOrAMillionEachCostsAFewNodes) {
    const int count = static_cast<int>(names());
    constexpr int batch = 20;
    std::uint64_t most_nodes = 0;
    for (int first = 0; first < count; first += batch) {
        fs_.must([&](Operation& op) -> Outcome<void> {
            for (int i = first; i < first + batch; ++i) {
                LOCKSTEP_TRY(add_in(op, fmt::format("a file with the number {}", i)));
            }
            return {};
        });
    }
    for (int i = 0; i < count; i += 97) {
        most_nodes = std::max(most_nodes, fs_.must([&](Operation& op) -> Outcome<std::uint64_t> {
            LOCKSTEP_TRY(Inode * directory, lock_root(op, LockMode::shared));
            LOCKSTEP_TRY(const auto found, find_entry(op, *directory, fmt::format("a file with the number {}", i)));
            EXPECT_TRUE(found.has_value());
            return op.nodes_read();
        }));
    }
    // Three levels hold them, four hold millions; a look-up at the right end of a leaf looks into the next one, too.
    EXPECT_LE(root().height, count > 500'000 ? 3 : 2);
    EXPECT_LE(most_nodes, 2u * (root().height + 1u));
    EXPECT_EQ(root().entries, static_cast<std::uint64_t>(count));
    fs_.expect_sound();
}

}  // namespace
}  // namespace lockstep::server::fs
