// lockstep simulate FILE: the automaton run by hand, or by a file of events.
#include <fmt/format.h>
#include <unistd.h>

#include <charconv>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "cli/command.hpp"
#include "cli/models.hpp"
#include "codegen/simulation.hpp"

namespace lockstep::cli {
namespace {

using codegen::Outcome;
using codegen::ShownContext;
using codegen::ShownStep;
using nlohmann::ordered_json;

struct Options {
    std::string file;
    std::string events;
    std::vector<std::string> tracepoints;
    std::vector<std::string> parameters;
    bool json = false;
};

constexpr const char* help =
    "event(field=value, …)   takes an event; several on a line; [@5ms] before one: at that time\n"
    "[@5ms]                  time passes\n"
    "undo [N]                takes N steps back (1)\n"
    "state                   every context, its registers, and what may come\n"
    "events                  the events and their fields\n"
    "help, quit\n";

const char* word_of(Outcome outcome) {
    switch (outcome) {
        case Outcome::ignored:
            return "ignored";
        case Outcome::started:
            return "started";
        case Outcome::moved:
            return "moved";
        case Outcome::violation:
            return "violation";
        case Outcome::inconclusive:
            return "inconclusive";
    }
    return "";
}

ordered_json json_of(const ShownContext& context) {
    ordered_json registers = ordered_json::object();
    for (const auto& [name, content] : context.registers) registers[name] = content;
    return {{"key", context.key},
            {"state", context.state},
            {"final", context.final},
            {"registers", registers},
            {"possible", context.possible}};
}

class Session {
 public:
    Session(codegen::Simulation simulation, bool json, bool is_terminal)
        : simulation_(std::move(simulation)), json_(json), is_terminal_(is_terminal) {}

    ExitStatus run(std::istream& input) {
        if (is_terminal_) fmt::print("{}: `help` says what can be typed\n", simulation_.model().name);
        for (std::string line; prompt(), std::getline(input, line);) {
            ++line_number_;
            if (!obey(line)) break;
            std::fflush(stdout);
        }
        if (is_terminal_) fmt::print("\n");
        return status_;
    }

 private:
    bool colour() const { return is_terminal_ && std::getenv("NO_COLOR") == nullptr; }

    void prompt() const {
        if (!is_terminal_) return;
        fmt::print("> ");
        std::fflush(stdout);
    }

    // False: the session is over.
    bool obey(const std::string& line) {
        const std::size_t begin = line.find_first_not_of(" \t");
        if (begin == std::string::npos || line[begin] == '#') return true;
        const std::string word = line.substr(begin, line.find_first_of(" \t\r", begin) - begin);
        if (word == "quit" || word == "exit") return false;
        if (word == "help")
            fmt::print("{}", help);
        else if (word == "undo")
            undo(line.substr(begin + word.size()));
        else if (word == "state")
            show_contexts();
        else if (word == "events")
            for (const std::string& event : simulation_.events()) fmt::print("{}\n", event);
        else
            take(line);
        return true;
    }

    void undo(const std::string& count_text) {
        std::size_t count = 1;
        const std::size_t begin = count_text.find_first_not_of(" \t\r");
        if (begin != std::string::npos) {
            const char* end = count_text.data() + count_text.size();
            if (std::from_chars(count_text.data() + begin, end, count).ec != std::errc())
                return complain("`undo` takes a number of steps");
        }
        if (!simulation_.undo(count)) return complain("there are not so many steps to take back");
        show_contexts();
    }

    // What can't be understood ends a session whose input is a file: the rest would be about something else.
    void complain(const std::string& what) {
        if (!is_terminal_) throw std::runtime_error(fmt::format("line {} of the events: {}", line_number_, what));
        fmt::print("{}\n", what);
    }

    void take(const std::string& line) {
        std::vector<codegen::Diagnostic> diagnostics;
        const auto steps = simulation_.take(line, diagnostics);
        if (codegen::has_errors(diagnostics)) {
            if (!is_terminal_) {
                const auto& first = diagnostics.front();
                complain(first.message + (first.hint.empty() ? "" : ": " + first.hint));
            }
            for (const auto& diagnostic : diagnostics)
                fmt::print("{}", codegen::format_diagnostic(diagnostic, "typed", line, colour()));
            return;
        }
        for (const ShownStep& step : steps) show(step);
    }

    void show(const ShownStep& step) {
        if (!step.violations.empty()) status_ = exit_violated;
        if (step.outcome == Outcome::inconclusive && status_ == exit_ok) status_ = exit_inconclusive;
        if (json_)
            return fmt::print("{}\n", json_of(step).dump(-1, ' ', false, ordered_json::error_handler_t::replace));
        for (const std::string& violation : step.violations)
            fmt::print("{}VIOLATION{}: {}: {}\n", colour() ? "\033[1;31m" : "", colour() ? "\033[0m" : "", step.event,
                       violation);
        fmt::print("{}{}: {}\n", step.time_ns == 0 ? "" : fmt::format("@{} ns ", step.time_ns), step.event,
                   text_of(step));
        for (const ShownContext& context : simulation_.contexts())
            if (context.key == step.key && step.event != "time passes") show(context);
    }

    static std::string text_of(const ShownStep& step) {
        const std::string to = step.to.empty() ? "(ended)" : step.to;
        switch (step.outcome) {
            case Outcome::ignored:
                return "ignored: the state is not known, and this event does not start it";
            case Outcome::started:
                return "the state is now known: " + to;
            case Outcome::moved:
                return step.event == "time passes"
                           ? "nothing happened"
                           : fmt::format("{} -> {}   by {}", step.from.empty() ? "(unknown)" : step.from, to,
                                         step.edge);
            case Outcome::violation:
                return "the state is not known any more";
            case Outcome::inconclusive:
                return "a register is full: the state is not known any more";
        }
        return "";
    }

    ordered_json json_of(const ShownStep& step) const {
        ordered_json contexts = ordered_json::array();
        for (const ShownContext& context : simulation_.contexts()) contexts.push_back(cli::json_of(context));
        return {{"event", step.event},
                {"time_ns", step.time_ns},
                {"outcome", word_of(step.outcome)},
                {"key", step.key},
                {"from", step.from},
                {"to", step.to},
                {"edge", step.edge},
                {"violations", step.violations},
                {"contexts", std::move(contexts)}};
    }

    void show_contexts() {
        const auto contexts = simulation_.contexts();
        if (json_) {
            ordered_json all = ordered_json::array();
            for (const ShownContext& context : contexts) all.push_back(cli::json_of(context));
            return fmt::print("{}\n", all.dump(-1, ' ', false, ordered_json::error_handler_t::replace));
        }
        if (contexts.empty()) fmt::print("no context is known\n");
        for (const ShownContext& context : contexts) show(context);
    }

    static void show(const ShownContext& context) {
        fmt::print("  {}{}{}\n", context.key.empty() ? "" : context.key + ": ", context.state,
                   context.final ? " (final)" : "");
        for (const auto& [name, content] : context.registers) fmt::print("    {} = {}\n", name, content);
        std::string possible;
        for (const std::string& event : context.possible) possible += (possible.empty() ? "" : ", ") + event;
        fmt::print("    may come: {}\n", possible.empty() ? "nothing" : possible);
    }

    codegen::Simulation simulation_;
    bool json_;
    bool is_terminal_;
    std::size_t line_number_ = 0;
    ExitStatus status_ = exit_ok;
};

ExitStatus simulate(const Options& options) {
    auto reading = codegen::read_model_file(options.file, load_tracepoints(options.tracepoints));
    print_diagnostics(reading, options.file);
    if (!reading.model) return status_of(reading);
    for (const std::string& assignment : options.parameters) set_parameter(*reading.model, assignment);
    const bool is_terminal = options.events.empty() && isatty(STDIN_FILENO) != 0;
    Session session(codegen::Simulation(std::move(*reading.model)), options.json, is_terminal);
    if (options.events.empty()) return session.run(std::cin);
    std::ifstream stream(options.events);
    if (!stream) throw std::runtime_error("can't read " + options.events);
    return session.run(stream);
}

Command::Run declare(CommandLine& command_line) {
    auto options = std::make_shared<Options>();
    command_line.add_option("file", options->file, "An automaton in DOT, or a property in linear temporal logic (.ltl)")
        .required();
    command_line.add_option("--events", options->events, "Read events from this file instead of stdin");
    command_line.add_option("--set", options->parameters, "NAME=VALUE for a parameter of the model; repeatable")
        .repeatable();
    add_tracepoints_option(command_line, options->tracepoints);
    command_line.add_flag("--json", options->json, "One JSON object a step");
    command_line.footer(
        std::string("What can be typed:\n") + help +
        "Exit status: 0 nothing was violated, 1 something was, or the model has errors, 2 could not run, "
        "3 a register was too small.");
    return [options] { return simulate(*options); };
}

const Command command{"simulate", "Run an automaton by hand: type events, see states, undo", declare};

}  // namespace
}  // namespace lockstep::cli
