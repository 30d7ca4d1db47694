#include "nfs_server/fs/reaper.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <set>

namespace lockstep::server::fs {
namespace {

// An operation that finds no space drains and is tried again: space that the thread is about to free must count.
TEST(Reaper, DrainingWaitsForWhatTheThreadHasInItsHands) {
    for (int round = 0; round < 20; ++round) {
        std::atomic<bool> has_begun = false, drains = false, has_ended = false;
        Reaper reaper([&](std::uint64_t) -> Outcome<bool> {
            has_begun = true;
            while (!drains) std::this_thread::yield();
            for (int i = 0; i < 50; ++i) std::this_thread::yield();
            has_ended = true;
            return true;
        });
        reaper.add(7);
        reaper.start_thread();
        while (!has_begun) std::this_thread::yield();
        drains = true;
        ASSERT_TRUE(reaper.drain());
        EXPECT_TRUE(has_ended);
    }
}

TEST(Reaper, WhatFailedStaysQueued) {
    int failures = 2;
    std::multiset<std::uint64_t> done;
    Reaper reaper([&](std::uint64_t inode) -> Outcome<bool> {
        if (inode == 7 && failures-- > 0) return fail(Error(Error::io));
        done.insert(inode);
        return true;
    });
    reaper.add(7);
    reaper.add(7);
    reaper.add(8);
    EXPECT_FALSE(reaper.drain());
    EXPECT_FALSE(reaper.drain());
    EXPECT_TRUE(*reaper.drain());
    EXPECT_EQ((std::multiset<std::uint64_t>{7, 8}), done);
    EXPECT_FALSE(*reaper.drain()) << "nothing was queued";
}

}  // namespace
}  // namespace lockstep::server::fs
