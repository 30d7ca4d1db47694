#include "nfs_server/base/worker_number.hpp"

#include <gtest/gtest.h>

#include <barrier>
#include <set>
#include <thread>
#include <vector>

namespace lockstep::server {
namespace {

TEST(WorkerNumber, StaysUntilItIsGivenUp) {
    const std::size_t number = worker_number();
    EXPECT_EQ(worker_number(), number);
    give_up_worker_number();
    std::jthread([&] { EXPECT_EQ(worker_number(), number) << "the lowest that is free"; }).join();
    EXPECT_EQ(worker_number(), number) << "that thread has ended";
}

TEST(WorkerNumber, ThreadsThatWorkAtATimeHaveDifferentOnesAndFew) {
    constexpr std::size_t count = 8;
    give_up_worker_number();
    for (int round = 0; round < 3; ++round) {
        std::barrier all_have_one(count);
        std::vector<std::size_t> found(count);
        {
            std::vector<std::jthread> threads;
            for (std::size_t i = 0; i < count; ++i)
                threads.emplace_back([&, i] {
                    found[i] = worker_number();
                    all_have_one.arrive_and_wait();
                });
        }
        const std::set<std::size_t> different(found.begin(), found.end());
        EXPECT_EQ(different.size(), count);
        EXPECT_LT(*different.rbegin(), count);
    }
}

TEST(WorkerNumber, GivingUpNoneChangesNothing) {
    give_up_worker_number();
    give_up_worker_number();
    const std::size_t number = worker_number();
    std::jthread([&] { EXPECT_NE(worker_number(), number); }).join();
}

}  // namespace
}  // namespace lockstep::server
