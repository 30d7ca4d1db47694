// Runs the fuzz targets over the corpus (codegen/corpus, dot, dot/bad) and over seeded mutations of it: what a compiler
// without libFuzzer can do. LOCKSTEP_FUZZ_SEED and LOCKSTEP_FUZZ_ROUNDS let it run longer.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>

extern "C" int lockstep_dot_fuzz(const std::uint8_t* data, std::size_t size);
extern "C" int lockstep_expression_fuzz(const std::uint8_t* data, std::size_t size);
extern "C" unsigned lockstep_expressions_evaluated();

namespace lockstep::codegen {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> corpus() {
    const fs::path root = std::getenv("LOCKSTEP_SOURCE_DIR");
    std::vector<fs::path> files;
    for (const fs::path& folder : {root / "codegen" / "corpus", root / "dot", root / "dot" / "bad"})
        for (const auto& entry : fs::directory_iterator(folder))
            if (entry.path().extension() == ".dot" || entry.path().extension() == ".ltl") files.push_back(entry.path());
    std::ranges::sort(files);
    std::vector<std::string> texts;
    for (const fs::path& file : files) {
        std::ifstream stream(file, std::ios::binary);
        texts.emplace_back(std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>());
    }
    return texts;
}

void run(const std::string& text) {
    lockstep_dot_fuzz(reinterpret_cast<const std::uint8_t*>(text.data()), text.size());
}

unsigned number_of(const char* variable, unsigned otherwise) {
    const char* text = std::getenv(variable);
    return text == nullptr ? otherwise : static_cast<unsigned>(std::strtoul(text, nullptr, 10));
}

class Mutator {
 public:
    Mutator(unsigned seed, const std::vector<std::string>& texts) : random_(seed), texts_(texts) {}

    std::string next() {
        std::string text = texts_[below(texts_.size())];
        for (std::size_t i = below(6); i < 6; ++i) mutate(text);
        return text;
    }

 private:
    std::size_t below(std::size_t limit) { return limit == 0 ? 0 : random_() % limit; }

    void mutate(std::string& text) {
        static constexpr std::array<std::string_view, 42> words = {"{",           "}",
                                                                   "[",           "]",
                                                                   ";",           "\"",
                                                                   "/*",          "*/",
                                                                   "//",          "->",
                                                                   "=",           ":=",
                                                                   ":",           "\\n",
                                                                   "\\l",         "\\",
                                                                   "(",           ")",
                                                                   "!",           "&&",
                                                                   "||",          "in",
                                                                   "size(",       "reset(",
                                                                   "start",       "when",
                                                                   "per ",        "label=",
                                                                   "shape=note",  "__init_",
                                                                   "subgraph",    "strict ",
                                                                   "digraph x {", "node [",
                                                                   "edge [",      "+",
                                                                   "<b>",         "18446744073709551616",
                                                                   "-1",          "5ms",
                                                                   "'",           "accept: "};
        const std::size_t at = below(text.size() + 1);
        const std::size_t length = std::min(below(30), text.size() - at);
        switch (below(6)) {
            case 0:
                text.insert(at, words[below(words.size())]);
                break;
            case 1:
                text.erase(at, length);
                break;
            case 2:
                text.insert(at, text.substr(below(text.size() + 1), below(60)));
                break;
            case 3:
                if (at < text.size()) text[at] = static_cast<char>(random_());
                break;
            case 4: {
                const std::string& other = texts_[below(texts_.size())];
                text.replace(at, length, other.substr(below(other.size() + 1), below(200)));
                break;
            }
            default:
                text.replace(at, length, words[below(words.size())]);
                break;
        }
    }

    std::mt19937 random_;
    const std::vector<std::string>& texts_;
};

TEST(DotFuzz, TheCorpusDoesNoHarm) {
    const auto texts = corpus();
    EXPECT_GT(texts.size(), 50U);
    for (const std::string& text : texts) run(text);
}

TEST(DotFuzz, EveryBeginningOfAFileDoesNoHarm) {
    for (const std::string& text : corpus())
        for (std::size_t length = 0; length < text.size(); length += 1 + text.size() / 40) run(text.substr(0, length));
}

TEST(DotFuzz, MutationsDoNoHarm) {
    const unsigned seed = number_of("LOCKSTEP_FUZZ_SEED", 20240611);
    const unsigned rounds = number_of("LOCKSTEP_FUZZ_ROUNDS", 2000);
    std::printf("seed %u, %u rounds\n", seed, rounds);
    const auto texts = corpus();
    Mutator mutator(seed, texts);
    for (unsigned round = 0; round < rounds; ++round) {
        const std::string text = mutator.next();
        // What was running when the process died.
        if (const char* keep = std::getenv("LOCKSTEP_FUZZ_KEEP")) std::ofstream(keep, std::ios::binary) << text;
        run(text);
    }
}

// Clauses of every kind, and the expressions that people got wrong.
std::vector<std::string> expressions() {
    return {
        "a + b * 3 - 1 >= 18446744073709551615 % 7 || -b < -9223372036854775807 - 1 && a / 3 == 0",
        "!(who in s) && size(m) <= 2 || empty(r); insert(s, who); m[who] = mode + 1; n += b; u = n * n * n",
        "compatible(mode, EX) && compatible(mode % 6, m) && compatible(mode % 6, m, who); erase(m, who)",
        "!conflicts(r, who, a, a + 10, PR) && !leaves_empty(r, who, 0, a); lock(r, who, a, 18446744073709551615, mode)",
        "c < 5ms && c >= 0ns; reset(c); unlock(r, who, a - 1, a); clear(s); f = m[who] == 3; n -= b; f = !f",
        "((((((((a == 1)))))))); m[who] = m[who]",
        "who == 'x' || who != \"y\"; erase(r, who); erase(s, 'x'); n = a"};
}

TEST(ExpressionFuzz, MutationsDoNoHarm) {
    const unsigned seed = number_of("LOCKSTEP_FUZZ_SEED", 20240612);
    const unsigned rounds = number_of("LOCKSTEP_FUZZ_ROUNDS", 2000);
    std::printf("seed %u, %u rounds\n", seed, rounds);
    const auto texts = expressions();
    const auto evaluate = [](const std::string& text) {
        lockstep_expression_fuzz(reinterpret_cast<const std::uint8_t*>(text.data()), text.size());
    };
    for (const std::string& text : texts) evaluate(text);
    EXPECT_EQ(lockstep_expressions_evaluated(), texts.size());
    Mutator mutator(seed, texts);
    for (unsigned round = 0; round < rounds; ++round) {
        const std::string text = mutator.next();
        if (const char* keep = std::getenv("LOCKSTEP_FUZZ_KEEP")) std::ofstream(keep, std::ios::binary) << text;
        evaluate(text);
    }
    EXPECT_GT(lockstep_expressions_evaluated(), rounds / 100) << "hardly any mutation was sound";
}

}  // namespace
}  // namespace lockstep::codegen
