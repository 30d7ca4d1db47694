#include "netns_harness/resources.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "netns_harness/system.hpp"

namespace lockstep::harness {
namespace {

double own_cpu_s() {
    timespec used{};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return static_cast<double>(used.tv_sec) + static_cast<double>(used.tv_nsec) / 1e9;
}

void use_cpu(double seconds) {
    const double end = own_cpu_s() + seconds;
    while (own_cpu_s() < end) {
    }
}

TEST(Resources, ADescriptorMoreIsCounted) {
    const Held before = held_by(getpid());
    const Fd one(open("/dev/null", O_RDONLY | O_CLOEXEC));
    EXPECT_EQ(held_by(getpid()).descriptors, before.descriptors + 1);
    EXPECT_GT(before.resident_kib, 500U);
}

TEST(Resources, AProcessThatIsGoneHoldsNothing) {
    const pid_t gone = fork();
    if (gone == 0) _exit(0);
    ASSERT_EQ(waitpid(gone, nullptr, 0), gone);
    EXPECT_EQ(held_by(gone).resident_kib, 0U);
    EXPECT_EQ(held_by(gone).descriptors, 0U);
}

TEST(Resources, AChildsTimeCountsAsAProgramsAlsoWhenItHasEnded) {
    const CpuUse before = cpu_use();
    const pid_t child = fork();
    if (child == 0) {
        use_cpu(0.1);
        _exit(0);
    }
    ASSERT_EQ(waitpid(child, nullptr, 0), child);
    EXPECT_GE((cpu_use() - before).programs_s, 0.07);
    use_cpu(0.1);
    EXPECT_GE((cpu_use() - before).harness_s, 0.07);
}

TEST(Resources, ProcessesAndTheirNamespacesAreCounted) {
    const Crowd crowd = count_processes();
    EXPECT_GE(crowd.processes, 1U);
    EXPECT_GE(crowd.network_namespaces, 1U);
    EXPECT_LE(crowd.network_namespaces, crowd.processes);
}

}  // namespace
}  // namespace lockstep::harness
