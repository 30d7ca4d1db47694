// Runs a command for a reactor, possibly inside a watched process, which must not notice.
#pragma once

#include <chrono>
#include <string>
#include <utility>
#include <vector>

namespace lockstep::reactors {

struct ShellCommand {
    std::string script;                  // for /bin/sh -c
    std::vector<std::string> arguments;  // "$1", "$2", …: what must not be taken for shell syntax
    std::string input;                   // its standard input
    std::vector<std::pair<std::string, std::string>> environment;  // added to this process's
};

// Runs it to its end; its standard output and error are this process's standard error. It does not inherit LD_PRELOAD,
// nor the agent's socket. This process's own wait() does not see the child and gets no SIGCHLD, no handler of
// pthread_atfork runs, and no signal handler of the program runs in the child.
// Throws ReactorError when it cannot be started, exits with another status than 0 (128 + N: ended by signal N), or is
// not done after `limit`; it and what it started in its process group are then killed.
void run_command(const ShellCommand& command, std::chrono::milliseconds limit);

}  // namespace lockstep::reactors
