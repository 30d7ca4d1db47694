// nfs_server: reads its options, serves until it is told to stop, ends cleanly. main_service.cpp puts the layers
// together.
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include "nfs_server/base/check.hpp"
#include "nfs_server/main_options.hpp"
#include "nfs_server/main_service.hpp"
#include "nfs_server/main_tools.hpp"

namespace lockstep::server {
namespace {

enum ExitStatus : int { exit_stopped = 0, exit_failed = 1, exit_could_not_start = 2 };

int stop_event = -1;  // written to by the signal handler, from whatever thread the signal meets

void on_stop_signal(int) {
    const int saved_errno = errno;
    eventfd_write(stop_event, 1);
    errno = saved_errno;
}

void catch_stop_signals() {
    stop_event = eventfd(0, EFD_CLOEXEC);
    check(stop_event >= 0, "eventfd");
    struct sigaction action {};
    action.sa_handler = on_stop_signal;
    action.sa_flags = SA_RESTART;
    sigaction(SIGTERM, &action, nullptr);
    sigaction(SIGINT, &action, nullptr);
    signal(SIGPIPE, SIG_IGN);
}

void wait_for_stop_signal() {
    // poll() and not a read: ThreadSanitizer delivers signals within the former only.
    pollfd stop{stop_event, POLLIN, 0};
    while (poll(&stop, 1, -1) != 1) check(errno == EINTR, "poll");
}

void log_to_stderr(const std::string& level) {
    auto logger = spdlog::stderr_logger_mt("nfs_server");
    logger->set_pattern("%Y-%m-%dT%H:%M:%S.%e%z %l %v");
    logger->set_level(spdlog::level::from_str(level));
    spdlog::set_default_logger(std::move(logger));
}

// Requests of a megabyte come and go: their memory stays with the process instead of being faulted in anew for each.
void keep_large_allocations() {
    mallopt(M_MMAP_THRESHOLD, 64 << 20);
    mallopt(M_TRIM_THRESHOLD, 256 << 20);
}

int serve(const Options& options) {
    log_to_stderr(options.log_level);
    keep_large_allocations();
    catch_stop_signals();
    auto service = Service::start(options);
    if (!service) {
        std::fprintf(stderr, "nfs_server: %s\n", service.error().c_str());
        return exit_could_not_start;
    }
    std::printf("nfs_server ready: %s\n", (*service)->describe().c_str());
    std::fflush(stdout);
    wait_for_stop_signal();
    spdlog::info("stopping");
    if (const auto stopped = (*service)->stop(); !stopped) {
        std::fprintf(stderr, "nfs_server: %s\n", stopped.error().c_str());
        return exit_failed;
    }
    return exit_stopped;
}

}  // namespace
}  // namespace lockstep::server

int main(int argc, char** argv) {
    if (const auto status = lockstep::server::run_tool(argc, argv)) return *status;
    const auto command = lockstep::server::parse_command_line(argc, argv);
    if (command.kind == lockstep::server::Command::Kind::done) return command.exit_status;
    const int status = lockstep::server::serve(command.options);
#ifdef __SANITIZE_THREAD__
    // At exit LTTng-UST cancels its threads, within its own code, of which ThreadSanitizer is told to ignore all: it
    // takes a thread that ends there for a fault of ours.
    std::fflush(nullptr);
    _exit(status);
#endif
    return status;
}
