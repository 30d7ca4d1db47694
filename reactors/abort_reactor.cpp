// abort: stops the process in the thread that broke the property, before its next instruction, with a core dump. The
// violation is on standard error first; the reactors listed with it get up to a second to finish theirs (the agent
// waits before act()). From outside the process: SIGABRT as soon as the report is there.
#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "reactors/culprit.hpp"
#include "reactors/reactor.hpp"

namespace lockstep::reactors {
namespace {

class AbortReactor final : public Reactor {
 public:
    void react(const Report&) override {}

    void react_from_outside(const Report& report) override {
        const pid_t culprit = culprit_of(report);
        if (kill(culprit, SIGABRT) != 0)
            throw ReactorError(fmt::format("cannot abort process {}: {}", culprit, std::strerror(errno)));
    }

    bool acts_in_place() const override { return true; }

    // A program's own SIGABRT handler must not undo it, and the core must show the culprit's stack.
    void act() noexcept override {
        struct sigaction action = {};
        action.sa_handler = SIG_DFL;
        sigaction(SIGABRT, &action, nullptr);
        std::abort();
    }
};

std::unique_ptr<Reactor> make_abort(const std::string& argument) {
    if (!argument.empty()) throw ReactorError("abort takes no argument");
    return std::make_unique<AbortReactor>();
}

}  // namespace

extern const ReactorKind abort_reactor;
const ReactorKind abort_reactor{"abort", "abort the process at the offending instruction, with a core dump",
                                make_abort};

}  // namespace lockstep::reactors
