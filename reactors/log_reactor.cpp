// log: writes the report to the standard error of the watched process, or appends it to a file.
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include "reactors/reactor.hpp"

namespace lockstep::reactors {
namespace {

// A logger of its own, not in spdlog's registry: the watched process may use spdlog too.
spdlog::logger make_logger(const std::string& file) {
    const auto sink = [&file]() -> spdlog::sink_ptr {
        if (file.empty()) return std::make_shared<spdlog::sinks::stderr_sink_mt>();
        try {
            return std::make_shared<spdlog::sinks::basic_file_sink_mt>(file);
        } catch (const spdlog::spdlog_ex& error) {
            throw ReactorError("log cannot write to " + file + ": " + error.what());
        }
    };
    spdlog::logger logger("lockstep", sink());
    logger.set_pattern("%Y-%m-%dT%H:%M:%S.%f %n %l: %v");
    logger.flush_on(spdlog::level::err);
    return logger;
}

// Between two reports the file is not held open: no descriptor of ours lies in the watched process's table, and whoever
// rotates logs may move the file away.
class LogReactor final : public Reactor {
 public:
    explicit LogReactor(std::string file) : file_(std::move(file)) { make_logger(file_); }

    void react(const Report& report) override { make_logger(file_).error("{}", to_text(report)); }

 private:
    std::string file_;
};

}  // namespace

extern const ReactorKind log_reactor;
const ReactorKind log_reactor{
    "log", "write the report to the process's standard error, or append it to the file after the colon",
    [](const std::string& argument) -> std::unique_ptr<Reactor> { return std::make_unique<LogReactor>(argument); }};

}  // namespace lockstep::reactors
