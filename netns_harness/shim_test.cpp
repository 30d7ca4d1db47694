// The shim, called as a program would call it: the library is loaded and its functions are looked up in it.
#include <dlfcn.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <set>

#include "netns_harness/shim_control.hpp"

namespace lockstep::harness {
namespace {

namespace fs = std::filesystem;

// The library looks at its environment once in a process: all tests share one shim, and leave it as they found it.
class SharedShim {
 public:
    SharedShim() {
        char name[] = "/tmp/lockstep-shim-test-XXXXXX";
        directory = mkdtemp(name);
        write_file(disk_path(), "");
        const char* build = std::getenv("LOCKSTEP_BUILD_DIR");
        const std::string library = std::string(build != nullptr ? build : ".") + "/lib/liblockstep_shim.so";
        shim = std::make_unique<Shim>(
            ShimOptions{.library = library, .stem = directory / "server", .disk = disk_path(), .power_cuts = true});
        Environment environment;
        shim->add_to(environment);
        for (const auto& [variable, value] : environment)
            if (variable != "LD_PRELOAD") setenv(variable.c_str(), value.c_str(), 1);
        handle = dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
        if (handle == nullptr) throw Error(dlerror());
    }
    ~SharedShim() { fs::remove_all(directory); }

    std::string disk_path() const { return directory / "disk"; }
    template <class Function>
    Function* function(const char* name) const {
        return reinterpret_cast<Function*>(dlsym(handle, name));
    }

    fs::path directory;
    std::unique_ptr<Shim> shim;
    void* handle = nullptr;
};

SharedShim& shared() {
    static SharedShim made;
    return made;
}

class ShimTest : public testing::Test {
 protected:
    ShimTest() : disk_(open(shared().disk_path().c_str(), O_RDWR | O_CLOEXEC)) {}

    ssize_t write(char letter, std::size_t size, off_t offset, int file = -1) {
        std::string bytes(size, letter);
        const iovec piece{bytes.data(), bytes.size()};
        return shared().function<decltype(pwritev)>("pwritev")(file < 0 ? disk_.get() : file, &piece, 1, offset);
    }
    ssize_t read(std::size_t size, off_t offset) {
        std::string bytes(size, 0);
        const iovec piece{bytes.data(), bytes.size()};
        return shared().function<decltype(preadv)>("preadv")(disk_.get(), &piece, 1, offset);
    }
    int barrier() { return shared().function<decltype(fdatasync)>("fdatasync")(disk_.get()); }
    static shim::Control& control() { return shared().shim->control(); }

    // What each sector of the disk holds; '?' when it is torn within.
    static std::string sectors() {
        const std::string all = read_file(shared().disk_path());
        std::string letters;
        for (std::size_t at = 0; at < all.size(); at += shim::sector_bytes) {
            const std::string sector = all.substr(at, shim::sector_bytes);
            letters += sector == std::string(sector.size(), sector[0]) ? sector[0] : '?';
        }
        return letters;
    }

    Fd disk_;
};

TEST_F(ShimTest, ToldNothingItPassesEverythingOn) {
    EXPECT_EQ(write('a', 4096, 0), 4096);
    EXPECT_EQ(read(4096, 0), 4096);
    EXPECT_EQ(barrier(), 0);
    EXPECT_EQ(control().failed + control().refused + control().delayed, 0U);
}

TEST_F(ShimTest, AFailingDiskFailsAsOftenAsAskedAndNoOtherFile) {
    control().failing_percent = 100;
    EXPECT_EQ(write('a', 512, 0), -1);
    EXPECT_EQ(errno, EIO);
    EXPECT_EQ(read(512, 0), -1);
    EXPECT_EQ(barrier(), -1);
    const Fd other(open((shared().directory / "other").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    EXPECT_EQ(write('a', 512, 0, other.get()), 512);
    control().failing_percent = 30;
    const std::uint64_t before = control().failed;
    for (int i = 0; i < 1000; ++i) read(1, 0);
    EXPECT_NEAR(static_cast<double>(control().failed - before), 300, 60);
    control().failing_percent = 0;
    EXPECT_EQ(write('a', 512, 0), 512);
}

TEST_F(ShimTest, AFullDiskRefusesWritesAndIsReadAllTheSame) {
    write('a', 512, 0);
    control().full = 1;
    EXPECT_EQ(write('b', 512, 0), -1);
    EXPECT_EQ(errno, ENOSPC);
    EXPECT_EQ(read(512, 0), 512);
    control().full = 0;
    EXPECT_EQ(write('b', 512, 0), 512);
}

TEST_F(ShimTest, ASlowDiskTakesSoMuchLonger) {
    control().delay_ns = 20'000'000;
    const auto begin = Clock::now();
    EXPECT_EQ(barrier(), 0);
    EXPECT_GE(Clock::now() - begin, milliseconds(20));
    control().delay_ns = 0;
    control().barrier_delay_ns = 20'000'000;
    const auto later = Clock::now();
    EXPECT_EQ(barrier(), 0);
    EXPECT_GE(Clock::now() - later, milliseconds(20));
    const std::uint64_t delayed = control().delayed;
    read(1, 0);
    EXPECT_EQ(control().delayed, delayed) << "a read is none";
    control().barrier_delay_ns = 0;
}

TEST_F(ShimTest, APowerCutLosesAnyPartOfWhatNoBarrierFollowedAndNothingElse) {
    std::set<std::string> outcomes;
    for (std::uint64_t seed = 1; seed <= 200; ++seed) {
        ASSERT_EQ(write('a', 4 * 512, 0), 4 * 512);
        ASSERT_EQ(barrier(), 0);
        ASSERT_EQ(write('b', 2 * 512, 512), 2 * 512);  // the second and the third sector
        ASSERT_EQ(write('c', 512, 2 * 512), 512);      // the third again
        workloads::Random random(seed, 0);
        shared().shim->cut_power(random);
        outcomes.insert(sectors().substr(0, 4));
        ASSERT_EQ(shared().shim->cut_power(random), 0U) << "it is cut once";
    }
    const std::set<std::string> possible{"aaaa", "aaba", "aaca", "abaa", "abba", "abca"};
    EXPECT_EQ(outcomes, possible) << "every mixture of old and new, by sectors";
}

TEST_F(ShimTest, AfterABarrierAPowerCutLosesNothing) {
    for (std::uint64_t seed = 1; seed <= 50; ++seed) {
        write('a', 2048, 0);
        write('b', 2048, 0);
        ASSERT_EQ(barrier(), 0);
        workloads::Random random(seed, 0);
        EXPECT_EQ(shared().shim->cut_power(random), 0U);
        EXPECT_EQ(sectors().substr(0, 4), "bbbb");
    }
}

TEST_F(ShimTest, TheRealTimeClockJumpsAndTheOthersDoNot) {
    const auto read_clock = [](clockid_t clock) {
        timespec now{};
        shared().function<decltype(clock_gettime)>("clock_gettime")(clock, &now);
        return now.tv_sec;
    };
    const time_t real = read_clock(CLOCK_REALTIME), steady = read_clock(CLOCK_MONOTONIC);
    control().clock_offset_ns = -3'600'000'000'000;
    EXPECT_NEAR(static_cast<double>(read_clock(CLOCK_REALTIME) - real), -3600, 2);
    EXPECT_NEAR(static_cast<double>(shared().function<decltype(time)>("time")(nullptr) - real), -3600, 2);
    EXPECT_NEAR(static_cast<double>(read_clock(CLOCK_MONOTONIC) - steady), 0, 2);
    EXPECT_EQ(control().clock_readings, 2U);
    control().clock_offset_ns = 0;
    EXPECT_NEAR(static_cast<double>(read_clock(CLOCK_REALTIME) - real), 0, 2);
}

}  // namespace
}  // namespace lockstep::harness
