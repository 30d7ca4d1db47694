// stop: halts the whole process (SIGSTOP) in the thread that broke the property, before its next instruction, to attach
// a debugger; SIGCONT lets it go on. From outside the process, as soon as the report is there.
#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "reactors/culprit.hpp"
#include "reactors/reactor.hpp"

namespace lockstep::reactors {
namespace {

class StopReactor final : public Reactor {
 public:
    void react(const Report&) override {}

    void react_from_outside(const Report& report) override {
        const pid_t culprit = culprit_of(report);
        if (kill(culprit, SIGSTOP) != 0)
            throw ReactorError(fmt::format("cannot stop process {}: {}", culprit, std::strerror(errno)));
    }

    bool acts_in_place() const override { return true; }

    void act() noexcept override { kill(getpid(), SIGSTOP); }
};

std::unique_ptr<Reactor> make_stop(const std::string& argument) {
    if (!argument.empty()) throw ReactorError("stop takes no argument");
    return std::make_unique<StopReactor>();
}

}  // namespace

extern const ReactorKind stop_reactor;
const ReactorKind stop_reactor{
    "stop", "stop the process (SIGSTOP) at the offending instruction, for a debugger; SIGCONT continues it", make_stop};

}  // namespace lockstep::reactors
