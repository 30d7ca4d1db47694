// log: writes the report to the standard error of the watched process, or appends it to a file.
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include "reactors/reactor.hpp"

namespace lockstep::reactors {
namespace {

class LogReactor final : public Reactor {
 public:
    // A logger of its own, not in spdlog's registry: the watched process may use spdlog too.
    explicit LogReactor(const std::string& file) : logger_("lockstep", make_sink(file)) {
        logger_.set_pattern("%Y-%m-%dT%H:%M:%S.%f %n %l: %v");
        logger_.flush_on(spdlog::level::err);
    }

    void react(const Report& report) override { logger_.error("{}", to_text(report)); }

 private:
    static spdlog::sink_ptr make_sink(const std::string& file) {
        if (file.empty()) return std::make_shared<spdlog::sinks::stderr_sink_mt>();
        try {
            return std::make_shared<spdlog::sinks::basic_file_sink_mt>(file);
        } catch (const spdlog::spdlog_ex& error) {
            throw ReactorError("log cannot write to " + file + ": " + error.what());
        }
    }

    spdlog::logger logger_;
};

}  // namespace

extern const ReactorKind log_reactor;
const ReactorKind log_reactor{
    "log", "write the report to the process's standard error, or append it to the file after the colon",
    [](const std::string& argument) -> std::unique_ptr<Reactor> { return std::make_unique<LogReactor>(argument); }};

}  // namespace lockstep::reactors
