#include "netns_harness/link_rules.hpp"

#include <arpa/inet.h>
#include <net/ethernet.h>

#include <algorithm>
#include <cstring>

#include "netns_harness/system.hpp"

namespace lockstep::harness {
namespace {

// A queue in front of a slow line holds this much; what comes beyond it is lost, as in a router.
constexpr nanoseconds longest_queue = std::chrono::milliseconds(200);

IpAddress copied(const std::uint8_t* bytes, std::size_t size) {
    IpAddress address{};
    std::memcpy(address.data() + address.size() - size, bytes, size);
    return address;
}

}  // namespace

IpAddress ip_address(const std::string& text) {
    std::uint8_t bytes[16];
    if (inet_pton(AF_INET, text.c_str(), bytes) == 1) return copied(bytes, 4);
    if (inet_pton(AF_INET6, text.c_str(), bytes) == 1) return copied(bytes, 16);
    throw Error("not an address: " + text);
}

std::optional<Endpoints> endpoints_of(std::span<const std::uint8_t> frame) {
    constexpr std::size_t header = 14;
    struct Layout {
        std::uint16_t type;
        std::size_t source, destination, size;
    };
    constexpr Layout layouts[] = {{ETHERTYPE_IP, header + 12, header + 16, 4},
                                  {ETHERTYPE_IPV6, header + 8, header + 24, 16},
                                  {ETHERTYPE_ARP, header + 14, header + 24, 4}};
    if (frame.size() < header) return std::nullopt;
    const auto type = static_cast<std::uint16_t>(frame[12] << 8U | frame[13]);
    for (const Layout& layout : layouts)
        if (layout.type == type && frame.size() >= layout.destination + layout.size)
            return Endpoints{copied(&frame[layout.source], layout.size),
                             copied(&frame[layout.destination], layout.size)};
    return std::nullopt;
}

void LinkRules::add(const LinkRule& rule) {
    rules_.push_back({.rule = rule});
}

std::uint64_t LinkRules::remove(std::uint64_t id) {
    std::uint64_t touched = 0;
    std::erase_if(rules_, [&](const InForce& each) {
        if (each.rule.id == id) touched = each.touched;
        return each.rule.id == id;
    });
    return touched;
}

bool LinkRules::concerns(const LinkRule& rule, Direction direction, const std::optional<Endpoints>& ends) const {
    if (direction == Direction::out ? !rule.out : !rule.in) return false;
    if (rule.peers.empty()) return true;
    if (!ends) return false;
    const IpAddress& peer = direction == Direction::out ? ends->destination : ends->source;
    return std::ranges::find(rule.peers, peer) != rule.peers.end();
}

bool LinkRules::apply(InForce& each, std::size_t bytes, Direction direction, nanoseconds now, nanoseconds& release,
                      unsigned& copies) {
    const LinkRule& rule = each.rule;
    nanoseconds& line_free = each.line_free[static_cast<std::size_t>(direction)];
    const bool struck = rule.percent >= 100 || random_.below(100) < rule.percent;
    switch (rule.kind) {
        case LinkRule::Kind::cut:
            ++each.touched;
            return false;
        case LinkRule::Kind::loss:
            each.touched += struck ? 1 : 0;
            return !struck;
        case LinkRule::Kind::duplicate:
            each.touched += struck ? 1 : 0;
            copies += struck ? 1 : 0;
            return true;
        case LinkRule::Kind::reorder:
            each.touched += struck ? 1 : 0;
            if (struck) release += rule.delay;
            return true;
        case LinkRule::Kind::delay: {
            ++each.touched;
            const auto spread = static_cast<std::uint64_t>(2 * rule.jitter.count() + 1);
            const nanoseconds moved = rule.delay - rule.jitter + nanoseconds(random_.below(spread));
            release = std::max(release + std::max(moved, nanoseconds(0)), line_free);  // what came first goes first
            line_free = release;
            return true;
        }
        case LinkRule::Kind::bandwidth: {
            ++each.touched;
            const auto on_the_line = nanoseconds(bytes * 8 * std::uint64_t{1'000'000'000} /
                                                 std::max<std::uint64_t>(rule.bits_per_second, 1));
            const nanoseconds begin = std::max(release, line_free);
            if (begin - now > longest_queue) return false;
            release = line_free = begin + on_the_line;
            return true;
        }
    }
    return true;
}

std::vector<nanoseconds> LinkRules::pass(std::span<const std::uint8_t> frame, Direction direction, nanoseconds now) {
    const std::optional<Endpoints> ends = rules_.empty() ? std::nullopt : endpoints_of(frame);
    nanoseconds release = now;
    unsigned copies = 1;
    for (InForce& each : rules_)
        if (concerns(each.rule, direction, ends) && !apply(each, frame.size(), direction, now, release, copies))
            return {};
    return std::vector<nanoseconds>(copies, release);
}

}  // namespace lockstep::harness
