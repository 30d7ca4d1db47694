// The supervisor of a guest: owns its machine, and passes commands and their output between the guest's serial line and
// the connections of `uml_guest run`, `kill`, `reboot` and `shutdown`.
//
//     uml_guest run ──socket──► supervisor ──serial line──► agent in the guest ──► command
#pragma once

#include <list>
#include <optional>
#include <string>
#include <vector>

#include "netns_harness/system.hpp"
#include "netns_harness/uml/channel.hpp"
#include "netns_harness/uml/machine.hpp"

namespace lockstep::uml {

// What a guest is told of itself at each boot.
struct GuestIdentity {
    std::string name;                    // its host name
    std::vector<std::string> addresses;  // IPv4 or IPv6 with prefix length, at least one
    std::string gateway;                 // of its default route; empty: none
    harness::milliseconds boot_limit{30'000};
};

// One thread. Throws harness::Error from its constructor only.
class Supervisor {
 public:
    // `listener`: from listen_in(). `stop`: readable when the guest shall lose its power and serve() return, such as a
    // signalfd.
    Supervisor(Machine& machine, GuestIdentity identity, harness::Fd listener, harness::Fd stop);

    // Boots, prints "ready NAME boot_ms=N" to standard output after each boot, serves; returns an exit status: 0 after
    // a shutdown or `stop`, 1 when the first boot failed, which it has said on standard error.
    int serve();

 private:
    enum class Power { off, booting, on, shutting_down };

    struct Client {
        Connection connection;
        std::uint32_t channel;
        std::optional<Frame> request;  // set once it has asked
        bool answered = false;         // it goes once everything is sent
    };

    void boot();
    void boot_failed(const std::string& why);
    void configure();
    void ready();
    void lose_power(const std::string& why);
    void machine_ended();

    void accept_client();
    void obey(Client& client);
    void pass_to_guest(const Client& client);
    void answer(Client& client, FrameKind kind, const std::string& text);
    void from_guest(const Frame& frame);
    void drop_finished_clients();
    void to_guest(const Frame& frame);
    std::string last_console_lines() const;
    int timeout_ms() const;
    void wait_and_work();

    Machine& machine_;
    GuestIdentity identity_;
    harness::Fd listener_;
    harness::Fd stop_;
    std::list<Client> clients_;  // a list: references stay valid while others come and go
    std::optional<Connection> line_;
    Power power_ = Power::off;
    harness::Clock::time_point boot_began_;
    std::uint32_t next_channel_ = 1;  // 0 is the supervisor's own
    std::optional<int> exit_status_;
    bool was_ready_ = false;
};

}  // namespace lockstep::uml
