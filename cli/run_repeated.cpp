#include "cli/run_repeated.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "netns_harness/system.hpp"

namespace lockstep::cli {
namespace {

using nlohmann::ordered_json;

volatile sig_atomic_t asked_to_stop = 0;

void note_stop(int) {
    asked_to_stop = 1;
}

// One run under way; what it writes goes to unnamed files.
struct Run {
    std::uint64_t seed = 0;
    std::FILE* out = nullptr;
    std::FILE* err = nullptr;
};

std::string content_of(std::FILE* file) {
    std::string text;
    std::array<char, 4096> piece{};
    std::rewind(file);
    for (std::size_t got; (got = std::fread(piece.data(), 1, piece.size(), file)) > 0;) text.append(piece.data(), got);
    std::fclose(file);
    return text;
}

const char* word_of(int status) {
    switch (status) {
        case exit_ok:
            return "ok";
        case exit_violated:
            return "violated";
        case exit_inconclusive:
            return "inconclusive";
        default:
            return "could not run";
    }
}

class Repeated {
 public:
    explicit Repeated(const Repetition& repetition) : repetition_(repetition) {}

    ExitStatus run() {
        for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
            struct sigaction action {};
            action.sa_handler = note_stop;  // and without SA_RESTART: waiting ends
            sigaction(signal, &action, nullptr);
        }
        std::uint64_t begun = 0;
        while (begun < repetition_.runs || !under_way_.empty()) {
            const bool stopping = asked_to_stop != 0 || (repetition_.until_violation && count_[exit_violated] > 0);
            if (!stopping && begun < repetition_.runs && under_way_.size() < repetition_.jobs)
                begin(repetition_.first_seed + begun++);
            else if (under_way_.empty())
                break;
            else
                wait_for_one();
        }
        tell_sums(begun);
        return worst();
    }

 private:
    void begin(std::uint64_t seed) {
        Run run{seed, std::tmpfile(), std::tmpfile()};
        if (run.out == nullptr || run.err == nullptr) harness::throw_errno("cannot make a temporary file");
        const std::vector<std::string> command = repetition_.command(seed);
        const pid_t pid = fork();
        if (pid < 0) harness::throw_errno("cannot fork");
        if (pid == 0) {
            std::vector<char*> arguments;
            for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
            arguments.push_back(nullptr);
            dup2(fileno(run.out), STDOUT_FILENO);
            dup2(fileno(run.err), STDERR_FILENO);
            execv("/proc/self/exe", arguments.data());
            _exit(exit_could_not_run);
        }
        under_way_[pid] = run;
    }

    void wait_for_one() {
        int status = 0;
        const pid_t pid = waitpid(-1, &status, 0);
        if (pid < 0 && errno == EINTR && !handed_on_) {
            for (const auto& [running, run] : under_way_) kill(running, SIGINT);
            handed_on_ = true;
        }
        const auto found = under_way_.find(pid);
        if (found == under_way_.end()) return;
        tell(found->second, WIFEXITED(status) ? WEXITSTATUS(status) : static_cast<int>(exit_could_not_run));
        under_way_.erase(found);
    }

    void tell(const Run& run, int status) {
        ++count_[status];
        const ordered_json result = ordered_json::parse(content_of(run.out), nullptr, false);
        const std::string errors = content_of(run.err);
        ordered_json line{{"seed", run.seed}, {"verdict", word_of(status)}};
        std::string why;
        if (result.is_object()) {
            line["kept_in"] = result.value("kept_in", "");
            for (const auto& property : result.at("properties")) {
                if (property.at("verdict") == "ok") continue;
                const std::uint64_t violations = property.at("violation_count");
                why += fmt::format("{}{}{}", why.empty() ? "" : ", ", property.at("name").get<std::string>(),
                                   violations == 0 ? " inconclusive" : fmt::format(": {} violations", violations));
            }
            for (const auto& problem : result.at("problems"))
                why += (why.empty() ? "" : ", ") + problem.get<std::string>();
        } else {
            why = errors.substr(0, errors.find_last_not_of('\n') + 1);
        }
        line["why"] = why;
        if (!repetition_.json) {
            const std::string kept = line.value("kept_in", "");
            fmt::print("seed {:<10} {:<13} {}{}\n", run.seed, word_of(status), why.substr(0, why.find('\n')),
                       kept.empty() ? "" : "  (" + kept + ")");
            std::fflush(stdout);
        }
        lines_.push_back(std::move(line));
    }

    void tell_sums(std::uint64_t begun) {
        if (repetition_.json) {
            const ordered_json sums{{"runs", begun},
                                    {"ok", count_[exit_ok]},
                                    {"violated", count_[exit_violated]},
                                    {"inconclusive", count_[exit_inconclusive]},
                                    {"could_not_run", count_[exit_could_not_run]},
                                    {"results", lines_}};
            fmt::print("{}\n", sums.dump(2, ' ', false, ordered_json::error_handler_t::replace));
            return;
        }
        fmt::print("{} runs: {} ok, {} violated, {} inconclusive, {} could not run\n", begun, count_[exit_ok],
                   count_[exit_violated], count_[exit_inconclusive], count_[exit_could_not_run]);
    }

    ExitStatus worst() const {
        const auto any = [this](ExitStatus status) { return count_.contains(status) && count_.at(status) > 0; };
        for (const ExitStatus status : {exit_violated, exit_could_not_run, exit_inconclusive})
            if (any(status)) return status;
        return asked_to_stop != 0 ? exit_inconclusive : exit_ok;
    }

    const Repetition& repetition_;
    std::map<pid_t, Run> under_way_;
    std::map<int, std::uint64_t> count_;  // by exit status
    ordered_json lines_ = ordered_json::array();
    bool handed_on_ = false;
};

}  // namespace

ExitStatus run_repeated(const Repetition& repetition) {
    return Repeated(repetition).run();
}

}  // namespace lockstep::cli
