// A subcommand of `lockstep`: one .cpp file in cli/ that defines one Command at namespace scope; nothing else lists it.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "cli/command_line.hpp"

namespace lockstep::cli {

// What `lockstep` exits with (design, "What a run means").
enum ExitStatus : int { exit_ok = 0, exit_violated = 1, exit_could_not_run = 2, exit_inconclusive = 3 };

// Adds itself to the list of commands when constructed; construct only at namespace scope.
// `declare` declares the command's options and returns what runs when the command was chosen: it gives the
// exit status, writes results to stdout and logs to stderr. An exception that leaves it is printed as one line: exit
// status 2.
class Command {
 public:
    using Run = std::function<int()>;
    using Declare = std::function<Run(CommandLine&)>;

    Command(std::string name, std::string summary, Declare declare);

    static const std::vector<const Command*>& all();

    const std::string& name() const { return name_; }
    const std::string& summary() const { return summary_; }
    Run declare(CommandLine& command_line) const { return declare_(command_line); }

 private:
    std::string name_;
    std::string summary_;
    Declare declare_;
};

}  // namespace lockstep::cli
