// What the programs that the harness starts on its hosts have in common: how they begin, wait, and end.
//
// Such a program connects, says "NAME ready" on a line of its own, and waits until the harness closes its standard
// input, so that all begin at once. It works for a time, or until SIGTERM or SIGINT, and prints a summary, one JSON
// object, as its last line. Exit status: 0 done, 1 its oracle found something wrong, 2 a call failed or it could not
// start.
#pragma once

#include <signal.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <stdexcept>
#include <string>
#include <thread>

namespace lockstep::workloads {

/// Set by SIGTERM and SIGINT. Any thread.
inline std::atomic<bool> stop_requested{false};
static_assert(std::atomic<bool>::is_always_lock_free);  // a signal handler stores into it

/// Says that the program is ready, and returns at the end of the standard input, or when it is told to stop.
inline void wait_at_gate(const char* program) {
    std::printf("%s ready\n", program);
    std::fflush(stdout);
    char byte = 0;
    while (!stop_requested && read(STDIN_FILENO, &byte, 1) > 0) {
    }
}

/// Waits until somebody records the program's tracepoints, as `is_listened_to` tells. Error: std::runtime_error after
/// `limit_ms`.
template <class IsListenedTo>
void wait_for_listener(std::uint32_t limit_ms, IsListenedTo is_listened_to) {
    using Clock = std::chrono::steady_clock;
    const auto deadline = Clock::now() + std::chrono::milliseconds(limit_ms);
    while (!is_listened_to()) {
        if (Clock::now() >= deadline)
            throw std::runtime_error("nobody records the lock_api tracepoints after " + std::to_string(limit_ms) +
                                     " ms");
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
}

/// The main of such a program: reads the command line, then runs `run`, whose result is the exit status.
template <class Run>
int run_program(CLI::App& app, int argc, char** argv, Run run) {
    struct sigaction stop {};
    stop.sa_handler = [](int) { stop_requested = true; };
    sigaction(SIGTERM, &stop, nullptr);  // without SA_RESTART: the gate's read() returns
    sigaction(SIGINT, &stop, nullptr);
    try {
        app.parse(argc, argv);
        return run();
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? 0 : 2;
    } catch (const std::exception& error) {
        std::fprintf(stderr, "%s: %s\n", app.get_name().c_str(), error.what());
        return 2;
    }
}

}  // namespace lockstep::workloads
