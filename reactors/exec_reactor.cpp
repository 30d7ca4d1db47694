// exec: runs a shell command for each violation, one after another, with the report as JSON on its standard input.
#include <fmt/format.h>

#include "reactors/child_process.hpp"
#include "reactors/reactor.hpp"

namespace lockstep::reactors {
namespace {

// Enough for a core dump of a big process; what takes longer is killed and counted as a failure.
constexpr std::chrono::seconds command_time_limit{60};

std::string keys_of(const Report& report) {
    std::string text;
    for (const NamedValue& key : report.keys)
        text += fmt::format("{}{}={}", text.empty() ? "" : " ", key.name, key.value);
    return text;
}

class ExecReactor final : public Reactor {
 public:
    explicit ExecReactor(std::string script) : script_(std::move(script)) {}

    void react(const Report& report) override {
        run_command({script_,
                     {},
                     to_json(report) + "\n",
                     {{"LOCKSTEP_PROPERTY", report.monitor},
                      {"LOCKSTEP_KEYS", keys_of(report)},
                      {"LOCKSTEP_STATE", report.state},
                      {"LOCKSTEP_EVENT", report.event},
                      {"LOCKSTEP_VPID", std::to_string(report.origin.vpid)},
                      {"LOCKSTEP_TIME_NS", std::to_string(report.origin.time_ns)}}},
                    command_time_limit);
    }

 private:
    std::string script_;
};

std::unique_ptr<Reactor> make_exec(const std::string& argument) {
    if (argument.empty()) throw ReactorError("exec needs a command: exec:COMMAND");
    return std::make_unique<ExecReactor>(argument);
}

}  // namespace

extern const ReactorKind exec_reactor;
const ReactorKind exec_reactor{
    "exec", "run the shell command after the colon, the report as JSON on its standard input", make_exec};

}  // namespace lockstep::reactors
