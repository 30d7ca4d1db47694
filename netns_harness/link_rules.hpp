// What network faults do to the packets of one host: pure decisions, no sockets and no clock of its own.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "netns_harness/workloads/random.hpp"

namespace lockstep::harness {

using std::chrono::nanoseconds;

// An IPv4 address stands in the last four bytes, the others being 0; IPv6 fills all.
using IpAddress = std::array<std::uint8_t, 16>;

// Throws Error when `text` is no address.
IpAddress ip_address(const std::string& text);

struct Endpoints {
    IpAddress source{};
    IpAddress destination{};
};

// Sender and receiver of an Ethernet frame that carries IPv4, IPv6 or ARP; nothing for any other, or a cut-off one.
std::optional<Endpoints> endpoints_of(std::span<const std::uint8_t> frame);

// As seen from the host: what it sends, what it is sent.
enum class Direction : std::uint8_t { out, in };

// One fault in force on a host's link.
struct LinkRule {
    enum class Kind : std::uint8_t { cut, loss, delay, duplicate, reorder, bandwidth };
    std::uint64_t id = 0;
    Kind kind = Kind::cut;
    bool out = true;  // the directions that it concerns
    bool in = true;
    std::vector<IpAddress> peers;  // only packets between the host and these; empty: all packets
    unsigned percent = 100;        // of the packets: loss, duplicate, reorder
    nanoseconds delay{0};          // delay; reorder: by how much a packet falls behind
    nanoseconds jitter{0};         // delay: at most so much more or less, order kept
    std::uint64_t bits_per_second = 0;
};

// The rules of one host's link. One thread. Random choices come from the seed.
class LinkRules {
 public:
    explicit LinkRules(std::uint64_t seed) : random_(seed, 0) {}

    void add(const LinkRule& rule);
    // Ends the rule; returns how many packets it did something to.
    std::uint64_t remove(std::uint64_t id);
    bool empty() const { return rules_.empty(); }

    // When the frame is to be handed on, each time once: none if it is lost, two if it is doubled. `now` must not go
    // back.
    std::vector<nanoseconds> pass(std::span<const std::uint8_t> frame, Direction direction, nanoseconds now);

 private:
    struct InForce {
        LinkRule rule;
        std::uint64_t touched = 0;
        nanoseconds line_free[2] = {};  // by direction: bandwidth's line is busy until then; delay's last release
    };
    bool concerns(const LinkRule& rule, Direction direction, const std::optional<Endpoints>& ends) const;
    // Applies one rule to one copy; false: it is lost.
    bool apply(InForce& each, std::size_t bytes, Direction direction, nanoseconds now, nanoseconds& release,
               unsigned& copies);

    workloads::Random random_;
    std::vector<InForce> rules_;
};

}  // namespace lockstep::harness
