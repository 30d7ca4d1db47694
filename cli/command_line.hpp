// What a command's file declares its options with. Only command_line.cpp and main.cpp see CLI11: every file that
// includes it compiles all of it, which made half of the command's compile time.
#pragma once

#include <string>
#include <vector>

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace lockstep::cli {

class Command;

// An option, a flag or a positional argument that was declared; copied freely, valid as long as its CommandLine's
// CLI::App.
class Option {
 public:
    explicit Option(CLI::Option& option) : option_(&option) {}

    Option required();
    // Of a list: each use of the option takes one value, so that positional arguments may follow.
    Option repeatable();
    // The help tells what the variable holds now.
    Option shows_default();
    // One of these, whatever the case of its letters; the variable gets it as it is written here.
    Option one_of(std::vector<std::string> values);
    Option between(int least, int most);
    Option between(double least, double most);
    // Not together with these, which are declared already; a name as on the command line.
    Option excludes(const Option& other);
    Option excludes(const std::vector<std::string>& others);
    // In the help instead of the type.
    Option value_name(const std::string& name);

    bool operator==(const Option&) const = default;

 private:
    CLI::Option* option_;
};

// The command line of one command, to be declared.
class CommandLine {
 public:
    explicit CommandLine(CLI::App& app) : app_(app) {}
    CommandLine(const CommandLine&) = delete;
    CommandLine& operator=(const CommandLine&) = delete;

    // `name`: "--long", "-s,--long", or of a positional argument "name". `variable` is written when the command line is
    // read, and outlives that. T: one of those that command_line.cpp instantiates; a vector takes several values.
    template <class T>
    Option add_option(const std::string& name, T& variable, const std::string& help);
    Option add_flag(const std::string& name, bool& variable, const std::string& help);
    // What follows the first positional argument is positional, too, whatever it looks like.
    void positionals_at_end();
    // Behind the options in the help.
    void footer(const std::string& text);

 private:
    CLI::App& app_;
};

// As `lockstep COMMAND --help` prints it.
std::string help_of(const Command& command);

// "--help", "--json", …
std::vector<std::string> long_options_of(const Command& command);

}  // namespace lockstep::cli
