// The latest packets of a network namespace, kept in memory by a thread of its own.
#pragma once

#include <deque>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "reactors/pcapng.hpp"

namespace lockstep::reactors {

class PacketRing {
 public:
    // `net_ns`: the namespace's file (/run/netns/NAME, /proc/PID/ns/net), or empty: this process's. Keeps at most
    // `most_bytes`, the latest. Listens from the return on. Throws ReactorError: needs CAP_NET_RAW there, and
    // CAP_SYS_ADMIN for another's namespace.
    PacketRing(const std::string& net_ns, std::size_t most_bytes);
    ~PacketRing();
    PacketRing(const PacketRing&) = delete;
    PacketRing& operator=(const PacketRing&) = delete;

    // What is in the ring, oldest first. Any thread.
    std::vector<Packet> packets() const;
    // Since the ring was made. Any thread.
    PacketCounts counts();

 private:
    void listen();
    void receive();
    void keep(Packet packet);

    const std::size_t most_bytes_;
    int socket_ = -1;
    int stop_ = -1;
    mutable std::mutex mutex_;
    std::deque<Packet> packets_;
    std::size_t bytes_ = 0;
    PacketCounts counts_;
    std::thread thread_;
};

}  // namespace lockstep::reactors
