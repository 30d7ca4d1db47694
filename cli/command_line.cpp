#include "cli/command_line.hpp"

#include <CLI/CLI.hpp>

#include <cstdint>
#include <optional>

#include "cli/command.hpp"

namespace lockstep::cli {

Option Option::required() {
    return Option(*option_->required());
}

Option Option::repeatable() {
    return Option(*option_->allow_extra_args(false));
}

Option Option::shows_default() {
    return Option(*option_->capture_default_str());
}

Option Option::one_of(std::vector<std::string> values) {
    return Option(*option_->check(CLI::IsMember(std::move(values), CLI::ignore_case)));
}

Option Option::between(int least, int most) {
    return Option(*option_->check(CLI::Range(least, most)));
}

Option Option::between(double least, double most) {
    return Option(*option_->check(CLI::Range(least, most)));
}

Option Option::excludes(const Option& other) {
    return Option(*option_->excludes(other.option_));
}

Option Option::excludes(const std::vector<std::string>& others) {
    for (const std::string& name : others) option_->excludes(name);
    return *this;
}

Option Option::value_name(const std::string& name) {
    return Option(*option_->option_text(name));
}

template <class T>
Option CommandLine::add_option(const std::string& name, T& variable, const std::string& help) {
    return Option(*app_.add_option(name, variable, help));
}

template Option CommandLine::add_option(const std::string&, std::string&, const std::string&);
template Option CommandLine::add_option(const std::string&, std::vector<std::string>&, const std::string&);
template Option CommandLine::add_option(const std::string&, std::vector<int>&, const std::string&);
template Option CommandLine::add_option(const std::string&, std::uint32_t&, const std::string&);
template Option CommandLine::add_option(const std::string&, std::uint64_t&, const std::string&);
template Option CommandLine::add_option(const std::string&, std::optional<std::uint64_t>&, const std::string&);
template Option CommandLine::add_option(const std::string&, double&, const std::string&);

Option CommandLine::add_flag(const std::string& name, bool& variable, const std::string& help) {
    return Option(*app_.add_flag(name, variable, help));
}

void CommandLine::positionals_at_end() {
    app_.positionals_at_end();
}

void CommandLine::footer(const std::string& text) {
    app_.footer(text);
}

std::string help_of(const Command& command) {
    CLI::App app(command.summary(), "lockstep " + command.name());
    CommandLine command_line(app);
    command.declare(command_line);
    return app.help();
}

std::vector<std::string> long_options_of(const Command& command) {
    CLI::App app(command.summary(), command.name());
    CommandLine command_line(app);
    command.declare(command_line);
    std::vector<std::string> names;
    for (const CLI::Option* option : app.get_options())
        for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
    return names;
}

}  // namespace lockstep::cli
