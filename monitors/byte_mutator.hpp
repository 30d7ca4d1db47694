// Seeded damage to bytes, for tests that run a fuzz target without libFuzzer. LOCKSTEP_FUZZ_SEED and
// LOCKSTEP_FUZZ_ROUNDS let them run longer; LOCKSTEP_FUZZ_KEEP names a file that holds the input that runs.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

namespace lockstep::monitors {

// The files of a folder with this ending, in the order of their names.
inline std::vector<std::string> read_corpus(const std::filesystem::path& folder, const std::string& extension) {
    std::vector<std::filesystem::path> files;
    for (const auto& entry : std::filesystem::directory_iterator(folder))
        if (entry.path().extension() == extension) files.push_back(entry.path());
    std::ranges::sort(files);
    std::vector<std::string> texts;
    for (const auto& file : files) {
        std::ifstream stream(file, std::ios::binary);
        texts.emplace_back(std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>());
    }
    return texts;
}

class ByteMutator {
 public:
    // `texts` is borrowed, and not empty; `words` are put in now and then.
    ByteMutator(const std::vector<std::string>& texts, std::vector<std::string> words, unsigned rounds)
        : texts_(texts),
          words_(std::move(words)),
          seed_(number_of("LOCKSTEP_FUZZ_SEED", 20261121)),
          rounds_(number_of("LOCKSTEP_FUZZ_ROUNDS", rounds)),
          random_(seed_) {
        std::printf("seed %u, %u rounds\n", seed_, rounds_);
    }

    // Runs `target(text)` over as many mutations as there are rounds.
    template <class Target>
    void run(Target target) {
        for (unsigned round = 0; round < rounds_; ++round) {
            const std::string text = next();
            if (const char* keep = std::getenv("LOCKSTEP_FUZZ_KEEP")) std::ofstream(keep, std::ios::binary) << text;
            target(text);
        }
    }

 private:
    static unsigned number_of(const char* variable, unsigned otherwise) {
        const char* text = std::getenv(variable);
        return text == nullptr ? otherwise : static_cast<unsigned>(std::strtoul(text, nullptr, 10));
    }

    std::size_t below(std::size_t limit) { return limit == 0 ? 0 : random_() % limit; }

    std::string next() {
        std::string text = texts_[below(texts_.size())];
        for (std::size_t changes = 1 + below(5); changes > 0; --changes) mutate(text);
        return text;
    }

    void mutate(std::string& text) {
        const std::size_t at = below(text.size() + 1);
        const std::size_t length = std::min(below(40), text.size() - at);
        switch (below(7)) {
            case 0:
            case 1:
                if (at < text.size()) text[at] = static_cast<char>(text[at] ^ (1 << below(8)));
                break;
            case 2:
                if (at < text.size()) text[at] = static_cast<char>(random_());
                break;
            case 3:
                text.erase(at, length);
                break;
            case 4:
                text.insert(at, text.substr(below(text.size() + 1), below(60)));
                break;
            case 5: {
                const std::string& other = texts_[below(texts_.size())];
                text.replace(at, length, other.substr(below(other.size() + 1), below(100)));
                break;
            }
            default:
                text.replace(at, length, words_[below(words_.size())]);
                break;
        }
    }

    const std::vector<std::string>& texts_;
    std::vector<std::string> words_;
    unsigned seed_, rounds_;
    std::mt19937 random_;
};

}  // namespace lockstep::monitors
