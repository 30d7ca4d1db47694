#include "cli/run_shrink.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>

#include "cli/scratch_folder.hpp"
#include "netns_harness/shrink.hpp"
#include "netns_harness/system.hpp"

namespace lockstep::cli {
namespace {

constexpr unsigned tries = 3;

int run_quietly(const std::vector<std::string>& command) {
    const pid_t pid = fork();
    if (pid < 0) harness::throw_errno("cannot fork");
    if (pid == 0) {
        std::vector<char*> arguments;
        for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
        arguments.push_back(nullptr);
        const int nothing = open("/dev/null", O_RDWR);
        dup2(nothing, STDOUT_FILENO);
        dup2(nothing, STDERR_FILENO);
        execv("/proc/self/exe", arguments.data());
        _exit(exit_could_not_run);
    }
    int status = 0;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : static_cast<int>(exit_could_not_run);
}

class Shrinker {
 public:
    explicit Shrinker(const Shrinking& shrinking) : shrinking_(shrinking), smallest_(shrinking.text) {}

    ExitStatus run() {
        if (!violates(smallest_)) {
            fmt::print("the scenario itself did not violate in {} runs: there is nothing to make smaller\n", tries);
            return exit_inconclusive;
        }
        while (take_step()) {
        }
        harness::write_file(shrinking_.kept, smallest_);
        fmt::print("{} runs; the smallest scenario that violated: {}\n", runs_, shrinking_.kept.string());
        return exit_violated;
    }

 private:
    bool take_step() {
        for (const harness::SmallerScenario& smaller : harness::smaller_scenarios(smallest_)) {
            const bool kept = violates(smaller.text);
            fmt::print("{:<40} {}\n", smaller.what, kept ? "still violates" : "does not");
            std::fflush(stdout);
            if (!kept) continue;
            smallest_ = smaller.text;
            return true;
        }
        return false;
    }

    bool violates(const std::string& text) {
        const std::filesystem::path file = folder_.path() / "scenario.toml";
        harness::write_file(file, text);
        for (unsigned attempt = 0; attempt < tries; ++attempt) {
            ++runs_;
            if (run_quietly(shrinking_.command(file)) == exit_violated) return true;
        }
        return false;
    }

    const Shrinking& shrinking_;
    ScratchFolder folder_{"lockstep-shrink-"};
    std::string smallest_;
    unsigned runs_ = 0;
};

}  // namespace

ExitStatus run_shrinking(const Shrinking& shrinking) {
    return Shrinker(shrinking).run();
}

}  // namespace lockstep::cli
