// Runs the fuzz target of the control socket over its corpus, every beginning of it, and seeded damage to it.
#include <gtest/gtest.h>

#include "monitors/byte_mutator.hpp"

extern "C" int lockstep_control_fuzz(const std::uint8_t* data, std::size_t size);
extern "C" unsigned lockstep_requests_granted();

namespace lockstep::monitors {
namespace {

void run(const std::string& bytes) {
    lockstep_control_fuzz(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
}

std::vector<std::string> corpus() {
    return read_corpus(std::filesystem::path(std::getenv("LOCKSTEP_SOURCE_DIR")) / "monitors/agent/corpus", ".jsonl");
}

TEST(ControlFuzz, TheCorpusDoesNoHarmAndIsGranted) {
    for (const std::string& requests : corpus()) run(requests);
    EXPECT_GE(lockstep_requests_granted(), 8U);
}

TEST(ControlFuzz, EveryBeginningDoesNoHarm) {
    for (const std::string& requests : corpus())
        for (std::size_t length = 0; length < requests.size(); length += 1 + requests.size() / 40)
            run(requests.substr(0, length));
}

TEST(ControlFuzz, DamageDoesNoHarm) {
    const auto requests = corpus();
    const unsigned before = lockstep_requests_granted();
    ByteMutator mutator(requests,
                        {"{",
                         "}",
                         "[",
                         "]",
                         "\"",
                         ":",
                         ",",
                         "\n",
                         "null",
                         "-1",
                         "1e999",
                         "18446744073709551616",
                         "[[[[",
                         "\"do\":",
                         "\"status\"",
                         "\"attach\"",
                         "\"detach\"",
                         "\"@P\"",
                         std::string(1, '\0'),
                         "\xff\xfe"},
                        300);
    mutator.run(run);
    EXPECT_GT(lockstep_requests_granted(), before) << "no damaged request was granted";
}

}  // namespace
}  // namespace lockstep::monitors
