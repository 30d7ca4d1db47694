// snapshot: LTTng's flight recorder. A session made with `lttng create --snapshot` keeps the last events of everything
// in memory; at a violation they are written to where the session says.
#include <fmt/format.h>

#include "reactors/child_process.hpp"
#include "reactors/reactor.hpp"

namespace lockstep::reactors {
namespace {

constexpr std::chrono::seconds snapshot_time_limit{30};

// Through the `lttng` command: calls of liblttng-ctl may hang, and a child can be killed.
class SnapshotReactor final : public Reactor {
 public:
    explicit SnapshotReactor(std::string session) : session_(std::move(session)) {}

    void react(const Report& report) override {
        const std::string name = fmt::format("{}-{:04}", report.monitor, ++count_);
        run_command({session_.empty() ? "exec lttng snapshot record --name=\"$1\""
                                      : "exec lttng snapshot record --name=\"$1\" --session=\"$2\"",
                     {name, session_},
                     "",
                     {}},
                    snapshot_time_limit);
    }

 private:
    std::string session_;
    unsigned count_ = 0;
};

std::unique_ptr<Reactor> make_snapshot(const std::string& argument) {
    return std::make_unique<SnapshotReactor>(argument);
}

}  // namespace

extern const ReactorKind snapshot_reactor;
const ReactorKind snapshot_reactor{
    "snapshot", "record a snapshot of the LTTng session after the colon, or of the current one, named PROPERTY-NUMBER",
    make_snapshot};

}  // namespace lockstep::reactors
