// Random models, compiled, agree with the reference interpreter at every step of random events: guards, actions,
// registers of every kind, clocks and invariants, start rules. TESTED_RANDOM_MODELS: shared objects made by
// random_models; the environment's LOCKSTEP_RANDOM_MODELS names others, and LOCKSTEP_RANDOM_HITS how long each is
// tried.
#include <gtest/gtest.h>

#include <cstdlib>
#include <sstream>

#include "codegen/front_end.hpp"
#include "monitors/compiled/agreement.hpp"
#include "monitors/compiled/property_library.hpp"
#include "monitors/compiled/random_events.hpp"
#include "monitors/compiled/random_model.hpp"
#include "monitors/compiled/random_model_table.hpp"

namespace lockstep::monitors {
namespace {

std::string from_environment(const char* variable, const char* otherwise) {
    const char* const given = std::getenv(variable);
    return given == nullptr ? otherwise : given;
}

TEST(RandomModels, CompiledDoWhatTheInterpreterDoesAtEveryStep) {
    codegen::TracepointDeclarations tracepoints;
    ASSERT_TRUE(tracepoints.parse(random_tracepoints, "random.tp").empty());
    const int hits = std::stoi(from_environment("LOCKSTEP_RANDOM_HITS", "300"));
    std::map<codegen::Outcome, std::uint64_t> outcomes;
    std::uint64_t models = 0, edges = 0, taken = 0;
    std::istringstream files(from_environment("LOCKSTEP_RANDOM_MODELS", TESTED_RANDOM_MODELS));
    for (std::string file; std::getline(files, file, ':');) {
        const PropertyLibrary library(file);
        for (const RandomModel* each = &library.symbol<RandomModel>("lockstep_random_models");
             each->descriptor != nullptr; ++each) {
            const std::string text = random_model(each->seed);
            const auto reading = codegen::read_model(text, "chance.dot", tracepoints);
            ASSERT_TRUE(reading.model) << "seed " << each->seed;
            Agreement agreement(*reading.model, *each->descriptor);
            const auto difference = RandomEvents(*reading.model, each->seed).deliver_to(agreement, hits);
            EXPECT_EQ(std::nullopt, difference) << "seed " << each->seed << " of\n" << text;
            for (const auto& [outcome, count] : agreement.outcomes()) outcomes[outcome] += count;
            for (const std::uint64_t count : agreement.edges_taken()) taken += count > 0 ? 1 : 0;
            edges += reading.model->edges.size();
            ++models;
        }
    }
    std::printf("%lu models, %lu of %lu edges taken; ignored %lu, started %lu, moved %lu, violations %lu, full %lu\n",
                models, taken, edges, outcomes[codegen::Outcome::ignored], outcomes[codegen::Outcome::started],
                outcomes[codegen::Outcome::moved], outcomes[codegen::Outcome::violation],
                outcomes[codegen::Outcome::inconclusive]);
    EXPECT_GT(models, 0U);
    EXPECT_GT(taken * 4, edges) << "most of the models was never tried";
    for (const auto outcome : {codegen::Outcome::ignored, codegen::Outcome::moved, codegen::Outcome::violation})
        EXPECT_GT(outcomes[outcome], models) << "an outcome was hardly ever seen";
}

}  // namespace
}  // namespace lockstep::monitors
