// What network faults do to packets: each kind, each direction, and only to those that it concerns.
#include "netns_harness/link_rules.hpp"

#include <gtest/gtest.h>

#include <map>

#include "netns_harness/system.hpp"

namespace lockstep::harness {
namespace {

using std::chrono::microseconds;
using Frame = std::vector<std::uint8_t>;

// An Ethernet frame with the addresses of an IPv4 header and `size` bytes in all.
Frame ipv4(const std::string& source, const std::string& destination, std::size_t size = 100) {
    Frame frame(size, 0);
    frame[12] = 0x08;
    const IpAddress from = ip_address(source), to = ip_address(destination);
    std::copy(from.begin() + 12, from.end(), frame.begin() + 26);
    std::copy(to.begin() + 12, to.end(), frame.begin() + 30);
    return frame;
}

LinkRule rule(LinkRule::Kind kind, unsigned percent = 100) {
    LinkRule made;
    made.id = 1;
    made.kind = kind;
    made.percent = percent;
    return made;
}

const Frame to_server = ipv4("10.0.0.2", "10.0.0.1");
const Frame from_server = ipv4("10.0.0.1", "10.0.0.2");

TEST(Endpoints, AreReadFromIpv4Ipv6AndArpAndNotFromFragmentsOfFrames) {
    EXPECT_EQ(endpoints_of(to_server)->source, ip_address("10.0.0.2"));
    EXPECT_EQ(endpoints_of(to_server)->destination, ip_address("10.0.0.1"));
    Frame six(54, 0);
    six[12] = 0x86;
    six[13] = 0xdd;
    six[22] = six[38] = 0xfd;
    six[37] = 2;
    six[53] = 1;
    EXPECT_EQ(endpoints_of(six)->source, ip_address("fd00::2"));
    EXPECT_EQ(endpoints_of(six)->destination, ip_address("fd00::1"));
    Frame arp(42, 0);
    arp[12] = 0x08;
    arp[13] = 0x06;
    arp[28] = arp[38] = 10;
    arp[31] = 2;
    arp[41] = 1;
    EXPECT_EQ(endpoints_of(arp)->source, ip_address("10.0.0.2"));
    EXPECT_EQ(endpoints_of(arp)->destination, ip_address("10.0.0.1"));
    for (const Frame& whole : {to_server, six, arp})
        for (std::size_t size = 0; size < 34; ++size)
            EXPECT_FALSE(endpoints_of(std::span(whole).first(size))) << size << " bytes";
    EXPECT_FALSE(endpoints_of(Frame(100, 0)));
}

TEST(LinkRules, WithoutRulesAFramePassesAtOnce) {
    LinkRules rules(1);
    EXPECT_EQ(rules.pass(to_server, Direction::out, microseconds(5)), std::vector<nanoseconds>{microseconds(5)});
}

TEST(LinkRules, ACutConcernsItsPeersAndItsDirection) {
    LinkRules rules(1);
    LinkRule cut = rule(LinkRule::Kind::cut);
    cut.peers = {ip_address("10.0.0.1")};
    cut.in = false;
    rules.add(cut);
    EXPECT_TRUE(rules.pass(to_server, Direction::out, nanoseconds(1)).empty());
    EXPECT_EQ(rules.pass(from_server, Direction::in, nanoseconds(2)).size(), 1U) << "the other way is open";
    EXPECT_EQ(rules.pass(ipv4("10.0.0.2", "10.0.0.3"), Direction::out, nanoseconds(3)).size(), 1U) << "another peer";
    EXPECT_EQ(rules.remove(1), 1U) << "one packet was touched";
    EXPECT_EQ(rules.pass(to_server, Direction::out, nanoseconds(4)).size(), 1U);
}

TEST(LinkRules, ACutWithoutPeersStopsWhatHasNoAddressToo) {
    LinkRules rules(1);
    rules.add(rule(LinkRule::Kind::cut));
    EXPECT_TRUE(rules.pass(Frame(20, 0), Direction::in, nanoseconds(1)).empty());
}

// How many of 10,000 frames come so many times.
std::map<std::size_t, int> copies(const LinkRule& tried, std::uint64_t seed) {
    LinkRules rules(seed);
    rules.add(tried);
    std::map<std::size_t, int> counts;
    for (int i = 0; i < 10'000; ++i) ++counts[rules.pass(to_server, Direction::out, microseconds(i)).size()];
    return counts;
}

TEST(LinkRules, LossAndDuplicationStrikeAsOftenAsAskedAndFollowFromTheSeed) {
    const auto lost = copies(rule(LinkRule::Kind::loss, 20), 1);
    EXPECT_NEAR(lost.at(0), 2000, 200);
    EXPECT_EQ(lost, copies(rule(LinkRule::Kind::loss, 20), 1));
    EXPECT_NE(lost, copies(rule(LinkRule::Kind::loss, 20), 2));
    EXPECT_NEAR(copies(rule(LinkRule::Kind::duplicate, 5), 1).at(2), 500, 120);
}

// When a thousand frames, a millisecond apart, come out.
std::vector<nanoseconds> releases(const LinkRule& tried) {
    LinkRules rules(1);
    rules.add(tried);
    std::vector<nanoseconds> times;
    for (int i = 0; i < 1000; ++i) times.push_back(rules.pass(to_server, Direction::out, milliseconds(i)).at(0));
    return times;
}

TEST(LinkRules, DelayKeepsTheOrderWhateverTheJitter) {
    LinkRule delay = rule(LinkRule::Kind::delay);
    delay.delay = milliseconds(10);
    delay.jitter = milliseconds(5);
    nanoseconds last{0}, now{0};
    bool differs = false;
    for (const nanoseconds release : releases(delay)) {
        EXPECT_GE(release, now + milliseconds(5));
        EXPECT_GE(release, last);
        EXPECT_LE(release, std::max(last, nanoseconds(now + milliseconds(15))));
        differs = differs || release - now != nanoseconds(milliseconds(10));
        last = release;
        now += milliseconds(1);
    }
    EXPECT_TRUE(differs);
}

TEST(LinkRules, ReorderedFramesFallBehindLaterOnes) {
    LinkRule reorder = rule(LinkRule::Kind::reorder, 30);
    reorder.delay = milliseconds(5);
    int overtaken = 0;
    nanoseconds last{0};
    for (const nanoseconds release : releases(reorder)) {
        overtaken += release < last ? 1 : 0;
        last = release;
    }
    EXPECT_GT(overtaken, 100);
}

TEST(LinkRules, BandwidthSpacesFramesAndLosesWhatTheQueueDoesNotHold) {
    LinkRules rules(1);
    LinkRule slow = rule(LinkRule::Kind::bandwidth);
    slow.bits_per_second = 1'000'000;
    rules.add(slow);
    const Frame frame = ipv4("10.0.0.2", "10.0.0.1", 1250);  // 10 ms on the line
    EXPECT_EQ(rules.pass(frame, Direction::out, nanoseconds(0)).at(0), milliseconds(10));
    EXPECT_EQ(rules.pass(frame, Direction::out, nanoseconds(0)).at(0), milliseconds(20));
    EXPECT_EQ(rules.pass(frame, Direction::in, nanoseconds(0)).at(0), milliseconds(10)) << "a line each way";
    int passed = 2;
    while (!rules.pass(frame, Direction::out, nanoseconds(0)).empty()) ++passed;
    EXPECT_EQ(passed, 21) << "200 ms of them wait, and one is on the line";
    EXPECT_EQ(rules.pass(frame, Direction::out, milliseconds(500)).at(0), milliseconds(510)) << "the queue ran empty";
}

TEST(IpAddressText, WhatIsNoneIsRefused) {
    EXPECT_THROW(ip_address("10.0.0"), Error);
}

}  // namespace
}  // namespace lockstep::harness
