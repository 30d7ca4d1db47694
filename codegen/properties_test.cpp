// Every property of dot/: it has no diagnostics, and its examples do as they say.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <set>

#include "codegen/examples.hpp"
#include "codegen/front_end.hpp"

namespace lockstep::codegen {
namespace {

namespace fs = std::filesystem;

struct Property {
    std::string name;
    Reading reading;
};

std::vector<Property> properties() {
    const fs::path root = std::getenv("LOCKSTEP_SOURCE_DIR");
    TracepointDeclarations declarations;
    EXPECT_TRUE(declarations.read_folder(root / "tracepoints").empty());
    std::vector<Property> all;
    for (const auto& entry : fs::directory_iterator(root / "dot"))
        if (entry.path().extension() == ".dot" || entry.path().extension() == ".ltl")
            all.push_back({entry.path().filename().string(), read_model_file(entry.path(), declarations)});
    return all;
}

TEST(Properties, HaveNoErrorsAndNoWarnings) {
    const auto all = properties();
    EXPECT_GE(all.size(), 3U);
    for (const Property& property : all) {
        EXPECT_TRUE(property.reading.model) << property.name;
        for (const Diagnostic& diagnostic : property.reading.diagnostics)
            ADD_FAILURE() << property.name << ": " << diagnostic.message;
    }
}

TEST(Properties, AcceptAndRejectWhatTheirExamplesSay) {
    for (const Property& property : properties()) {
        ASSERT_TRUE(property.reading.model) << property.name;
        const Model& model = *property.reading.model;
        const auto results = run_examples(model);
        for (std::size_t i = 0; i < results.size(); ++i)
            EXPECT_TRUE(results[i].passed) << property.name << ":" << results[i].position.line << ": "
                                           << results[i].explanation << "\n  " << model.examples[i].text;
        for (const bool accept : {true, false})
            EXPECT_NE(std::ranges::count(model.examples, accept, &Example::accept), 0) << property.name;
    }
}

TEST(Properties, SayWhatTheyPromise) {
    for (const Property& property : properties()) {
        ASSERT_TRUE(property.reading.model) << property.name;
        EXPECT_GT(property.reading.model->summary.size(), 80U) << property.name;
        EXPECT_EQ(property.reading.model->name, fs::path(property.name).stem().string());
    }
}

// A context that is never forgotten fills the table of a server that runs for a year.
TEST(Properties, ForgetTheirContexts) {
    // As many contexts as there are things that outlive the watching, and no more however long it runs.
    const std::set<std::string> bounded = {"write_verifier.dot" /* file systems */,
                                           "stale_handle.dot" /* inode numbers, which are used again */};
    for (const Property& property : properties()) {
        ASSERT_TRUE(property.reading.model) << property.name;
        if (bounded.contains(property.name)) continue;
        // As many contexts as there are processes or processors need not be forgotten either.
        const auto& keys = property.reading.model->keys;
        if (std::ranges::all_of(keys, [](const Key& key) { return key.origin.has_value(); })) continue;
        const auto& states = property.reading.model->states;
        EXPECT_TRUE(std::ranges::any_of(states, [](const State& state) { return state.ends || state.reclaimable; }))
            << property.name;
    }
}

}  // namespace
}  // namespace lockstep::codegen
