#include "netns_harness/dlm/resource.hpp"

#include <gtest/gtest.h>

#include "netns_harness/workloads/random.hpp"

namespace lockstep::dlm {
namespace {

constexpr Owner a = 1;
constexpr Owner b = 2;
constexpr Owner c = 3;

TEST(LockModes, CompatibilityIsSymmetricAndEachModeForbidsWhatWeakerOnesForbid) {
    constexpr Mode all[] = {Mode::NL, Mode::CR, Mode::CW, Mode::PR, Mode::PW, Mode::EX};
    for (const Mode one : all)
        for (const Mode other : all) {
            EXPECT_EQ(compatible(one, other), compatible(other, one));
            EXPECT_TRUE(compatible(Mode::NL, other));
            EXPECT_EQ(compatible(Mode::EX, other), other == Mode::NL);
            const bool beside_weaker = compatible(Mode::PR, other) && compatible(Mode::CW, other);
            EXPECT_TRUE(beside_weaker || !compatible(Mode::PW, other)) << name_of(other);
        }
    EXPECT_TRUE(compatible(Mode::CW, Mode::CW));
    EXPECT_TRUE(compatible(Mode::PR, Mode::PR));
    EXPECT_FALSE(compatible(Mode::PW, Mode::PW));
    EXPECT_FALSE(compatible(Mode::CW, Mode::PR));
}

TEST(Resource, IncompatibleRequestsWaitAndAreGrantedInTheirOrder) {
    Resource resource;
    EXPECT_EQ(resource.ask(a, 1, Mode::EX, true), Answer::granted);
    EXPECT_EQ(resource.ask(b, 1, Mode::PR, true), Answer::waits);
    EXPECT_EQ(resource.ask(c, 1, Mode::PR, true), Answer::waits);
    EXPECT_TRUE(resource.grant_waiters().empty());
    EXPECT_TRUE(resource.release(a));
    EXPECT_EQ(resource.grant_waiters(), (std::vector<Grant>{{b, 1}, {c, 1}}));
}

TEST(Resource, AReaderDoesNotPassAWriterThatWaits) {
    Resource resource;
    resource.ask(a, 1, Mode::PR, true);
    EXPECT_EQ(resource.ask(b, 1, Mode::EX, true), Answer::waits);
    EXPECT_EQ(resource.ask(c, 1, Mode::PR, true), Answer::waits);
    EXPECT_EQ(resource.ask(4, 1, Mode::PR, false), Answer::busy);
    EXPECT_EQ(resource.ask(5, 1, Mode::NL, false), Answer::granted);
}

TEST(Resource, AConversionGoesBeforeNewcomersAndKeepsItsModeUntilThen) {
    Resource resource;
    resource.ask(a, 1, Mode::PR, true);
    resource.ask(b, 1, Mode::PR, true);
    EXPECT_EQ(resource.ask(c, 1, Mode::EX, true), Answer::waits);
    EXPECT_EQ(resource.ask(a, 2, Mode::EX, true), Answer::waits);
    EXPECT_EQ(resource.holders().at(a), Mode::PR);
    resource.release(b);
    EXPECT_EQ(resource.grant_waiters(), (std::vector<Grant>{{a, 2}}));
    EXPECT_EQ(resource.holders().at(a), Mode::EX);
}

TEST(Resource, TwoThatWaitToConvertForEachOtherAreADeadlock) {
    Resource resource;
    resource.ask(a, 1, Mode::PR, true);
    resource.ask(b, 1, Mode::PR, true);
    EXPECT_EQ(resource.ask(a, 2, Mode::EX, true), Answer::waits);
    EXPECT_EQ(resource.ask(b, 2, Mode::EX, true), Answer::deadlock);
    EXPECT_EQ(resource.ask(b, 3, Mode::EX, false), Answer::busy);
    EXPECT_EQ(resource.ask(b, 4, Mode::NL, true), Answer::granted);
    EXPECT_EQ(resource.grant_waiters(), (std::vector<Grant>{{a, 2}}));
}

TEST(Resource, WhatIsWithdrawnIsNotGranted) {
    Resource resource;
    resource.ask(a, 1, Mode::EX, true);
    resource.ask(b, 7, Mode::EX, true);
    EXPECT_FALSE(resource.withdraw(b, 8));
    EXPECT_TRUE(resource.withdraw(b, 7));
    EXPECT_FALSE(resource.withdraw(b, 7));
    resource.release(a);
    EXPECT_TRUE(resource.grant_waiters().empty());
    EXPECT_TRUE(resource.unused());
}

TEST(Resource, TheDeliberateFaultGrantsWhatIsIncompatible) {
    Resource resource([] { return true; });
    resource.ask(a, 1, Mode::EX, true);
    EXPECT_EQ(resource.ask(b, 1, Mode::EX, true), Answer::granted);
}

// What a random history does, beside the resource: who waits, for which mode.
class History {
 public:
    explicit History(std::uint64_t seed) : random_(seed, 1) {}

    void step() {
        const Owner owner = 1 + random_.below(6);
        if (waiting_.contains(owner))
            random_.one_in(2) ? withdraw(owner) : void();
        else if (resource_.holders().contains(owner) && random_.one_in(2))
            resource_.release(owner);
        else
            ask(owner);
        take_grants();
    }

    void expect_sound() const {
        const auto& holders = resource_.holders();
        for (const auto& [one, mode] : holders)
            for (const auto& [other, other_mode] : holders)
                EXPECT_TRUE(one == other || compatible(mode, other_mode))
                    << name_of(mode) << ' ' << name_of(other_mode);
        for (const auto& [owner, mode] : waiting_)
            EXPECT_FALSE(holders.contains(owner) && fits(owner, mode)) << name_of(mode) << " waits for nothing";
    }

    // Holders that wait for nothing let go until all is quiet.
    void drain() {
        for (int rounds = 0; rounds < 100 && !resource_.unused(); ++rounds) {
            std::vector<Owner> idle;
            for (const auto& [owner, mode] : resource_.holders())
                if (!waiting_.contains(owner)) idle.push_back(owner);
            ASSERT_FALSE(idle.empty()) << "all that hold wait for each other";
            for (const Owner owner : idle) resource_.release(owner);
            take_grants();
        }
        EXPECT_TRUE(resource_.unused());
        EXPECT_TRUE(waiting_.empty());
    }

    std::uint64_t waits() const { return waits_; }
    std::uint64_t deadlocks() const { return deadlocks_; }

 private:
    bool fits(Owner owner, Mode mode) const {
        for (const auto& [other, held] : resource_.holders())
            if (other != owner && !compatible(mode, held)) return false;
        return true;
    }

    void ask(Owner owner) {
        const Mode mode = static_cast<Mode>(random_.below(6));
        const Answer answer = resource_.ask(owner, ++request_, mode, !random_.one_in(4));
        if (answer == Answer::deadlock) ++deadlocks_;
        if (answer != Answer::waits) return;
        ++waits_;
        waiting_[owner] = mode;
        requests_[owner] = request_;
    }

    void withdraw(Owner owner) {
        EXPECT_TRUE(resource_.withdraw(owner, requests_[owner]));
        waiting_.erase(owner);
    }

    void take_grants() {
        for (const Grant& grant : resource_.grant_waiters()) {
            EXPECT_TRUE(waiting_.contains(grant.owner));
            EXPECT_EQ(grant.request, requests_[grant.owner]);
            EXPECT_EQ(resource_.holders().at(grant.owner), waiting_[grant.owner]);
            waiting_.erase(grant.owner);
        }
    }

    workloads::Random random_;
    Resource resource_;
    std::map<Owner, Mode> waiting_;
    std::map<Owner, std::uint32_t> requests_;
    std::uint32_t request_ = 0;
    std::uint64_t waits_ = 0;
    std::uint64_t deadlocks_ = 0;
};

TEST(Resource, InRandomHistoriesHoldersAreCompatibleAndNobodyWaitsForNothingOrForEver) {
    std::uint64_t waits = 0;
    std::uint64_t deadlocks = 0;
    for (std::uint64_t seed = 1; seed <= 200; ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        History history(seed);
        for (int steps = 0; steps < 200; ++steps) {
            history.step();
            history.expect_sound();
        }
        history.drain();
        waits += history.waits();
        deadlocks += history.deadlocks();
    }
    EXPECT_GT(waits, 1000U);
    EXPECT_GT(deadlocks, 10U);
}

}  // namespace
}  // namespace lockstep::dlm
