// dump: one JSON file a violation: the report, with the context's registers, its last events and the automaton; and
// beside it the automaton with the path, as SVG. Drawing takes Graphviz, whose global state and appetite are nothing
// for a watched process: another one does it, `lockstep draw --violation`.
#include <dlfcn.h>
#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>
#include <system_error>

#include "reactors/child_process.hpp"
#include "reactors/reactor.hpp"

namespace lockstep::reactors {
namespace {

// Where one violation follows another, pictures of the first ones do; the others' can be drawn later.
constexpr unsigned pictures_at_most = 16;
constexpr std::chrono::seconds drawing_limit{10};

// bin/lockstep beside the folder of the library (or program) that this code is in; empty when there is none.
std::string drawing_program() {
    Dl_info info{};
    if (dladdr(reinterpret_cast<const void*>(&drawing_program), &info) == 0 || info.dli_fname == nullptr) return {};
    // A program's own name there is how it was called.
    const bool is_path = info.dli_fname[0] == '/';
    std::error_code error;
    const auto ours = std::filesystem::canonical(is_path ? info.dli_fname : "/proc/self/exe", error);
    if (error) return {};
    const auto program = ours.parent_path().parent_path() / "bin" / "lockstep";
    return access(program.c_str(), X_OK) == 0 ? program.string() : std::string();
}

class DumpReactor final : public Reactor {
 public:
    explicit DumpReactor(std::filesystem::path folder) : folder_(std::move(folder)) {
        std::error_code error;
        std::filesystem::create_directories(folder_, error);
        if (access(folder_.c_str(), W_OK) != 0) throw ReactorError("dump cannot write into " + folder_.string());
    }

    // Whoever watches the folder sees whole files only: written under another name, then renamed.
    void react(const Report& report) override {
        const auto file = folder_ / fmt::format("{}-{}-{:04}.json", report.monitor, getpid(), ++count_);
        const auto unfinished = std::filesystem::path(file).concat(".part");
        std::ofstream stream(unfinished, std::ios::trunc);
        stream << to_json(report, 2) << '\n';
        stream.close();
        if (!stream) throw ReactorError("dump could not write " + unfinished.string());
        std::filesystem::rename(unfinished, file);
        if (count_ <= pictures_at_most && !report.dot_source.empty()) draw(file);
    }

 private:
    // The dump is there already: that it could not be drawn is told, and no failure of the reactor.
    void draw(const std::filesystem::path& dump) const {
        if (program_.empty()) return;
        auto picture = dump;
        picture.replace_extension(".svg");
        const auto unfinished = std::filesystem::path(picture).concat(".part");
        try {
            run_command({"\"$1\" draw --violation \"$2\" --format svg -o \"$3\" && mv \"$3\" \"$4\"",
                         {program_, dump.string(), unfinished.string(), picture.string()},
                         "",
                         {}},
                        drawing_limit);
        } catch (const ReactorError& error) {
            fmt::print(stderr, "lockstep: {} is not drawn: {}\n", dump.string(), error.what());
        }
    }

    std::filesystem::path folder_;
    std::string program_ = drawing_program();
    unsigned count_ = 0;
};

std::unique_ptr<Reactor> make_dump(const std::string& argument) {
    return std::make_unique<DumpReactor>(argument.empty() ? std::filesystem::current_path()
                                                          : std::filesystem::path(argument));
}

}  // namespace

extern const ReactorKind dump_reactor;
const ReactorKind dump_reactor{
    "dump", "write PROPERTY-PID-NUMBER.json, and .svg, into the folder after the colon, or the current one", make_dump};

}  // namespace lockstep::reactors
