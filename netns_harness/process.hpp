// A process that the harness starts on a host, watches, and ends; its output goes to files.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "netns_harness/network.hpp"
#include "netns_harness/system.hpp"

namespace lockstep::harness {

using Environment = std::map<std::string, std::string>;

struct Command {
    std::string name;                    // for messages and for the names of the log files
    std::filesystem::path program;       // a path, not looked up
    std::vector<std::string> arguments;  // without the program's name
    Environment environment;             // in addition to ours
    bool gated = false;                  // give it a pipe as standard input, for open_gate(); else /dev/null
    // Gated by a descriptor of its own instead, whose number this variable tells it; empty: not so.
    std::string gate_variable{};
};

// How a process ended: an exit status or the signal that killed it.
struct Ended {
    int exit_status = 0;
    int signal = 0;
    bool well() const { return exit_status == 0 && signal == 0; }
    std::string text() const;  // "exit status 3", "killed by signal 9 (Killed)"
};

// Owns a running process and its process group: when it goes, the group is killed and the process waited for.
// One thread at a time; the starting thread must live as long as the process (PR_SET_PDEATHSIG counts by thread).
class Process {
 public:
    // Starts `command` in the network namespace of `host`, as leader of a process group of its own, its output in
    // LOGS/NAME.out and LOGS/NAME.err. Throws Error that says which step failed.
    Process(const Command& command, const Host& host, const std::filesystem::path& logs);
    Process(const Process&) = delete;
    Process& operator=(const Process&) = delete;
    ~Process();

    const std::string& name() const { return name_; }
    pid_t pid() const { return pid_; }

    // Readable once the process has ended: for poll(). -1 from when ended() has said so.
    int end_fd() const { return pidfd_.get(); }

    // How it ended, when it has.
    std::optional<Ended> ended();

    // Waits until it has ended; nothing when `deadline` comes first.
    std::optional<Ended> wait(Clock::time_point deadline);

    // Waits until a line of its output begins with `prefix`, and returns the line. Throws Error with its last lines of
    // output when it ends before, or when `deadline` comes.
    std::string wait_for_line(std::string_view prefix, Clock::time_point deadline);

    // Ends what a gated program waits for: it goes on.
    void open_gate() { gate_.reset(); }

    // Sends a signal to the process alone. Nothing when it has ended.
    void signal(int number);

    // SIGTERM, then SIGKILL for the group after `grace`; waits. Returns how it ended.
    Ended stop(milliseconds grace);

    // The last lines of its output and errors, for a message; empty when it said nothing.
    std::string last_lines(std::size_t count = 10) const;

    const std::filesystem::path& out_path() const { return out_path_; }
    const std::filesystem::path& err_path() const { return err_path_; }

 private:
    std::string name_;
    std::filesystem::path out_path_;
    std::filesystem::path err_path_;
    pid_t pid_ = -1;
    Fd pidfd_;
    Fd gate_;
    std::optional<Ended> ended_;
};

}  // namespace lockstep::harness
