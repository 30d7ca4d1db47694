// What tests of live and offline reading share: a handler that remembers, and programs that fire lock_api events.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "monitors/live/marker.hpp"
#include "monitors/lttng/private_lttng.hpp"
#include "monitors/trace/event_source.hpp"

#ifdef __SANITIZE_ADDRESS__
// Leaks inside babeltrace2 can be told from ours (cmake/lsan.supp) only if stacks go through libraries without frame
// pointers.
extern "C" __attribute__((used)) inline const char* __asan_default_options() {
    return "fast_unwind_on_malloc=0";
}
#endif

namespace lockstep::monitors::testing_support {

struct Seen {
    std::size_t wanted;
    std::string owner;
    std::uint64_t first_byte;
    Origin origin;
};

class Recorder : public EventHandler {
 public:
    void on_event(std::size_t wanted, const Slot* slots, const Origin& origin) override {
        seen.push_back({wanted, slots[1].string, slots[2].unsigned_integer, origin});
    }
    void on_loss(const Loss& loss) override { losses.push_back(loss); }
    void on_mismatch(std::size_t, const std::string& why) override { mismatches.push_back(why); }

    std::vector<Seen> seen;
    std::vector<Loss> losses;
    std::vector<std::string> mismatches;
};

inline std::vector<WantedEvent> lock_events() {
    const std::vector<WantedField> fields = {{"file", FieldType::string},
                                             {"owner", FieldType::string},
                                             {"first_byte", FieldType::unsigned_integer},
                                             {"last_byte", FieldType::unsigned_integer}};
    return {{"lock_api", "acquired", fields}, {"lock_api", "released", fields}};
}

struct Program {
    pid_t pid = -1;
    int input = -1;   // writing end of its standard input
    int output = -1;  // reading end of its standard output
    std::uint64_t net_ns = 0;

    int wait() {
        int status = 0;
        waitpid(pid, &status, 0);
        return status;
    }
};

// `input`, `output`: what becomes its standard input and output; -1: inherited.
inline Program start(const std::vector<std::string>& arguments, bool no_loss = false, int input = -1, int output = -1) {
    int messages[2];
    EXPECT_EQ(0, pipe(messages));
    Program program;
    program.pid = fork();
    if (program.pid == 0) {
        for (const auto& [name, value] : traced_program_environment(no_loss)) setenv(name.c_str(), value.c_str(), 1);
        // ThreadSanitizer sees races inside LTTng-UST, and its suppressions of whole libraries refuse the threads that
        // end at exit; this program has one thread of its own.
        setenv("TSAN_OPTIONS", "report_bugs=0", 1);
        if (input >= 0) dup2(input, STDIN_FILENO);
        if (output >= 0) dup2(output, STDOUT_FILENO);
        dup2(messages[1], STDERR_FILENO);
        close_range(3, ~0U, 0);
        const std::string path = default_marker_program().parent_path() / "lock_events";
        std::vector<char*> argv = {const_cast<char*>(path.c_str())};
        for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
        argv.push_back(nullptr);
        execv(path.c_str(), argv.data());
        _exit(127);
    }
    close(messages[1]);
    FILE* stream = fdopen(messages[0], "r");
    unsigned long long inode = 0;
    EXPECT_EQ(1, std::fscanf(stream, "%llu", &inode));
    std::fclose(stream);
    program.net_ns = inode;
    return program;
}

// Fires lock_api:acquired, one at a time, and can be preempted where it knows the time of its event but has not yet
// reserved the place. `clock`: the library made of stopping_clock.cpp.
class PreemptibleProgram {
 public:
    PreemptibleProgram(const std::string& clock, const std::string& owner, std::uint64_t count) {
        int input[2], output[2];
        EXPECT_EQ(0, pipe2(input, O_CLOEXEC));
        EXPECT_EQ(0, pipe2(output, O_CLOEXEC));
        setenv("LTTNG_UST_CLOCK_PLUGIN", clock.c_str(), 1);
        setenv("STOPPING_CLOCK", stop_file_, 1);
        program_ = start({"relay", owner, std::to_string(count)}, false, input[0], output[1]);
        unsetenv("LTTNG_UST_CLOCK_PLUGIN");
        unsetenv("STOPPING_CLOCK");
        input_ = input[1], output_ = output[0];
        close(input[0]), close(output[1]);
    }

    // Of byte `number` of "/relay".
    void fire(std::uint64_t number) {
        ask(number);
        expect_answer();
    }
    // It stops on the way, if the event is the first in its part of the buffer. The time right after, in ns.
    std::uint64_t fire_and_stop(std::uint64_t number) {
        std::ofstream(stop_file_).close();
        ask(number);
        int status = 0;
        EXPECT_EQ(program_.pid, waitpid(program_.pid, &status, WUNTRACED));
        EXPECT_TRUE(WIFSTOPPED(status));
        timespec now{};
        clock_gettime(CLOCK_MONOTONIC, &now);
        return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(now.tv_nsec);
    }
    void resume() {
        kill(program_.pid, SIGCONT);
        expect_answer();
    }
    void end() {
        close(input_), close(output_);
        EXPECT_EQ(0, program_.wait());
    }

 private:
    void ask(std::uint64_t number) {
        EXPECT_EQ(static_cast<ssize_t>(sizeof number), write(input_, &number, sizeof number));
    }
    void expect_answer() {
        std::uint64_t answer = 0;
        EXPECT_EQ(static_cast<ssize_t>(sizeof answer), read(output_, &answer, sizeof answer));
    }

    static constexpr const char* stop_file_ = "/run/stop";  // private to the test
    Program program_;
    int input_ = -1, output_ = -1;
};

// Processes called `name` in this test's own mount namespace.
inline std::vector<pid_t> processes(const std::string& name) {
    const auto mounts_of = [](const std::string& pid) {
        std::error_code error;
        return std::filesystem::read_symlink("/proc/" + pid + "/ns/mnt", error).string();
    };
    std::vector<pid_t> found;
    for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
        std::ifstream file(entry.path() / "comm");
        std::string command;
        std::getline(file, command);
        if (command == name && mounts_of(entry.path().filename()) == mounts_of("self"))
            found.push_back(std::atoi(entry.path().filename().c_str()));
    }
    return found;
}

}  // namespace lockstep::monitors::testing_support
