// Damaged images do no harm: the corpus, and damage from a seed. LOCKSTEP_FUZZ_SEED and LOCKSTEP_FUZZ_ROUNDS let it run
// longer.
#include <gtest/gtest.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <vector>

extern "C" int lockstep_image_fuzz(const std::uint8_t* data, std::size_t size);

namespace {

std::uint64_t number_from(const char* name, std::uint64_t otherwise) {
    const char* text = std::getenv(name);
    return text ? std::stoull(text) : otherwise;
}

// Metadata lies at the beginning of the disk and of its data: that is where most damage is done.
std::vector<std::uint8_t> damage(std::mt19937_64& random) {
    std::vector<std::uint8_t> input{static_cast<std::uint8_t>(random())};
    for (std::size_t changes = 1 + random() % 6; changes > 0; --changes) {
        const std::uint16_t block = static_cast<std::uint16_t>(random() % (random() % 2 == 0 ? 130 : 640));
        const std::uint16_t offset = static_cast<std::uint16_t>(random() % 4 == 0 ? random() % 64 : random());
        const std::uint32_t values[] = {0,
                                        1,
                                        2,
                                        0x7fffffff,
                                        0xffffffff,
                                        static_cast<std::uint32_t>(random() % 1024),
                                        static_cast<std::uint32_t>(random())};
        const std::uint32_t value = values[random() % std::size(values)];
        for (int shift = 0; shift < 16; shift += 8) input.push_back(static_cast<std::uint8_t>(block >> shift));
        for (int shift = 0; shift < 16; shift += 8) input.push_back(static_cast<std::uint8_t>(offset >> shift));
        for (int shift = 0; shift < 32; shift += 8) input.push_back(static_cast<std::uint8_t>(value >> shift));
    }
    return input;
}

TEST(ImageFuzz, TheCorpusDoesNoHarm) {
    const char* root = std::getenv("LOCKSTEP_SOURCE_DIR");
    std::size_t files = 0;
    for (const auto& entry :
         std::filesystem::directory_iterator(std::string(root ? root : ".") + "/nfs_server/explore/corpus")) {
        std::ifstream stream(entry.path(), std::ios::binary);
        const std::vector<std::uint8_t> input{std::istreambuf_iterator<char>(stream), {}};
        SCOPED_TRACE(entry.path());
        lockstep_image_fuzz(input.data(), input.size());
        ++files;
    }
    EXPECT_GE(files, 4u);
}

TEST(ImageFuzz, DamageDoesNoHarm) {
    const std::uint64_t seed = number_from("LOCKSTEP_FUZZ_SEED", 1);
    std::printf("LOCKSTEP_FUZZ_SEED=%llu\n", static_cast<unsigned long long>(seed));
    std::mt19937_64 random(seed);
    for (std::uint64_t i = number_from("LOCKSTEP_FUZZ_ROUNDS", 150); i > 0; --i) {
        const auto input = damage(random);
        lockstep_image_fuzz(input.data(), input.size());
    }
}

}  // namespace
