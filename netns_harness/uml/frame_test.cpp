#include "netns_harness/uml/frame.hpp"

#include <gtest/gtest.h>

#include <cstring>

namespace lockstep::uml {
namespace {

TEST(UmlFrame, ComesBackWholeWhenItsBytesArriveOneByOne) {
    const Frame first{7, FrameKind::output, std::string("a\0b\xff", 4)};
    const Frame second{8, FrameKind::exited, "0"};
    FrameParser parser;
    std::vector<Frame> frames;
    for (const char byte : encode(first) + encode(second)) {
        parser.feed({&byte, 1});
        while (auto frame = parser.next()) frames.push_back(*frame);
    }
    EXPECT_EQ(frames, (std::vector<Frame>{first, second}));
    EXPECT_FALSE(parser.broken());
}

TEST(UmlFrame, SeveralFramesInOnePieceAreAllFound) {
    FrameParser parser;
    std::string bytes;
    for (std::uint32_t channel = 0; channel < 100; ++channel) bytes += encode({channel, FrameKind::output, "x"});
    parser.feed(bytes);
    for (std::uint32_t channel = 0; channel < 100; ++channel) {
        const auto frame = parser.next();
        ASSERT_TRUE(frame);
        EXPECT_EQ(frame->channel, channel);
    }
    EXPECT_FALSE(parser.next());
}

TEST(UmlFrame, ABodyOfTheLimitPassesAndOneByteMoreBreaksTheStreamForEver) {
    FrameParser parser;
    parser.feed(encode({1, FrameKind::output, std::string(frame_body_limit, 'x')}));
    EXPECT_TRUE(parser.next());

    parser.feed(encode({1, FrameKind::output, std::string(frame_body_limit + 1, 'x')}));
    EXPECT_FALSE(parser.next());
    EXPECT_TRUE(parser.broken());
    parser.feed(encode({1, FrameKind::output, "good"}));
    EXPECT_FALSE(parser.next());
}

TEST(UmlFrame, ArgumentsKeepSpacesAndEmptyOnes) {
    const std::vector<std::string> arguments{"sh", "-c", "echo  'a b'", "", "end"};
    EXPECT_EQ(split_arguments(join_arguments(arguments)), arguments);
    EXPECT_TRUE(split_arguments("").empty());
}

}  // namespace
}  // namespace lockstep::uml
