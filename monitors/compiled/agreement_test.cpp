// Compiled properties agree with the reference interpreter at every step of random events: those of dot/, and models
// made for this that use every construct.
#include "monitors/compiled/agreement.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <sstream>

#include "codegen/front_end.hpp"
#include "monitors/compiled/property_library.hpp"
#include "monitors/compiled/random_events.hpp"

namespace lockstep::monitors {
namespace {

struct Case {
    std::filesystem::path model;
    std::string encoding;

    friend void PrintTo(const Case& which, std::ostream* out) { *out << which.model.stem().string(); }
};

std::vector<Case> cases() {
    std::vector<Case> all;
    std::istringstream models(TESTED_MODELS);
    for (std::string model; std::getline(models, model, ':');)
        for (const char* encoding : {"boost_msm", "branches"}) all.push_back({model, encoding});
    return all;
}

class CompiledProperty : public ::testing::TestWithParam<Case> {};

TEST_P(CompiledProperty, DoesWhatTheInterpreterDoesAtEveryStep) {
    codegen::TracepointDeclarations tracepoints;
    ASSERT_TRUE(tracepoints.read_folder(TRACEPOINT_FOLDER).empty());
    const auto reading = codegen::read_model_file(GetParam().model, tracepoints);
    ASSERT_TRUE(reading.model);
    const codegen::Model& model = *reading.model;
    const auto file = std::filesystem::path(TESTED_MONITORS) / GetParam().encoding / GetParam().model.stem();
    const PropertyLibrary library(file.string() + ".so");

    constexpr std::uint64_t seed = 20261;
    SCOPED_TRACE(::testing::Message() << "seed " << seed);
    Agreement agreement(model, library.symbol<MonitorDescriptor>(descriptor_symbol));
    const auto difference = RandomEvents(model, seed).deliver_to(agreement, 5'000);
    ASSERT_EQ(std::nullopt, difference);

    auto outcomes = agreement.outcomes();
    EXPECT_GT(outcomes[codegen::Outcome::moved], 500) << "the random events never got anywhere";
    EXPECT_GT(outcomes[codegen::Outcome::violation], 10) << "the random events were never wrong";
    const auto events = agreement.events_seen();
    for (std::size_t i = 0; i < events.size(); ++i) EXPECT_GT(events[i], 0U) << model.events[i].name;
    const auto edges = agreement.edges_taken();
    for (std::size_t i = 0; i < edges.size(); ++i) {
        const codegen::Edge& edge = model.edges[i];
        // A reclaimable state may be forgotten before its next event.
        EXPECT_TRUE(edges[i] > 0 || model.states[edge.source].reclaimable)
            << model.states[edge.source].name << ": " << edge.text << ", line " << edge.position.line;
    }
}

INSTANTIATE_TEST_SUITE_P(Models, CompiledProperty, ::testing::ValuesIn(cases()),
                         [](const auto& each) { return each.param.model.stem().string() + "_" + each.param.encoding; });

}  // namespace
}  // namespace lockstep::monitors
