// A program that this command starts: held before it begins, handed the signals that are meant for it, waited for.
#pragma once

#include <sys/types.h>

#include <map>
#include <string>
#include <vector>

namespace lockstep::cli {

class StartedProgram {
 public:
    // `environment`: added to ours. Nothing runs before begin(); what the child needs is done before it, so threads may
    // be started in between. Throws std::runtime_error.
    StartedProgram(std::vector<std::string> command, const std::map<std::string, std::string>& environment);
    // Kills it when it was not reaped.
    ~StartedProgram();
    StartedProgram(const StartedProgram&) = delete;
    StartedProgram& operator=(const StartedProgram&) = delete;

    // It becomes the command. Throws std::runtime_error that says why it can't.
    void begin();

    // Whether it has ended within that time.
    bool ended_within(int time_ms) const;

    // Its wait status, when it has ended.
    int reap();

 private:
    [[noreturn]] void become(int failure) const;

    std::vector<std::string> command_;
    std::vector<std::string> environment_;
    pid_t pid_ = -1;
    int gate_ = -1;
    int failure_ = -1;
    int end_ = -1;
};

// Whatever signal we are asked to end by is the program's to answer, from now on; then we judge.
void hand_signals_on();

// The libraries, then those that are preloaded already, as LD_PRELOAD takes them.
std::string preload_list(const std::vector<std::string>& libraries);

// "exit status 1", "signal 9 (Killed)".
std::string text_of_end(int wait_status);

}  // namespace lockstep::cli
