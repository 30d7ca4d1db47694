// The manual is true: its examples pass, and it names every diagnostic.
#include <gtest/gtest.h>

#include <regex>
#include <set>

#include "codegen/examples.hpp"
#include "codegen/files_for_test.hpp"
#include "codegen/front_end.hpp"

namespace lockstep::codegen {
namespace {

namespace fs = std::filesystem;

// The block of code that begins with this line of text.
std::string block_of(const std::string& page, const std::string& first_line) {
    const std::size_t begin = page.find("\n" + first_line);
    if (begin == std::string::npos) return {};
    return page.substr(begin + 1, page.find("\n```", begin + 1) - begin);
}

void expect_sound(const std::string& source, const std::string& name, const TracepointDeclarations& tracepoints) {
    ASSERT_FALSE(source.empty()) << name;
    const Reading reading = read_model(source, name, tracepoints);
    for (const Diagnostic& diagnostic : reading.diagnostics)
        ADD_FAILURE() << format_diagnostic(diagnostic, name, source, false);
    ASSERT_TRUE(reading.model);
    ASSERT_EQ(reading.model->examples.size(), 2U);
    for (const ExampleResult& result : run_examples(*reading.model)) EXPECT_TRUE(result.passed) << result.explanation;
}

TEST(Documentation, TheExampleOfTheLanguageReferenceIsSound) {
    TracepointDeclarations house;
    ASSERT_TRUE(
        house
            .parse("TRACEPOINT_EVENT(house, door_opened, TP_ARGS(uint64_t, door, const char*, who),"
                   "TP_FIELDS(ctf_integer(uint64_t, door, door) ctf_string(who, who)))"
                   "TRACEPOINT_EVENT(house, door_closed, TP_ARGS(uint64_t, door, const char*, who, int, slammed),"
                   "TP_FIELDS(ctf_integer(uint64_t, door, door) ctf_string(who, who)"
                   "ctf_integer(int, slammed, slammed)))",
                   "house.tp")
            .empty());
    expect_sound(block_of(text_of(root() / "docs" / "language.md"), "// A door is closed"), "door.dot", house);
}

TEST(Documentation, TheExampleOfTemporalLogicIsSound) {
    TracepointDeclarations ours;
    ASSERT_TRUE(ours.read_folder(root() / "tracepoints").empty());
    expect_sound(block_of(text_of(root() / "dot" / "README.md"), "# Every call is answered"), "answered.ltl", ours);
}

TEST(Documentation, TheLanguageReferenceNamesEveryDiagnostic) {
    const std::string page = text_of(root() / "docs" / "language.md");
    const std::regex code_in_brackets(R"(\[([a-z]+(?:-[a-z]+)*)\]\n)");
    std::set<std::string> codes;
    for (const auto& entry : fs::directory_iterator(root() / "dot" / "bad")) {
        if (entry.path().extension() != ".expected") continue;
        const std::string text = text_of(entry.path());
        for (std::sregex_iterator match(text.begin(), text.end(), code_in_brackets), end; match != end; ++match)
            codes.insert((*match)[1]);
    }
    EXPECT_GT(codes.size(), 40U);
    for (const std::string& code : codes) EXPECT_NE(page.find("| `" + code + "` |"), std::string::npos) << code;
}

}  // namespace
}  // namespace lockstep::codegen
