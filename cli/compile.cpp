// lockstep compile FILE -o x.so: a property as a shared object, for attach, verify and the agent.
#include <fmt/format.h>

#include <memory>
#include <stdexcept>

#include "cli/command.hpp"
#include "cli/models.hpp"
#include "cli/property_compiler.hpp"
#include "cli/whole_file.hpp"

namespace lockstep::cli {
namespace {

struct Options {
    std::string file;
    std::string out;
    bool source_only = false;
    std::string encoding = "automatic";
    CompileOptions compile;
};

codegen::Encoding encoding_of(const std::string& name) {
    if (name == "boost_msm") return codegen::Encoding::boost_msm;
    return name == "branches" ? codegen::Encoding::branches : codegen::Encoding::automatic;
}

int run(Options options) {
    options.compile.encoding = encoding_of(options.encoding);
    const std::string source = generate(options.file, options.compile);
    if (source.empty()) return exit_violated;
    if (options.out.empty())
        options.out = std::filesystem::path(options.file).stem().string() + (options.source_only ? ".cpp" : ".so");
    if (!options.source_only)
        return compile_monitor(source, options.out, options.compile) ? exit_ok : exit_could_not_run;
    if (options.out == "-") return fmt::print("{}", source), exit_ok;
    write_whole(options.out, source);
    return exit_ok;
}

Command::Run declare(CommandLine& command_line) {
    auto options = std::make_shared<Options>();
    command_line.add_option("file", options->file, "An automaton in DOT, or a property in linear temporal logic (.ltl)")
        .required();
    command_line.add_option("-o,--output", options->out,
                            "The shared object (default: the automaton's name with .so, here)");
    command_line.add_flag("--source", options->source_only, "Write the generated C++ instead; with -o - to stdout");
    add_tracepoints_option(command_line, options->compile.tracepoints);
    command_line.add_option("--encoding", options->encoding, "boost_msm (up to some 20 states) or branches")
        .one_of({"automatic", "boost_msm", "branches"})
        .shows_default();
    command_line.add_option("--compiler", options->compile.compiler,
                            "The C++ compiler (default: CXX of the environment, or c++)");
    command_line.footer(
        "Exit status: 0 compiled, 1 the model has errors, 2 a file can't be read or written, or the compiler failed.");
    return [options] { return run(*options); };
}

const Command command{"compile", "Compile an automaton to a monitor, a shared object", declare};

}  // namespace
}  // namespace lockstep::cli
