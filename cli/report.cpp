// lockstep report DIR: makes a stored run's page anew.
#include <fmt/format.h>

#include <memory>

#include "cli/command.hpp"
#include "cli/run_report.hpp"

namespace lockstep::cli {
namespace {

Command::Run declare(CommandLine& command_line) {
    auto directory = std::make_shared<std::string>();
    command_line.add_option("directory", *directory, "What `lockstep run --out` left").required();
    command_line.footer(
        "Makes report.html from result.json: the page of this version, of a run of whatever version.\n"
        "Exit status: 0 made, 2 there is no result.");
    return [directory] {
        write_page(*directory);
        fmt::print("{}\n", (std::filesystem::path(*directory) / "report.html").string());
        return exit_ok;
    };
}

const Command command{"report", "Make the page of a stored run anew", declare};

}  // namespace
}  // namespace lockstep::cli
