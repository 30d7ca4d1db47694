// lockstep manual, lockstep completion: what `cmake --install` makes the manual pages and the shell's completion from.
// Both are printed from the commands' own options, so they cannot lag behind.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <stdexcept>

#include "cli/command.hpp"
#include "cli/whole_file.hpp"

namespace lockstep::cli {
namespace {

// Text as roff takes it literally.
std::string roff(const std::string& text) {
    std::string safe;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const bool begins_line = i == 0 || text[i - 1] == '\n';
        if (begins_line && (text[i] == '.' || text[i] == '\'')) safe += "\\&";
        if (text[i] == '\\')
            safe += "\\e";
        else if (text[i] == '-')
            safe += "\\-";
        else
            safe += text[i];
    }
    return safe;
}

std::string page_of(const std::string& name, const std::string& summary, const std::string& body,
                    const std::string& see_also) {
    return fmt::format(
        ".TH {} 1 \"\" \"Lockstep {}\" \"Lockstep\"\n.SH NAME\n{} \\- {}\n.SH DESCRIPTION\n.nf\n{}\n.fi\n.SH SEE "
        "ALSO\n{}\n",
        roff(name), LOCKSTEP_VERSION, roff(name), roff(summary), roff(body), see_also);
}

int write_manual(const std::string& directory) {
    std::filesystem::create_directories(directory);
    std::string commands, see_also;
    for (const Command* command : Command::all()) {
        commands += fmt::format("  {:<14} {}\n", command->name(), command->summary());
        see_also += fmt::format("{}.BR lockstep\\-{} (1)", see_also.empty() ? "" : ",\n", roff(command->name()));
    }
    const std::string body =
        "lockstep COMMAND [OPTIONS]\n\nA property drawn as an automaton is compiled to a monitor, attached to "
        "LTTng-UST "
        "tracepoints,\nand kept in step with a running system.\n\n" +
        commands + "\nExit status: 0 ok, 1 violated (or a model has errors), 2 could not run, 3 inconclusive.\n";
    write_whole(std::filesystem::path(directory) / "lockstep.1",
                page_of("lockstep", "runtime verification for user space", body, see_also));
    for (const Command* command : Command::all())
        write_whole(std::filesystem::path(directory) / ("lockstep-" + command->name() + ".1"),
                    page_of("lockstep-" + command->name(), command->summary(), help_of(*command), ".BR lockstep (1)"));
    return exit_ok;
}

// For bash; zsh takes it after `bashcompinit`.
int print_completion() {
    std::string names, cases;
    for (const Command* command : Command::all()) {
        names += (names.empty() ? "" : " ") + command->name();
        std::string options;
        for (const std::string& name : long_options_of(*command)) options += (options.empty() ? "" : " ") + name;
        cases += fmt::format("        {}) options=\"{}\" ;;\n", command->name(), options);
    }
    fmt::print(R"(# bash completion for lockstep; printed by `lockstep completion`.
_lockstep() {{
    local word=${{COMP_WORDS[COMP_CWORD]}} options=""
    COMPREPLY=()
    if [ "$COMP_CWORD" -eq 1 ]; then
        mapfile -t COMPREPLY < <(compgen -W "{} --help --version" -- "$word")
        return
    fi
    case ${{COMP_WORDS[1]}} in
{}    esac
    case $word in
        -*) mapfile -t COMPREPLY < <(compgen -W "$options" -- "$word") ;;
        *) mapfile -t COMPREPLY < <(compgen -f -- "$word") ;;
    esac
}}
complete -o filenames -F _lockstep lockstep
)",
               names, cases);
    return exit_ok;
}

const Command manual{
    "manual", "Write the manual pages", [](CommandLine& command_line) {
        auto directory = std::make_shared<std::string>();
        command_line.add_option("directory", *directory, "Where lockstep.1 and lockstep-COMMAND.1 go").required();
        return [directory] { return write_manual(*directory); };
    }};
const Command completion{"completion", "Print the completion of lockstep's command line for bash",
                         [](CommandLine&) { return [] { return print_completion(); }; }};

}  // namespace
}  // namespace lockstep::cli
