// lockstep watch: attached properties, followed on the terminal.
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/agents.hpp"
#include "cli/command.hpp"
#include "cli/property_status.hpp"
#include "cli/terminal.hpp"
#include "cli/watch_view.hpp"

namespace lockstep::cli {
namespace {

using nlohmann::json;
using Clock = WatchView::Clock;

struct Options {
    std::string process;
    double interval_s = 1;
    std::uint64_t count = 0;  // 0: until it is ended
    bool json = false;
};

volatile sig_atomic_t stopped = 0;
volatile sig_atomic_t resized = 0;

// While this lives, signals to stop or to draw anew arrive in wait() and nowhere else: none is missed, and a look is
// never interrupted.
class Signals {
 public:
    Signals() {
        sigset_t ours;
        sigemptyset(&ours);
        for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGWINCH}) {
            struct sigaction action {};
            action.sa_handler = signal == SIGWINCH ? [](int) { resized = 1; } : [](int) { stopped = 1; };
            sigaction(signal, &action, nullptr);
            sigaddset(&ours, signal);
        }
        sigprocmask(SIG_BLOCK, &ours, &before_);
    }

    // Until the time, or a signal.
    void wait(Clock::time_point until) const {
        const auto left = std::chrono::duration_cast<std::chrono::nanoseconds>(until - Clock::now()).count();
        if (left < 0) return;
        const timespec time{left / 1'000'000'000, left % 1'000'000'000};
        ppoll(nullptr, 0, &time, &before_);
    }

 private:
    sigset_t before_;
};

class Watch {
 public:
    explicit Watch(const Options& options)
        : options_(options),
          is_terminal_(isatty(STDOUT_FILENO) != 0 && !options.json),
          colour_(is_terminal_ && colours_are_wanted(STDOUT_FILENO)) {}

    ExitStatus run() {
        const Signals signals;
        for (std::uint64_t round = 0; stopped == 0; ++round) {
            view_.look(look(), Clock::now());
            show();
            if (options_.count > 0 && round + 1 >= options_.count) break;
            const auto next = Clock::now() + std::chrono::milliseconds(std::lround(options_.interval_s * 1000));
            while (stopped == 0 && Clock::now() < next) {
                signals.wait(next);
                if (resized != 0) show();
            }
        }
        return exit_status_of(view_.all());
    }

 private:
    // Every property of every agent. A process that has just ended is none; one that was named must be there at first.
    std::vector<json> look() {
        std::vector<json> all;
        const auto agents = options_.process.empty() ? known_agents() : std::vector{options_.process};
        for (const std::string& agent : agents) {
            try {
                const json status = connect_to(agent)->status();
                for (json property : status.at("properties")) {
                    property["pid"] = status.at("pid");
                    all.push_back(std::move(property));
                }
            } catch (const monitors::AgentError&) {
                if (!options_.process.empty() && view_.all().empty()) throw;
            }
        }
        return all;
    }

    // On a terminal each line replaces the one that was there, so that nothing flickers, and the cursor stays on the
    // last one: nothing scrolls, and what comes after us begins below.
    void show() {
        resized = 0;
        if (options_.json) {
            fmt::print("{}\n", json(view_.all()).dump(-1, ' ', false, json::error_handler_t::replace));
        } else if (!is_terminal_) {
            for (const std::string& line : view_.lines({}, false, false)) fmt::print("{}\n", line);
        } else {
            std::string text = "\033[H";
            for (const std::string& line : view_.lines(size(), true, colour_)) text += line + "\033[K\n";
            fmt::print("{}\033[J", text);
        }
        std::fflush(stdout);
    }

    // The last row stays free for the cursor.
    static ViewSize size() {
        const TerminalSize window = terminal_size(STDOUT_FILENO).value_or(TerminalSize{80, 24});
        return {window.columns, std::max<std::size_t>(window.rows, 3) - 1};
    }

    const Options& options_;
    bool is_terminal_;
    bool colour_;
    WatchView view_;
};

Command::Run declare(CommandLine& command_line) {
    auto options = std::make_shared<Options>();
    add_process_option(command_line, options->process);
    command_line.add_option("--interval", options->interval_s, "Seconds between two looks")
        .between(0.05, 3600.0)
        .shows_default();
    command_line.add_option("--count", options->count, "So many looks; without: until Ctrl-C");
    command_line.add_flag("--json", options->json,
                          "A line a look: an array of the properties, as status --json has them");
    command_line.footer(
        "Without --in-process: every agent of this user in the default place. On a terminal the view is redrawn and\n"
        "shows contexts by state, the busiest edges and the last violation; elsewhere it is a line a property and\n"
        "look, and the last violation. Colours only on a terminal, and not where NO_COLOR is set.\n"
        "Exit status: the worst of what was last seen of each property: 0 ok, 1 violated, 3 inconclusive, also when\n"
        "there was none; 2 there is no such agent.");
    return [options] { return Watch(*options).run(); };
}

const Command command{"watch", "Follow attached properties on the terminal", declare};

}  // namespace
}  // namespace lockstep::cli
