// lockstep run-program --file-locks: a lock on a file is about several processes, so their events are brought together
// by LTTng and judged here. The processes count what they fire, so that it is known whether all of it arrived.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <memory>

#include "cli/agents.hpp"
#include "cli/loadable_property.hpp"
#include "cli/property_status.hpp"
#include "cli/run_doubts.hpp"
#include "cli/run_program.hpp"
#include "cli/running_programs.hpp"
#include "cli/scratch_folder.hpp"
#include "cli/started_program.hpp"
#include "monitors/live/live_verifier.hpp"
#include "monitors/live/watch.hpp"
#include "monitors/lttng/private_lttng.hpp"
#include "preload/lock_registry_format.hpp"

namespace lockstep::cli {
namespace {

namespace fs = std::filesystem;
using monitors::WatchedProperty;
using nlohmann::json;
using std::chrono::milliseconds;
using Properties = std::vector<std::shared_ptr<WatchedProperty>>;

// What the watched processes noted about themselves.
class Notes {
 public:
    explicit Notes(const fs::path& file) {
        const int descriptor = open(file.c_str(), O_RDONLY | O_CLOEXEC);
        if (descriptor < 0) return;
        struct stat status {};
        if (fstat(descriptor, &status) == 0 && status.st_size == sizeof(preload::RegistryMemory))
            memory_ = mmap(nullptr, sizeof(preload::RegistryMemory), PROT_READ, MAP_SHARED, descriptor, 0);
        close(descriptor);
    }
    ~Notes() {
        if (memory_ != MAP_FAILED) munmap(memory_, sizeof(preload::RegistryMemory));
    }
    Notes(const Notes&) = delete;
    Notes& operator=(const Notes&) = delete;

    // Null: no process had the library.
    const preload::RegistryHead* head() const {
        return memory_ == MAP_FAILED ? nullptr : &static_cast<const preload::RegistryMemory*>(memory_)->head;
    }

    harness::FiredCounts fired() const {
        if (head() == nullptr) return {};
        const preload::FiredEvents& fired = head()->fired;
        return {{"lock_api:requested", fired.requested}, {"lock_api:acquired", fired.acquired},
                {"lock_api:denied", fired.denied},       {"lock_api:cancelled", fired.cancelled},
                {"lock_api:released", fired.released},   {"lock_api:tested", fired.tested}};
    }

    std::vector<std::string> doubts() const {
        std::vector<std::string> doubts;
        if (head() == nullptr)
            return {"no process had the library: the program is linked statically, or another user's"};
        if (head()->not_noted > 0)
            doubts.push_back(fmt::format("{} locks were more than can be kept in mind", head()->not_noted));
        if (head()->damaged > 0)
            doubts.push_back(fmt::format("{} processes died while they noted a lock", head()->damaged));
        return doubts;
    }

 private:
    void* memory_ = MAP_FAILED;
};

// Empty: an automaton has errors.
Properties load(const RunProgramOptions& options) {
    monitors::InstanceOptions instance = options.attach.instance;
    instance.history_records = std::max(instance.history_records, monitors::one_reader().history_records);
    Properties properties;
    for (const std::string& name : options.properties) {
        const LoadableProperty loadable(name);
        if (!loadable.sound()) return {};
        properties.push_back(
            std::make_shared<WatchedProperty>(loadable.file().string(), instance, options.attach.reactors));
    }
    return properties;
}

std::vector<monitors::Monitor*> monitors_of(const Properties& properties) {
    std::vector<monitors::Monitor*> all;
    for (const auto& property : properties) all.push_back(&property->monitor());
    return all;
}

std::vector<std::string> wanted_by(const Properties& properties) {
    std::vector<std::string> wanted;
    for (const auto& property : properties)
        for (const auto& binding : property->monitor().bindings())
            wanted.push_back(fmt::format("{}:{}", binding.provider, binding.tracepoint));
    return wanted;
}

monitors::LiveSessionOptions session_options(const LttngDaemons& lttng, bool no_loss) {
    monitors::LiveSessionOptions session;
    session.relay_url = lttng.get().relay_url();
    session.viewer_url = lttng.get().viewer_url();
    session.recorded_below = lttng.get().trace_directory();
    session.live_timer = milliseconds(2);
    session.no_loss = no_loss;
    // Many small parts: the live timer takes one at every tick, however little is in it.
    session.buffer_bytes = 64 << 10;
    session.buffer_count = 128;
    return session;
}

std::map<std::string, std::string> environment_of(const RunProgramOptions& options, const fs::path& notes) {
    std::map<std::string, std::string> environment;
    for (const auto& [name, value] : monitors::traced_program_environment(options.no_loss)) environment[name] = value;
    // Ours first, so that it sees the calls as the program makes them. fork() and close() need LTTng's wrappers.
    environment["LD_PRELOAD"] = preload_list(
        {library_beside_us("liblockstep_file_locks.so"), "liblttng-ust-fork.so.1", "liblttng-ust-fd.so.1"});
    environment[preload::registry_variable] = notes;
    return environment;
}

void doubt(json& property, const std::vector<std::string>& doubts) {
    for (const std::string& reason : doubts) property["reasons"].push_back(reason);
    if (!doubts.empty() && property.at("verdict") == "ok") property["verdict"] = "inconclusive";
}

}  // namespace

int run_program_with_file_locks(const RunProgramOptions& options) {
    const ScratchFolder scratch("lockstep-program");
    const fs::path notes_file = scratch.path() / "file-locks";
    StartedProgram program(options.command, environment_of(options, notes_file));
    const Properties properties = load(options);
    if (properties.empty()) return exit_violated;
    const LttngDaemons lttng;
    monitors::LiveVerifier verifier(session_options(lttng, options.no_loss), monitors_of(properties));
    monitors::Watch watch(properties, options.command[0], scratch.path() / "control");
    hand_signals_on();
    program.begin();
    while (!program.ended_within(250)) {
    }
    const int end = program.reap();
    // Counted before the last events are read: those must all arrive.
    const Notes notes(notes_file);
    const harness::FiredCounts fired = notes.fired();
    const monitors::LiveResult live = verifier.finish();
    watch.finish();
    const monitors::LiveResult seen = monitors::judge_again_if_broken_off(verifier, live, properties);
    std::vector<std::string> doubts = notes.doubts();
    const auto missing = doubts_of(seen, wanted_by(properties), fired, harness::Counting::at_least);
    doubts.insert(doubts.end(), missing.begin(), missing.end());
    std::vector<json> judged;
    for (const auto& property : properties) doubt(judged.emplace_back(property->status()), doubts);
    print_loss(seen.lost, seen.losses, seen.first_event_ns, seen.lost_since_ns);
    print_read_again(seen.read_again_because);
    return print_judged(options, judged, end);
}

}  // namespace lockstep::cli
