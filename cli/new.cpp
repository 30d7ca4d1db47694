// lockstep new NAME: a commented skeleton that passes check and test.
#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <memory>
#include <stdexcept>

#include "cli/command.hpp"
#include "cli/whole_file.hpp"

namespace lockstep::cli {
namespace {

// {0} is the property's name.
constexpr const char* skeleton =
    R"dot(// {0}: say here, in a sentence, what it promises and of what (of each lock, each request, each file).
//
// Examples are tests (lockstep test): `accept` must pass whole, the last event of `reject` must be the violation.
// accept: take(file=x,owner=alice) give(file=x,owner=alice) take(file=x,owner=bob)
// reject: take(file=x,owner=alice) take(file=x,owner=bob)
digraph {0} {{
    // One automaton for each key. An event is a tracepoint, if need be with a condition: `when mode == EX`.
    // Registers, for example: `holder: set of owner`, `count: int`, `age: clock`.
    binding [shape=note, label="per file\l\
take = lock_api:acquired\l\
give = lock_api:released\l\
holder: set of owner\l"];

    // The initial state is what the point leads to; a run may end in a double circle.
    __init_free [shape=point];
    __init_free -> free;
    free [shape=doublecircle];

    // event; guards; actions. An event without an enabled edge is a violation. `start`: a context that was not seen from its birth
    // begins here, with this event.
    free -> taken [label="take; start; insert(holder, owner)"];
    free -> free [label="give"];
    taken -> free [label="give; owner in holder; clear(holder)"];
}}
)dot";

bool is_name(const std::string& name) {
    const auto letter = [](unsigned char c) { return std::isalnum(c) != 0 || c == '_'; };
    return !name.empty() && std::isdigit(static_cast<unsigned char>(name.front())) == 0 &&
           std::ranges::all_of(name, letter);
}

Command::Run declare(CommandLine& command_line) {
    auto name = std::make_shared<std::string>();
    command_line.add_option("name", *name, "The property's name: letters, digits and _").required();
    command_line.footer(
        "Writes NAME.dot into the current folder; never over an existing file.\n"
        "Exit status: 0 written, 2 it was not.");
    return [name] {
        if (!is_name(*name)) throw std::runtime_error("a property's name has letters, digits and _ only: " + *name);
        const std::filesystem::path path = *name + ".dot";
        if (std::filesystem::exists(path)) throw std::runtime_error(path.string() + " exists already");
        write_new(path, fmt::format(skeleton, *name));
        fmt::print("{0} written. Next: lockstep check {0}\n", path.string());
        return exit_ok;
    };
}

const Command command{"new", "Begin a property: a commented skeleton that passes check", declare};

}  // namespace
}  // namespace lockstep::cli
