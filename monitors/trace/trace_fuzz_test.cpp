// Runs the fuzz target of the trace reader over its corpus, every beginning of it, and seeded damage to it.
#include <gtest/gtest.h>

#include "monitors/byte_mutator.hpp"

extern "C" int lockstep_trace_fuzz(const std::uint8_t* data, std::size_t size);
extern "C" unsigned lockstep_traces_read_whole();

namespace lockstep::monitors {
namespace {

void run(const std::string& bytes) {
    lockstep_trace_fuzz(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
}

std::vector<std::string> corpus() {
    return read_corpus(std::filesystem::path(std::getenv("LOCKSTEP_SOURCE_DIR")) / "monitors/trace/corpus", ".trace");
}

TEST(TraceFuzz, TheCorpusDoesNoHarmAndIsRead) {
    for (const std::string& trace : corpus()) run(trace);
    EXPECT_GE(lockstep_traces_read_whole(), 2U);
}

TEST(TraceFuzz, EveryBeginningDoesNoHarm) {
    for (const std::string& trace : corpus())
        for (std::size_t length = 0; length < trace.size(); length += 1 + trace.size() / 60)
            run(trace.substr(0, length));
}

TEST(TraceFuzz, DamageDoesNoHarm) {
    const auto traces = corpus();
    const unsigned before = lockstep_traces_read_whole();
    ByteMutator mutator(
        traces,
        {std::string(4, '\xff'), std::string(8, '\0'), std::string("\xc1\x1f\xfc\xc1"), std::string("\xff\0FILE0", 7),
         std::string("\xff\0FILE1", 7), "struct {", "};", "variant <id> {", "size = 18446744073709551615;",
         "align = 3;", "id = 1;", "string", "[4294967295]", "event {"},
        600);
    mutator.run(run);
    EXPECT_GT(lockstep_traces_read_whole(), before) << "no damaged trace was readable";
}

}  // namespace
}  // namespace lockstep::monitors
