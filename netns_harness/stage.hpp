// The programs of a run, each on its host: started, and by faults killed, suspended and started again. It knows who is
// gone on purpose; what went wrong by itself becomes a problem of the result.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "netns_harness/call_times.hpp"
#include "netns_harness/network.hpp"
#include "netns_harness/run.hpp"
#include "netns_harness/shim_control.hpp"

namespace lockstep::harness {

// One server or client and its lives: each start is a process of its own, with logs of its own (NAME.out, then
// NAME.2.out, …). Faults that keep it down, or suspended, are counted: it comes back when the last is over.
struct Program {
    std::string name;
    const ServerPlan* server = nullptr;  // exactly one of both
    const ClientPlan* client = nullptr;
    std::uint64_t number = 0;  // of clients, from 1
    const Host* host = nullptr;
    struct Life {
        std::unique_ptr<Process> process;
        bool ended_on_purpose = false;
        std::uint64_t disk_failures_before = 0;  // of its disk, brought about
    };
    std::vector<Life> lives;
    unsigned down = 0;       // faults that keep it down
    unsigned suspended = 0;  // faults that keep it stopped
    bool to_be_revived = false;
    std::unique_ptr<Shim> shim{};  // of servers whose disk or clock a fault befalls

    Process& process() const { return *lives.back().process; }
    bool runs() const { return !lives.empty() && !lives.back().process->ended(); }
    bool is_command() const { return client != nullptr && client->workload.empty(); }
};

// One thread. Borrows everything.
class Stage {
 public:
    Stage(const RunOptions& options, Observer& observer, RunResult& result);

    void make_hosts();
    // Returns when every server is ready. Throws Error.
    void start_servers();
    // The clients are at their gates when it returns. Throws Error.
    void start_clients();
    void open_gates();

    // Faults. Each is undone by its opposite; a program that has ended by itself stays so.
    void kill(const std::string& name);
    void terminate(const std::string& name);
    void revive(const std::string& name);  // after either
    // As kill(), of a server, whose disk loses what a disk may lose. Returns how many sectors.
    std::uint64_t cut_power(const std::string& name);
    void suspend(const std::string& name);
    void resume(const std::string& name);

    // Faults of the host's link with `peers`, with all when it is empty; rule.id names it.
    void add_link_fault(const std::string& name, LinkRule rule, const std::vector<std::string>& peers);
    // Returns how many packets it did something to.
    std::uint64_t remove_link_fault(const std::string& name, std::uint64_t id);
    // Returns how many.
    std::uint64_t reset_connections(const std::string& name, const std::vector<std::string>& peers);

    // Faults of a server's disk and clock, and their opposite. Both return how many operations the shim made go wrong
    // in that way so far.
    std::uint64_t add_shim_fault(const std::string& name, const ShimFault& fault);
    std::uint64_t remove_shim_fault(const std::string& name, const ShimFault& fault);

    // A server that died and was not killed by a fault: what to say of it.
    std::optional<std::string> dead_server() const;
    // Every client has ended and none will be started again. nobody_comes_back: the time for that is over.
    bool clients_are_done(bool nobody_comes_back) const;
    // The work is over: a client that is down stays so, when the fault that keeps it down ends.
    void keep_clients_away() { clients_stay_away_ = true; }
    // Ends the commands that go on although the work is over: they have done what they were asked to.
    void end_commands();
    // Whether the clients write down how long their calls take.
    bool makes_timed_calls() const;
    // The clients of workloads work once more, for so long; returns how many calls a second were answered. What they
    // find is not looked at. Throws Error when one does not begin or end.
    double work_unjudged(milliseconds duration);
    // Ends clients that have not ended by themselves. `excused`: something else stopped the run.
    void stop_clients(bool excused);
    void stop_servers();

    // Reads the clients' last words into the result.
    Counting take_summaries(FiredCounts& fired);

    // Servers that run now: their names, the number of their life, their process.
    struct RunningServer {
        std::string name;
        std::uint64_t life;
        pid_t pid;
    };
    std::vector<RunningServer> running_servers() const;

    // What the workloads' clients wrote down of their calls, in all their lives.
    CallIntervals take_call_times() const;

    // Descriptors that become readable when a program ends.
    std::vector<int> end_fds() const;

 private:
    Program& find(const std::string& name);
    const Host& add_host(const std::string& name);
    std::unique_ptr<Shim> make_shim(const ServerPlan& plan) const;
    std::vector<IpAddress> addresses_of(const std::vector<std::string>& hosts, const std::string& but);
    void start(Program& program);
    void end_by_fault(Program& program);
    void judge_end(const Program& server, const Ended& how);
    std::string ready_line(const Program& client) const;
    void wait_until_server_is_ready(Program& program);
    void take_summary(const std::string& name, ClientResult& client, const std::string& line, FiredCounts& fired);
    void add_problem(const std::string& problem) { result_.problems.push_back(problem); }

    const RunOptions& options_;
    const Scenario& scenario_;
    Observer& observer_;
    RunResult& result_;
    Network network_;
    std::unique_ptr<Process> portmapper_;  // of a server that kernels mount
    std::vector<Program> servers_;
    std::vector<Program> clients_;
    workloads::Random random_;
    unsigned unjudged_lives_ = 0;
    bool clients_stay_away_ = false;
    std::optional<Clock::time_point> opened_;  // when the gates were
};

}  // namespace lockstep::harness
