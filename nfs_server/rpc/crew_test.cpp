// Who of the threads is at work. With threads of the test's own, so that nothing depends on time but the lookout.
#include "nfs_server/rpc/crew.hpp"

#include <gtest/gtest.h>

#include <future>
#include <vector>

#include "nfs_server/base/worker_number.hpp"

namespace lockstep::server::rpc {
namespace {

// A member of a crew that does what it is told, one thing at a time.
class Member {
 public:
    explicit Member(Crew& crew) : crew_(crew) {}
    ~Member() {
        if (thread_.joinable()) thread_.join();
    }
    // Joins, finds work, does `work`, and comes back for a place; tells of both places.
    template <class Work>
    void start(Work work) {
        thread_ = std::thread([this, work] {
            if (!crew_.join()) return;
            crew_.found_work();
            joined_.set_value();
            work();
            if (crew_.join()) rejoined_.set_value();
        });
    }
    void await_joined() { joined_.get_future().wait(); }
    void await_rejoined() { rejoined_.get_future().wait(); }

 private:
    Crew& crew_;
    std::promise<void> joined_;
    std::promise<void> rejoined_;
    std::thread thread_;
};

TEST(Crew, WhoeverWaitsAndSaysSoLetsAnotherWork) {
    std::atomic<uint32_t> idle_threads{0};
    Crew crew(1, idle_threads);
    std::promise<void> disk;
    std::shared_future<void> answered = disk.get_future().share();
    Member first(crew);
    Member second(crew);
    first.start([answered] {
        about_to_wait();
        answered.wait();
    });
    first.await_joined();
    second.start([] {});
    second.await_joined();
    disk.set_value();
    second.await_rejoined();
    crew.stop();
}

// So that those at work have the lowest, however many threads take turns.
TEST(Crew, WhoIsParkedHasNoWorkerNumber) {
    std::atomic<uint32_t> idle_threads{1};  // somebody looks at the sockets: the lookout grants no place
    Crew crew(1, idle_threads);
    give_up_worker_number();
    std::atomic<size_t> number_of_first{0};
    std::promise<void> first_has_left, second_has_joined, second_may_end;
    Member first(crew);
    Member second(crew);
    first.start([&] {
        number_of_first = worker_number();
        about_to_wait();
        first_has_left.set_value();
        second_has_joined.get_future().wait();
    });
    first_has_left.get_future().wait();
    second.start([&] {
        (void)worker_number();
        second_has_joined.set_value();
        second_may_end.get_future().wait();
    });
    second.await_joined();
    while (crew.parked() == 0) std::this_thread::yield();
    EXPECT_EQ(worker_number(), number_of_first);
    second_may_end.set_value();
    second.await_rejoined();
    crew.stop();
}

// The disk of the first answers only when the others have worked: without the lookout this would never end.
TEST(Crew, ThreadsThatWaitInSecretDoNotHoldUpTheOthersForEver) {
    std::atomic<uint32_t> idle_threads{0};
    Crew crew(2, idle_threads);
    constexpr size_t count = 6;
    std::promise<void> disk;
    std::shared_future<void> answered = disk.get_future().share();
    std::vector<std::unique_ptr<Member>> members;
    for (size_t i = 0; i < count; ++i) {
        members.push_back(std::make_unique<Member>(crew));
        members.back()->start([answered] { answered.wait(); });
    }
    for (auto& member : members) member->await_joined();
    disk.set_value();
    crew.stop();
}

TEST(Crew, ThreadsThatAreParkedEndWhenTheServerStops) {
    std::atomic<uint32_t> idle_threads{1};
    Crew crew(1, idle_threads);
    Member at_work(crew);
    at_work.start([] {});
    at_work.await_rejoined();
    Member parked(crew);
    parked.start([] {});
    crew.stop();
}

TEST(Crew, AWaitOutsideACrewTellsNobody) {
    about_to_wait();
}

}  // namespace
}  // namespace lockstep::server::rpc
