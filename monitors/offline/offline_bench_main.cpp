// What the checker adds to reading a trace: the same trace is read by a handler that only looks at every field, and by
// mutual_exclusion, in turns. offline_bench [EVENTS] [ROUNDS] prints nanoseconds an event and the ratio.
#include <fmt/format.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "monitors/live/live_session.hpp"
#include "monitors/live/marker.hpp"
#include "monitors/lttng/private_lttng.hpp"
#include "monitors/offline/offline_verifier.hpp"
#include "monitors/runtime/monitor.hpp"
#include "monitors/trace/babeltrace_source.hpp"

namespace {

using namespace lockstep::monitors;

constexpr char trace[] = "/run/trace";

double cpu_seconds() {
    timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

// Every field of every event, and nothing else; strings to their end.
class Reader final : public EventHandler {
 public:
    explicit Reader(const std::vector<WantedEvent>& wanted) : wanted_(wanted) {}
    void on_event(std::size_t wanted, const Slot* slots, const Origin& origin) override {
        ++events;
        sum += origin.time_ns + origin.net_ns + origin.vpid + origin.vtid + origin.cpu;
        const auto& fields = wanted_[wanted].fields;
        for (std::size_t i = 0; i < fields.size(); ++i)
            if (fields[i].type != FieldType::string)
                sum += slots[i].unsigned_integer;
            else
                for (const char* text = slots[i].string; *text != 0; ++text) sum += static_cast<unsigned char>(*text);
    }
    void on_loss(const Loss&) override {}
    void on_mismatch(std::size_t, const std::string&) override {}

    std::uint64_t events = 0;
    std::uint64_t sum = 0;

 private:
    const std::vector<WantedEvent>& wanted_;
};

void record(std::uint64_t events) {
    PrivateLttng lttng({.work_directory = trace});
    LiveSessionOptions options;
    options.relay_url = lttng.relay_url();
    options.viewer_url = lttng.viewer_url();
    options.keep_trace = true;
    options.no_loss = true;
    const auto monitor = Monitor::load(find_monitor("mutual_exclusion"));
    const MonitorFeed feed({monitor.get()});
    Reader ignored(feed.wanted());
    LiveSession session(options, feed.wanted(), ignored);
    const pid_t program = fork();
    if (program == 0) {
        for (const auto& [name, value] : traced_program_environment(true)) setenv(name.c_str(), value.c_str(), 1);
        (void)!freopen("/dev/null", "w", stderr);
        const std::string path = default_marker_program().parent_path() / "lock_events";
        execl(path.c_str(), path.c_str(), "burst", "host/1", std::to_string(events / 2).c_str(), nullptr);
        _exit(127);
    }
    int status = 0;
    waitpid(program, &status, 0);
    const LiveResult result = session.finish(std::chrono::seconds(60));
    if (status != 0 || !result.complete || result.lost != 0) throw LttngError("the trace could not be recorded whole");
}

double read_only(std::uint64_t& events) {
    const auto monitor = Monitor::load(find_monitor("mutual_exclusion"));
    const MonitorFeed feed({monitor.get()});
    Reader reader(feed.wanted());
    const double begin = cpu_seconds();
    const auto source = BabeltraceSource::open_directory(trace, feed.wanted());
    while (source->read(reader) != EventSource::Status::end) {
    }
    events = reader.events;
    return cpu_seconds() - begin;
}

double check() {
    const auto monitor = Monitor::load(find_monitor("mutual_exclusion"), one_reader());
    const double begin = cpu_seconds();
    const OfflineResult result = verify_trace(trace, {monitor.get()});
    const double used = cpu_seconds() - begin;
    if (!result.complete || monitor->verdict() != Verdict::ok) throw LttngError("the trace is not judged ok");
    return used;
}

double median(std::vector<double> values) {
    std::ranges::nth_element(values, values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2));
    return values[values.size() / 2];
}

}  // namespace

int main(int argc, char** argv) {
    const std::uint64_t asked = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 400'000;
    const int rounds = argc > 2 ? std::atoi(argv[2]) : 7;
    try {
        enter_private_run_directories();
        record(asked);
        std::vector<double> reading, checking, ratios;
        std::uint64_t events = 0;
        for (int round = 0; round < rounds; ++round) {
            reading.push_back(read_only(events));
            checking.push_back(check());
            ratios.push_back(checking.back() / reading.back());
        }
        const double each = 1e9 / static_cast<double>(events);
        fmt::print("{} events, medians of {} rounds: reading {:.0f} ns an event, checking {:.0f}, ratio {:.3f}\n",
                   events, rounds, median(reading) * each, median(checking) * each, median(ratios));
        return 0;
    } catch (const std::exception& error) {
        fmt::print(stderr, "offline_bench: {}\n", error.what());
        return 2;
    }
}
