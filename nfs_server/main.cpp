// nfs_server: reads its options, serves until it is told to stop, ends cleanly. main_service.cpp puts the layers
// together.
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <memory>

#include <fmt/chrono.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <nlohmann/json.hpp>

#include "nfs_server/base/check.hpp"
#include "nfs_server/main_config.hpp"
#include "nfs_server/main_options.hpp"
#include "nfs_server/main_service.hpp"
#include "nfs_server/main_service_manager.hpp"
#include "nfs_server/main_tools.hpp"

namespace lockstep::server {
namespace {

enum ExitStatus : int { exit_stopped = 0, exit_failed = 1, exit_could_not_start = 2 };

// Written to by the signal handlers, from whatever thread the signal meets.
int stop_event = -1;
int reload_event = -1;

void on_signal(int signal) {
    const int saved_errno = errno;
    eventfd_write(signal == SIGHUP ? reload_event : stop_event, 1);
    errno = saved_errno;
}

void catch_signals() {
    stop_event = eventfd(0, EFD_CLOEXEC);
    reload_event = eventfd(0, EFD_CLOEXEC);
    check(stop_event >= 0 && reload_event >= 0, "eventfd");
    struct sigaction action {};
    action.sa_handler = on_signal;
    action.sa_flags = SA_RESTART;
    for (const int signal : {SIGTERM, SIGINT, SIGHUP}) sigaction(signal, &action, nullptr);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);  // an image that may not grow is a disk that fails
}

// A file with an error changes nothing; nor does one without exports, for it may be half written, and what that means
// at the start (/export, for everybody) is not what anybody wants of a reload.
void reload_exports(const Options& options, Service& service) {
    if (options.config.empty() || options.exports_are_fixed)
        return spdlog::warn("SIGHUP: the exports are not those of a configuration file; nothing is reloaded");
    Options now;
    now.exports.clear();
    if (const auto read = read_config(options.config, now); !read)
        return spdlog::error("SIGHUP: the exports stay as they are: {}", read.error());
    auto table = ops::ExportTable::make(std::move(now.exports));
    if (!table) return spdlog::error("SIGHUP: the exports stay as they are: {}", table.error());
    service.replace_exports(std::move(*table));
    spdlog::info("SIGHUP: exports read from {}", options.config);
}

void serve_until_stop_signal(const Options& options, Service& service) {
    for (;;) {
        // poll() and not a read: ThreadSanitizer delivers signals within the former only.
        pollfd events[] = {{stop_event, POLLIN, 0}, {reload_event, POLLIN, 0}};
        if (poll(events, 2, -1) < 1) {
            check(errno == EINTR, "poll");
            continue;
        }
        if (events[0].revents != 0) return;
        eventfd_t count = 0;
        eventfd_read(reload_event, &count);
        notify_reloading();
        reload_exports(options, service);
        notify_manager("READY=1");
    }
}

// A line of the log as a JSON object: time, level, message.
class JsonLines final : public spdlog::formatter {
 public:
    void format(const spdlog::details::log_msg& message, spdlog::memory_buf_t& line) override {
        const auto since_epoch = message.time.time_since_epoch();
        const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(since_epoch).count();
        const auto level = spdlog::level::to_string_view(message.level);
        const nlohmann::ordered_json object = {
            {"time", fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z", fmt::gmtime(ms / 1000), ms % 1000)},
            {"level", std::string(level.data(), level.size())},
            {"message", std::string(message.payload.data(), message.payload.size())}};
        // Names are what clients say, and not always text.
        const std::string text = object.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
        line.append(text.data(), text.data() + text.size());
    }
    std::unique_ptr<spdlog::formatter> clone() const override { return std::make_unique<JsonLines>(); }
};

void log_to_stderr(const Options& options) {
    auto logger = spdlog::stderr_logger_mt("nfs_server");
    if (options.log_format == "json")
        logger->set_formatter(std::make_unique<JsonLines>());
    else
        logger->set_pattern("%Y-%m-%dT%H:%M:%S.%e%z %l %v");
    logger->set_level(spdlog::level::from_str(options.log_level));
    spdlog::set_default_logger(std::move(logger));
}

// Requests of a megabyte come and go: their memory stays with the process instead of being faulted in anew for each.
void keep_large_allocations() {
    mallopt(M_MMAP_THRESHOLD, 64 << 20);
    mallopt(M_TRIM_THRESHOLD, 256 << 20);
}

// What ends the server: a line of the log where a program reads it, else a sentence as other commands say it.
void tell_failure(const Options& options, const std::string& what) {
    if (options.log_format == "json")
        spdlog::error("{}", what);
    else
        std::fprintf(stderr, "nfs_server: %s\n", what.c_str());
}

int serve(const Options& options) {
    log_to_stderr(options);
    keep_large_allocations();
    catch_signals();
    auto service = Service::start(options);
    if (!service) {
        tell_failure(options, service.error());
        return exit_could_not_start;
    }
    std::printf("nfs_server ready: %s\n", (*service)->describe().c_str());
    std::fflush(stdout);
    notify_manager("READY=1\nSTATUS=" + (*service)->describe());
    serve_until_stop_signal(options, **service);
    notify_manager("STOPPING=1");
    spdlog::info("stopping");
    if (const auto stopped = (*service)->stop(); !stopped) {
        tell_failure(options, stopped.error());
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
    return lockstep::server::serve(command.options);
}
