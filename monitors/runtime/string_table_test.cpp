#include "monitors/runtime/string_table.hpp"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <thread>
#include <vector>

namespace lockstep::monitors {
namespace {

TEST(StringTable, RemembersWhatAHashStoodFor) {
    StringTable table;
    const std::uint64_t hash = table.intern("host/17");
    EXPECT_EQ(hash, table.intern(std::string("host/17").c_str()));
    EXPECT_STREQ("host/17", table.text_of(hash));
    EXPECT_EQ(nullptr, table.text_of(hash + 1));
}

TEST(StringTable, TheEmptyStringAndNoStringAreZero) {
    StringTable table;
    EXPECT_EQ(0u, table.intern(""));
    EXPECT_EQ(0u, table.intern(nullptr));
    EXPECT_STREQ("", table.text_of(0));
}

TEST(StringTable, StringsThatDifferAnywhereHaveDifferentHashes) {
    std::set<std::uint64_t> hashes;
    std::string text(100, 'a');
    hashes.insert(hash_string(text.data(), text.size()));
    for (std::size_t i = 0; i < text.size(); ++i) {
        std::string other = text;
        other[i] = 'b';
        hashes.insert(hash_string(other.data(), other.size()));
        hashes.insert(hash_string(text.data(), i));
    }
    EXPECT_EQ(201u, hashes.size());
}

TEST(StringTable, OfALongStringTheBeginningIsKept) {
    StringTable table;
    const std::string text(200, 'x');
    EXPECT_EQ(std::string(StringTable::text_bytes, 'x'), table.text_of(table.intern(text.c_str())));
    EXPECT_EQ(0u, table.collisions());
}

TEST(StringTable, GoesOnHashingWhenItIsFull) {
    StringTable table;
    for (std::size_t i = 0; i < StringTable::capacity * 2; ++i) table.intern(("name" + std::to_string(i)).c_str());
    EXPECT_EQ(hash_string("another", 7), table.intern("another"));
}

TEST(StringTable, ThreadsThatInternTheSameStringsAgree) {
    StringTable table;
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t)
        threads.emplace_back([&table] {
            for (int i = 0; i < 2000; ++i) {
                const std::string text = "owner" + std::to_string(i);
                const char* known = table.text_of(table.intern(text.c_str()));
                EXPECT_TRUE(known == nullptr || text == known);
            }
        });
    for (auto& thread : threads) thread.join();
    EXPECT_EQ(0u, table.collisions());
}

}  // namespace
}  // namespace lockstep::monitors
