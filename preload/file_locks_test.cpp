// What liblockstep_file_locks.so says of the calls of a program, this one: it is linked first, so it stands in front of
// the C library here as it does where it is preloaded. Children say what they do into the same list.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <lttng/tracepoint.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "preload/file_identity.hpp"
#include "preload/lock_registry_format.hpp"
#include "tracepoints/lock_api.tp"

namespace lockstep::preload {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// Events of this process and its children, in their order.
struct EventList {
    struct Event {
        char text[96];
        char file[64];
        char owner[128];
    };
    std::atomic<unsigned> count;
    Event events[1024];
};

EventList& list() {
    static auto* const memory = static_cast<EventList*>(
        mmap(nullptr, sizeof(EventList), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
    return *memory;
}

template <class... Values>
void note(const char* file, const char* owner, const char* format, Values... values) {
    EventList::Event& event = list().events[list().count.fetch_add(1)];
    std::snprintf(event.text, sizeof event.text, format, values...);
    std::snprintf(event.file, sizeof event.file, "%s", file);
    std::snprintf(event.owner, sizeof event.owner, "%s", owner);
}

using ull = unsigned long long;

void on_acquired(void*, const char* file, const char* owner, std::uint64_t first, std::uint64_t last,
                 std::uint8_t mode) {
    note(file, owner, "acquired %llu-%lld %s", ull{first}, static_cast<long long>(last), mode == 5 ? "EX" : "PR");
}
void on_released(void*, const char* file, const char* owner, std::uint64_t first, std::uint64_t last) {
    note(file, owner, "released %llu-%lld", ull{first}, static_cast<long long>(last));
}
void on_denied(void*, const char* file, const char* owner, std::uint64_t first, std::uint64_t last, std::uint8_t mode,
               std::uint32_t status) {
    note(file, owner, "denied %llu-%lld %s: %s", ull{first}, static_cast<long long>(last), mode == 5 ? "EX" : "PR",
         strerrorname_np(static_cast<int>(status)));
}
void on_cancelled(void*, const char* file, const char* owner, std::uint64_t first, std::uint64_t last, std::uint8_t) {
    note(file, owner, "cancelled %llu-%lld", ull{first}, static_cast<long long>(last));
}
void on_tested(void*, const char* file, const char* owner, std::uint64_t first, std::uint64_t last, std::uint8_t,
               std::uint8_t free, std::uint64_t from, std::uint64_t to) {
    note(file, owner, free != 0 ? "tested %llu-%llu free" : "tested %llu-%llu held %llu-%llu", ull{first}, ull{last},
         ull{from}, ull{to});
}

// Whole files are "0--1": the last byte of all, as a signed number.
class FileLocks : public testing::Test {
 protected:
    static void SetUpTestSuite() {
        connect("acquired", reinterpret_cast<void (*)()>(&on_acquired), lttng_ust_tracepoint_lock_api___acquired);
        connect("released", reinterpret_cast<void (*)()>(&on_released), lttng_ust_tracepoint_lock_api___released);
        connect("denied", reinterpret_cast<void (*)()>(&on_denied), lttng_ust_tracepoint_lock_api___denied);
        connect("cancelled", reinterpret_cast<void (*)()>(&on_cancelled), lttng_ust_tracepoint_lock_api___cancelled);
        connect("tested", reinterpret_cast<void (*)()>(&on_tested), lttng_ust_tracepoint_lock_api___tested);
    }
    FileLocks() : read_(list().count) {
        path_ = folder() + "/file-XXXXXX";
        close(mkstemp(path_.data()));
    }
    ~FileLocks() override { unlink(path_.c_str()); }

    static std::string folder() { return std::filesystem::path(std::getenv(registry_variable)).parent_path(); }

    int open_file(int flags = O_RDWR) const { return open(path_.c_str(), flags | O_CLOEXEC); }

    // What happened since the last call.
    std::vector<std::string> events() {
        std::vector<std::string> texts;
        for (; read_ < list().count; ++read_) texts.emplace_back(list().events[read_].text);
        return texts;
    }
    static const EventList::Event& last_event() { return list().events[list().count - 1]; }

    static int lock(int descriptor, short type, off_t start, off_t length, int command = F_SETLK,
                    short whence = SEEK_SET) {
        struct flock request {};
        request.l_type = type;
        request.l_whence = whence;
        request.l_start = start;
        request.l_len = length;
        return fcntl(descriptor, command, &request);
    }

    // Another process, until it has done that; its exit status is what it returns.
    static int in_another_process(const std::function<int()>& deed) {
        const pid_t child = fork();
        if (child == 0) _exit(deed());
        return wait_for(child);
    }
    static int wait_for(pid_t child) {
        int status = 0;
        waitpid(child, &status, 0);
        return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }

    // Another process that does that and waits to be killed.
    static pid_t begin_another(const std::function<void()>& deed) {
        int ready[2];
        EXPECT_EQ(0, pipe(ready));
        const pid_t child = fork();
        if (child == 0) {
            deed();
            (void)!write(ready[1], "", 1);
            while (true) pause();
        }
        char byte = 0;
        EXPECT_EQ(1, read(ready[0], &byte, 1));
        close(ready[0]);
        close(ready[1]);
        return child;
    }

    std::string path_;

 private:
    template <class Tracepoint>
    static void connect(const char* name, void (*probe)(), const Tracepoint& tracepoint) {
        EXPECT_EQ(0, lttng_ust_tracepoint_provider_register("lock_api", name, probe, nullptr, tracepoint.signature));
    }

    unsigned read_;
};

TEST_F(FileLocks, ARangeOfFcntlIsToldAsItsFirstAndLastByte) {
    const int file = open_file();
    ASSERT_EQ(0, ftruncate(file, 100));
    ASSERT_EQ(10, lseek(file, 10, SEEK_SET));
    ASSERT_EQ(0, lock(file, F_WRLCK, 5, 10));
    ASSERT_EQ(0, lock(file, F_RDLCK, 1000, 0));
    ASSERT_EQ(0, lock(file, F_RDLCK, 200, -3));
    ASSERT_EQ(0, lock(file, F_RDLCK, 20, 5, F_SETLKW, SEEK_CUR));
    ASSERT_EQ(0, lock(file, F_RDLCK, -1, 1, F_SETLK, SEEK_END));
    ASSERT_EQ(0, lock(file, F_UNLCK, 0, 0));
    EXPECT_THAT(events(), ElementsAre("acquired 5-14 EX", "acquired 1000--1 PR", "acquired 197-199 PR",
                                      "acquired 30-34 PR", "acquired 99-99 PR", "released 0--1"));
}

TEST_F(FileLocks, TheFileIsNamedByDeviceAndInodeAndTheOwnerByHostAndProcess) {
    const int file = open_file();
    ASSERT_EQ(0, lock(file, F_WRLCK, 0, 1));
    struct stat status {};
    fstat(file, &status);
    EXPECT_THAT(last_event().file, testing::EndsWith(":" + std::to_string(status.st_ino)));
    EXPECT_THAT(last_event().owner, testing::EndsWith("/" + std::to_string(getpid())));
    const std::string link = path_ + "-link";
    ASSERT_EQ(0, ::link(path_.c_str(), link.c_str()));
    const std::string before = last_event().file;
    const int linked = open(link.c_str(), O_RDWR);
    unlink(link.c_str());
    ASSERT_EQ(0, lock(linked, F_WRLCK, 5, 1));
    EXPECT_EQ(before, last_event().file);
}

TEST_F(FileLocks, WhoIsInTheWayIsToldAsTheKernelSaysIt) {
    const int file = open_file();
    ASSERT_EQ(0, lock(file, F_WRLCK, 5, 10));
    EXPECT_EQ(1, in_another_process([&] {
                  const int mine = open_file();
                  lock(mine, F_RDLCK, 0, 100, F_GETLK);
                  lock(mine, F_RDLCK, 50, 5, F_GETLK);
                  return lock(mine, F_RDLCK, 14, 1) == -1 && errno == EAGAIN ? 1 : 0;
              }));
    EXPECT_THAT(events(), ElementsAre("acquired 5-14 EX", "tested 0-99 held 5-14", "tested 50-54 free",
                                      "denied 14-14 PR: EAGAIN"));
}

TEST_F(FileLocks, AWaitThatASignalEndsIsCancelled) {
    const int file = open_file();
    ASSERT_EQ(0, lock(file, F_WRLCK, 0, 1));
    EXPECT_EQ(EINTR, in_another_process([&] {
                  struct sigaction action {};
                  action.sa_handler = [](int) {};
                  sigaction(SIGALRM, &action, nullptr);
                  // Again and again: the first may come before the wait.
                  const itimerval often{{0, 20'000}, {0, 20'000}};
                  setitimer(ITIMER_REAL, &often, nullptr);
                  const int mine = open_file();
                  return lock(mine, F_WRLCK, 0, 1, F_SETLKW) == -1 ? errno : 0;
              }));
    EXPECT_THAT(events(), ElementsAre("acquired 0-0 EX", "cancelled 0-0"));
}

TEST_F(FileLocks, ClosingAnyDescriptorOfTheFileEndsTheLocksOfTheProcess) {
    const std::vector<std::function<void(int)>> ways = {
        [](int other) { close(other); },
        [](int other) { dup2(STDIN_FILENO, other), close(other); },
        [](int other) { fclose(fdopen(other, "r")); },
        [](int other) { close_range(static_cast<unsigned>(other), static_cast<unsigned>(other), 0); },
    };
    for (const auto& way : ways) {
        const int file = open_file();
        const int other = open_file(O_RDONLY);
        ASSERT_EQ(0, lock(file, F_WRLCK, 5, 10));
        way(other);
        EXPECT_THAT(events(), ElementsAre("acquired 5-14 EX", "released 5-14"));
        // The kernel thinks so, too.
        EXPECT_EQ(0, in_another_process([&] { return lock(open_file(), F_WRLCK, 5, 10); }));
        events();
        close(file);
        EXPECT_THAT(events(), IsEmpty());
    }
}

TEST_F(FileLocks, AWeakerLockEndsTheStrongerBeforeTheKernelHasTheRequest) {
    const int file = open_file();
    ASSERT_EQ(0, lock(file, F_WRLCK, 0, 20));
    ASSERT_EQ(0, lock(file, F_RDLCK, 5, 5));
    ASSERT_EQ(0, lock(file, F_WRLCK, 5, 5));
    close(file);
    EXPECT_THAT(events(), testing::ElementsAreArray({"acquired 0-19 EX", "released 5-9", "acquired 5-9 PR",
                                                     "acquired 5-9 EX", "released 0-19"}));
}

TEST_F(FileLocks, AWeakerLockThatIsDeniedLeavesTheStrongerOne) {
    const int file = open_file();
    ASSERT_EQ(0, lock(file, F_WRLCK, 0, 10));
    const pid_t other = begin_another([&] { lock(open_file(), F_WRLCK, 10, 10); });
    ASSERT_EQ(-1, lock(file, F_RDLCK, 0, 20));
    EXPECT_THAT(events(), ElementsAre("acquired 0-9 EX", "acquired 10-19 EX", "released 0-9", "acquired 0-9 EX",
                                      "denied 0-19 PR: EAGAIN"));
    kill(other, SIGKILL);
    wait_for(other);
}

TEST_F(FileLocks, LockfLocksFromThePositionOn) {
    const int file = open_file();
    ASSERT_EQ(7, lseek(file, 7, SEEK_SET));
    ASSERT_EQ(0, lockf(file, F_TLOCK, 3));
    ASSERT_EQ(0, lockf(file, F_LOCK, 0));
    ASSERT_EQ(0, lockf(file, F_ULOCK, 0));
    EXPECT_THAT(events(), ElementsAre("acquired 7-9 EX", "acquired 7--1 EX", "released 7--1"));
}

TEST_F(FileLocks, FlockIsTheDescriptionsAndEndsWithItsLastDescriptor) {
    const int file = open_file();
    ASSERT_EQ(0, flock(file, LOCK_EX));
    const int copy = dup(file);
    const int other = open_file();
    close(other);
    close(file);
    EXPECT_THAT(events(), ElementsAre("acquired 0--1 EX"));
    close(copy);
    EXPECT_THAT(events(), ElementsAre("released 0--1"));
}

TEST_F(FileLocks, FlockOfAnotherModeIsGivenUpFirst) {
    const int file = open_file();
    ASSERT_EQ(0, flock(file, LOCK_SH));
    ASSERT_EQ(0, flock(file, LOCK_EX));
    ASSERT_EQ(0, flock(file, LOCK_UN));
    EXPECT_THAT(events(), ElementsAre("acquired 0--1 PR", "released 0--1", "acquired 0--1 EX", "released 0--1"));
}

TEST_F(FileLocks, TwoDescriptionsOfOneProcessAreTwoOwners) {
    const int one = open_file();
    const int two = open_file();
    ASSERT_EQ(0, flock(one, LOCK_EX));
    const std::string owner = last_event().owner;
    ASSERT_EQ(-1, flock(two, LOCK_EX | LOCK_NB));
    EXPECT_NE(owner, last_event().owner);
    ASSERT_EQ(0, lock(one, F_WRLCK, 0, 0, F_OFD_SETLK));
    ASSERT_EQ(-1, lock(two, F_WRLCK, 0, 0, F_OFD_SETLK));
    EXPECT_THAT(events(), ElementsAre("acquired 0--1 EX", "denied 0--1 EX: EAGAIN", "acquired 0--1 EX",
                                      "denied 0--1 EX: EAGAIN"));
}

TEST_F(FileLocks, FlockAndFcntlDoNotMeetAndSoAreOfTwoNames) {
    const int file = open_file();
    ASSERT_EQ(0, flock(file, LOCK_EX));
    const std::string of_flock = last_event().file;
    ASSERT_EQ(0, lock(file, F_WRLCK, 0, 0));
    EXPECT_EQ(of_flock, std::string(last_event().file) + "#flock");
}

TEST_F(FileLocks, AForkedChildKeepsItsParentsFlock) {
    const int file = open_file();
    ASSERT_EQ(0, flock(file, LOCK_EX));
    const pid_t child = begin_another([] {});
    close(file);
    EXPECT_THAT(events(), ElementsAre("acquired 0--1 EX"));
    const int other = open_file();
    ASSERT_EQ(-1, flock(other, LOCK_EX | LOCK_NB));
    EXPECT_THAT(events(), ElementsAre("denied 0--1 EX: EAGAIN"));
    kill(child, SIGKILL);
    wait_for(child);
    // Nobody could say that it ended: who gets the lock next does.
    ASSERT_EQ(0, flock(other, LOCK_EX | LOCK_NB));
    EXPECT_THAT(events(), ElementsAre("released 0--1", "acquired 0--1 EX"));
}

TEST_F(FileLocks, ADescriptionThatAChildLockedIsItsParentsToo) {
    const int file = open_file();
    ASSERT_EQ(0, in_another_process([&] { return flock(file, LOCK_EX); }));
    EXPECT_THAT(events(), ElementsAre("acquired 0--1 EX"));
    close(file);
    EXPECT_THAT(events(), ElementsAre("released 0--1"));
}

TEST_F(FileLocks, AForkedChildHasNoneOfItsParentsFcntlLocks) {
    const int file = open_file();
    ASSERT_EQ(0, lock(file, F_WRLCK, 0, 1));
    ASSERT_EQ(0, in_another_process([&] { return close(file); }));
    EXPECT_THAT(events(), ElementsAre("acquired 0-0 EX"));
}

TEST_F(FileLocks, AProcessThatEndsOrIsKilledHoldsNothing) {
    EXPECT_EQ(0, in_another_process([&] { return lock(open_file(), F_WRLCK, 0, 1); }));
    EXPECT_THAT(events(), ElementsAre("acquired 0-0 EX", "released 0-0"));
    const pid_t killed = begin_another([&] { lock(open_file(), F_WRLCK, 0, 1); });
    kill(killed, SIGKILL);
    wait_for(killed);
    ASSERT_EQ(0, lock(open_file(), F_WRLCK, 0, 1));
    EXPECT_THAT(events(), ElementsAre("acquired 0-0 EX", "released 0-0", "acquired 0-0 EX"));
}

TEST_F(FileLocks, WhatIsClosedOnExecIsLocksThatEnd) {
    int ready[2];
    ASSERT_EQ(0, pipe(ready));
    const pid_t child = fork();
    if (child == 0) {
        dup2(ready[1], STDOUT_FILENO);
        flock(open_file(), LOCK_EX);
        lock(open_file(), F_WRLCK, 0, 1);
        // A program without the library.
        execl("/bin/sh", "sh", "-c", "echo; exec sleep 1000", nullptr);
        _exit(127);
    }
    char byte = 0;
    ASSERT_EQ(1, read(ready[0], &byte, 1));
    const int file = open_file();
    ASSERT_EQ(0, flock(file, LOCK_EX));
    ASSERT_EQ(0, lock(file, F_WRLCK, 0, 1));
    EXPECT_THAT(events(), ElementsAre("acquired 0--1 EX", "acquired 0-0 EX", "released 0--1", "acquired 0--1 EX",
                                      "released 0-0", "acquired 0-0 EX"));
    kill(child, SIGKILL);
    wait_for(child);
}

TEST_F(FileLocks, AHolderThatLivesIsNeverTalkedOutOfItsLock) {
    const pid_t other = begin_another([&] {
        const int file = open_file();
        lock(file, F_WRLCK, 0, 1);
        flock(file, LOCK_EX);
    });
    events();
    const int file = open_file();
    EXPECT_EQ(-1, lock(file, F_WRLCK, 0, 1));
    EXPECT_EQ(-1, flock(file, LOCK_EX | LOCK_NB));
    EXPECT_THAT(events(), ElementsAre("denied 0-0 EX: EAGAIN", "denied 0--1 EX: EAGAIN"));
    kill(other, SIGKILL);
    wait_for(other);
}

TEST_F(FileLocks, TheNameOfALocalFileTellsItsDevice) {
    const int file = open_file();
    const auto identity = identify(file);
    ASSERT_TRUE(identity);
    struct stat status {};
    fstat(file, &status);
    EXPECT_EQ(status.st_ino, identity->local.inode);
    EXPECT_FALSE(identify(-1));
}

}  // namespace
}  // namespace lockstep::preload

// The library is told where to keep its notes before it is loaded.
int main(int argc, char** argv) {
    using lockstep::preload::registry_variable;
    testing::InitGoogleMock(&argc, argv);
    if (std::getenv(registry_variable) != nullptr) return RUN_ALL_TESTS();
    std::string folder = std::filesystem::temp_directory_path() / "lockstep-file-locks-XXXXXX";
    if (mkdtemp(folder.data()) == nullptr) return 1;
    int status = 1;
    const pid_t child = fork();
    if (child == 0) {
        setenv(registry_variable, (folder + "/notes").c_str(), 1);
        execv("/proc/self/exe", argv);
        _exit(127);
    }
    waitpid(child, &status, 0);
    std::filesystem::remove_all(folder);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
