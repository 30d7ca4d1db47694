#include "nfs_server/base/unique_ids.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <mutex>
#include <thread>
#include <vector>

namespace lockstep::server {
namespace {

TEST(UniqueIds, NoNumberIsGivenTwiceToWhateverThread) {
    struct OfThisTest {};
    std::mutex mutex;
    std::vector<uint64_t> all;
    const auto take_many = [&] {
        std::vector<uint64_t> mine;
        for (int i = 0; i < 1003; ++i) mine.push_back(next_unique_id<OfThisTest>());
        const std::lock_guard hold(mutex);
        all.insert(all.end(), mine.begin(), mine.end());
    };
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) threads.emplace_back(take_many);
    for (std::thread& thread : threads) thread.join();
    std::ranges::sort(all);
    EXPECT_EQ(std::ranges::adjacent_find(all), all.end());
    EXPECT_EQ(all.size(), 4012u);
    EXPECT_GT(all.front(), 0u);
}

TEST(UniqueIds, SequencesCountForThemselves) {
    struct OneOfThisTest {};
    struct OtherOfThisTest {};
    EXPECT_EQ(next_unique_id<OneOfThisTest>(), next_unique_id<OtherOfThisTest>());
}

}  // namespace
}  // namespace lockstep::server
