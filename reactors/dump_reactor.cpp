// dump: one JSON file a violation: the report, with the context's registers, its last events and the automaton. Drawing
// it is for another process: `lockstep draw`.
#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>

#include "reactors/reactor.hpp"

namespace lockstep::reactors {
namespace {

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
    }

 private:
    std::filesystem::path folder_;
    unsigned count_ = 0;
};

std::unique_ptr<Reactor> make_dump(const std::string& argument) {
    return std::make_unique<DumpReactor>(argument.empty() ? std::filesystem::current_path()
                                                          : std::filesystem::path(argument));
}

}  // namespace

extern const ReactorKind dump_reactor;
const ReactorKind dump_reactor{
    "dump", "write PROPERTY-PID-NUMBER.json into the folder after the colon, or the current one", make_dump};

}  // namespace lockstep::reactors
