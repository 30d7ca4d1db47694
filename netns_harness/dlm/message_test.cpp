#include "netns_harness/dlm/message.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "netns_harness/workloads/random.hpp"

extern "C" int lockstep_dlm_fuzz(const std::uint8_t* data, std::size_t size);

namespace lockstep::dlm {
namespace {

using Kind = Message::Kind;

TEST(DlmMessage, WhatIsWrittenIsReadAgain) {
    const Message messages[] = {
        {.kind = Kind::hello, .name = "client1/2"},
        {.kind = Kind::lock, .request = 4294967295, .name = "resource1", .mode = Mode::CW, .may_wait = true},
        {.kind = Kind::lock, .request = 0, .name = "r", .mode = Mode::EX},
        {.kind = Kind::cancel, .request = 7, .name = std::string(longest_name, 'r')},
        {.kind = Kind::unlock, .request = 8, .name = "r"},
        {.kind = Kind::granted, .request = 9},
        {.kind = Kind::refused, .request = 10, .reason = Message::Reason::deadlock},
        {.kind = Kind::released, .request = 11},
    };
    for (const Message& message : messages) {
        std::string line = to_line(message);
        ASSERT_EQ(line.back(), '\n');
        line.pop_back();
        EXPECT_EQ(parse_line(line), message) << line;
    }
}

TEST(DlmMessage, WhatIsNotExactlyAMessageIsNone) {
    for (const char* line : {"", " ", "hello", "hello ", "hello a b", "hello a ", "lock 1 r EX", "lock 1 r EX maybe",
                             "lock 1 r XX wait", "lock -1 r EX wait", "lock 01 r EX wait", "lock 4294967296 r EX wait",
                             "lock 1  EX wait", "refused 1", "refused 1 soon", "granted x", "granted 1 2", "grant 1"})
        EXPECT_FALSE(parse_line(line)) << '\'' << line << '\'';
    EXPECT_FALSE(parse_line("hello " + std::string(longest_name + 1, 'a')));
    EXPECT_FALSE(parse_line("hello a\tb"));
}

TEST(DlmMessage, LinesAreCutHoweverTheyArrive) {
    LineReader reader;
    reader.append("gran");
    EXPECT_FALSE(reader.next());
    reader.append("ted 1\nreleased 2\nx");
    EXPECT_EQ(reader.next(), "granted 1");
    EXPECT_EQ(reader.next(), "released 2");
    EXPECT_FALSE(reader.next());
    EXPECT_FALSE(reader.overflown());
    reader.append(std::string(longest_line, 'x'));
    EXPECT_TRUE(reader.overflown());
}

std::vector<std::string> corpus() {
    const std::filesystem::path root = std::getenv("LOCKSTEP_SOURCE_DIR");
    std::vector<std::string> texts;
    for (const auto& entry : std::filesystem::directory_iterator(root / "netns_harness" / "dlm" / "corpus")) {
        std::ifstream stream(entry.path(), std::ios::binary);
        texts.emplace_back(std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>());
    }
    std::ranges::sort(texts);
    return texts;
}

void fuzz(const std::string& text) {
    lockstep_dlm_fuzz(reinterpret_cast<const std::uint8_t*>(text.data()), text.size());
}

// What a compiler without libFuzzer can do: the corpus, and its lines cut, doubled, swapped and spoilt.
TEST(DlmMessage, GarbageEndsSessionsAndBreaksNothing) {
    const std::vector<std::string> texts = corpus();
    ASSERT_FALSE(texts.empty());
    for (const std::string& text : texts) fuzz(text);
    workloads::Random random(1, 1);
    for (int round = 0; round < 20'000; ++round) {
        std::string text = texts[random.below(texts.size())];
        for (std::uint64_t changes = random.below(6); changes > 0 && !text.empty(); --changes) {
            const std::size_t at = random.below(text.size());
            const std::string& other = texts[random.below(texts.size())];
            switch (random.below(4)) {
                case 0:
                    text[at] = static_cast<char>(random.next());
                    break;
                case 1:
                    text.erase(at, random.below(12));
                    break;
                case 2:
                    text.insert(at, other.substr(random.below(other.size()), random.below(40)));
                    break;
                default:
                    text.insert(at, text.substr(random.below(text.size()), random.below(40)));
                    break;
            }
        }
        fuzz(text);
    }
}

}  // namespace
}  // namespace lockstep::dlm
