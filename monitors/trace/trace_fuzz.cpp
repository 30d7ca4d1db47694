// Fuzz target of the trace reader, libbabeltrace2 included: any files in place of a CTF trace are read to an end or to
// an error, never to a crash; and a verdict of `ok` is given only of a trace that was read whole. Under libFuzzer this
// is LLVMFuzzerTestOneInput; trace_fuzz_test.cpp calls it too.
//
// An input is the trace's files one after another, each begun by six bytes and one that names it: see corpus/README.md.
#include <stdlib.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include "monitors/offline/offline_verifier.hpp"

#ifndef LOCKSTEP_FUZZ_ENTRY
#define LOCKSTEP_FUZZ_ENTRY lockstep_trace_fuzz
#endif

namespace lockstep::monitors {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view file_begins("\xff\0FILE", 6);

// Where a trace is put together; of this process alone, and removed at its end.
class Scratch {
 public:
    Scratch() {
        std::string pattern = (fs::temp_directory_path() / "lockstep-trace-fuzz-XXXXXX").string();
        if (mkdtemp(pattern.data()) == nullptr) std::abort();
        path_ = pattern;
    }
    ~Scratch() {
        std::error_code ignored;
        fs::remove_all(path_, ignored);
    }
    Scratch(const Scratch&) = delete;
    Scratch& operator=(const Scratch&) = delete;

    const fs::path& path() const { return path_; }

 private:
    fs::path path_;
};

fs::path file_named(char name) {
    if (name == 'm') return "metadata";
    if (name == 'i') return fs::path("index") / "channel_0.idx";
    return std::string("channel_") + static_cast<char>('0' + static_cast<unsigned char>(name) % 4);
}

void put_together(const fs::path& trace, std::string_view bytes) {
    fs::remove_all(trace);
    fs::create_directories(trace / "index");
    for (std::size_t at = bytes.find(file_begins); at != std::string_view::npos;) {
        at += file_begins.size();
        const std::size_t end = bytes.find(file_begins, at);
        const std::string_view file = bytes.substr(at, end == std::string_view::npos ? end : end - at);
        if (!file.empty()) std::ofstream(trace / file_named(file[0]), std::ios::binary) << file.substr(1);
        at = end;
    }
}

unsigned read_whole = 0;

}  // namespace
}  // namespace lockstep::monitors

extern "C" int LOCKSTEP_FUZZ_ENTRY(const std::uint8_t* data, std::size_t size) {
    using namespace lockstep::monitors;
    static const Scratch scratch;
    const auto trace = scratch.path() / "trace";
    put_together(trace, {reinterpret_cast<const char*>(data), size});
    const auto monitor = Monitor::load(find_monitor("mutual_exclusion"), {.contexts = 64, .blocks = 64});
    try {
        const OfflineResult result = verify_trace(trace, {monitor.get()});
        const bool doubtful = !result.complete || result.lost > 0 || !result.problems.empty();
        if (doubtful && monitor->verdict() == Verdict::ok) std::abort();
        if (result.complete && result.events > 0) ++read_whole;
    } catch (const TraceError&) {
        // There is no trace at all.
    }
    return 0;
}

// How many inputs were read whole and had events: a target that reads nothing tests nothing.
extern "C" unsigned lockstep_traces_read_whole() {
    return lockstep::monitors::read_whole;
}
