// dot/bad/: one file a diagnostic, beside it exactly what `lockstep check` says of it. To add one: write the .dot and
// let
//   lockstep check dot/bad/x.dot 2> dot/bad/x.expected
// make the text (x.ltl likewise), then read it.
#include <gtest/gtest.h>

#include <algorithm>
#include <regex>
#include <set>

#include "codegen/files_for_test.hpp"
#include "codegen/front_end.hpp"

namespace lockstep::codegen {
namespace {

namespace fs = std::filesystem;

std::vector<fs::path> files_of(const fs::path& folder, const std::string& extension) {
    std::vector<fs::path> files;
    for (const auto& entry : fs::directory_iterator(folder))
        if (entry.path().extension() == extension) files.push_back(entry.path());
    std::ranges::sort(files);
    return files;
}

std::vector<fs::path> bad_models() {
    auto files = files_of(root() / "dot" / "bad", ".dot");
    for (const fs::path& file : files_of(root() / "dot" / "bad", ".ltl")) files.push_back(file);
    return files;
}

TracepointDeclarations tracepoints() {
    TracepointDeclarations declarations;
    EXPECT_TRUE(declarations.read_folder(root() / "tracepoints").empty());
    return declarations;
}

TEST(BadModels, GetExactlyTheTextBesideThem) {
    const auto declarations = tracepoints();
    const auto files = bad_models();
    ASSERT_GT(files.size(), 40U);
    for (const fs::path& file : files) {
        const std::string name = "dot/bad/" + file.filename().string();
        const std::string source = text_of(file);
        std::string told;
        for (const Diagnostic& diagnostic : read_model(source, name, declarations).diagnostics)
            told += format_diagnostic(diagnostic, name, source, false);
        fs::path expected = file;
        EXPECT_EQ(told, text_of(expected.replace_extension(".expected"))) << name;
    }
}

TEST(BadModels, CoverEveryDiagnosticOfTheFrontEnd) {
    std::set<std::string> covered;
    const std::regex code_in_brackets(R"(\[([a-z]+(?:-[a-z]+)*)\]\n)");
    for (const fs::path& file : files_of(root() / "dot" / "bad", ".expected")) {
        const std::string text = text_of(file);
        for (std::sregex_iterator match(text.begin(), text.end(), code_in_brackets), end; match != end; ++match)
            covered.insert((*match)[1]);
    }
    // Of .tp files, and of texts too long to be kept here; their own tests have them.
    covered.insert({"malformed-tracepoint", "unknown-c-type", "duplicate-tracepoint", "too-long"});
    const std::regex code_in_source(R"re("([a-z]+(?:-[a-z]+)+)")re");
    for (const fs::path& file : files_of(root() / "codegen", ".cpp")) {
        if (file.string().ends_with("_test.cpp")) continue;
        const std::string text = text_of(file);
        for (std::sregex_iterator match(text.begin(), text.end(), code_in_source), end; match != end; ++match)
            EXPECT_TRUE(covered.contains((*match)[1]))
                << file.filename() << " reports " << (*match)[1] << ", but no file of dot/bad gets it";
    }
}

TEST(BadModels, EveryErrorHasAPlaceAndNoneIsToldTwice) {
    const auto declarations = tracepoints();
    for (const fs::path& file : bad_models()) {
        std::set<std::pair<std::uint32_t, std::uint32_t>> places;
        const auto reading = read_model_file(file, declarations);
        for (const Diagnostic& diagnostic : reading.diagnostics) {
            EXPECT_GT(diagnostic.position.line, 0U) << file << ": " << diagnostic.message;
            EXPECT_GT(diagnostic.position.column, 0U) << file << ": " << diagnostic.message;
            EXPECT_TRUE(places.insert({diagnostic.position.line, diagnostic.position.column}).second)
                << file << ": two messages at " << diagnostic.position.line << ":" << diagnostic.position.column;
        }
        EXPECT_EQ(reading.model.has_value(), !has_errors(reading.diagnostics)) << file;
    }
}

}  // namespace
}  // namespace lockstep::codegen
