#include "monitors/serialisability/judge_trace.hpp"

#include <fmt/format.h>

#include <array>
#include <map>

#include "monitors/trace/babeltrace_source.hpp"

namespace lockstep::monitors {
namespace {

constexpr std::size_t violations_kept = 10;

enum Wanted : std::size_t { began, read, written, committed, aborted, wanted_count };

std::vector<WantedEvent> wanted_events() {
    const auto integers = [](std::vector<std::string> names) {
        std::vector<WantedField> fields;
        for (std::string& name : names) fields.push_back({std::move(name), FieldType::unsigned_integer});
        return fields;
    };
    const auto bytes = integers({"txn_id", "block", "offset_bytes", "size_bytes"});
    const auto id = integers({"txn_id"});
    return {{"txn", "began", id},
            {"txn", "read", bytes},
            {"txn", "written", bytes},
            {"txn", "committed", id},
            {"txn", "aborted", id}};
}

class Judge final : public EventHandler {
 public:
    void on_event(std::size_t wanted, const Slot* slots, const Origin& origin) override {
        ++seen_[wanted];
        SerialisabilityChecker& checker = checkers_[origin.vpid];
        const std::uint64_t transaction = slots[0].unsigned_integer;
        switch (wanted) {
            case began:
                return checker.began(transaction);
            case read:
                return checker.read(transaction, range_of(slots));
            case written:
                return checker.wrote(transaction, range_of(slots));
            case committed:
                if (const auto violation = checker.committed(transaction)) remember(*violation);
                return;
            case aborted:
                return checker.aborted(transaction);
            default:
                return;
        }
    }
    void on_loss(const Loss& loss) override {
        result_.reading.lost += loss.events;
        ++result_.reading.losses;
    }
    void on_mismatch(std::size_t, const std::string& why) override { result_.reading.problems.push_back(why); }
    void on_damage(const std::string& why) { result_.reading.problems.push_back(why); }
    void on_end() { result_.reading.complete = true; }

    SerialisabilityResult finish() {
        for (const auto& [process, checker] : checkers_) {
            result_.transactions += checker.committed_count();
            result_.running += checker.running_count();
        }
        for (const std::uint64_t count : seen_) result_.reading.events += count;
        find_reasons();
        result_.verdict = result_.violations > 0     ? Verdict::violated
                          : !result_.reasons.empty() ? Verdict::inconclusive
                                                     : Verdict::ok;
        return std::move(result_);
    }

 private:
    static ByteRange range_of(const Slot* slots) {
        const auto first = static_cast<std::uint32_t>(slots[2].unsigned_integer);
        return {slots[1].unsigned_integer, first, first + static_cast<std::uint32_t>(slots[3].unsigned_integer)};
    }

    void remember(const SerialisabilityViolation& violation) {
        ++result_.violations;
        if (result_.first_violations.size() < violations_kept) result_.first_violations.push_back(violation);
    }

    void find_reasons() {
        const OfflineResult& reading = result_.reading;
        const auto names = wanted_events();
        for (std::size_t event = 0; event < wanted_count; ++event)
            if (event != aborted && seen_[event] == 0)
                result_.reasons.push_back(fmt::format("saw no txn:{}", names[event].tracepoint));
        if (reading.losses > 0) result_.reasons.push_back(fmt::format("{} events were lost", reading.lost));
        if (!reading.complete) result_.reasons.push_back("the trace could not be read to its end");
        for (const std::string& problem : reading.problems) result_.reasons.push_back(problem);
    }

    std::map<std::uint32_t, SerialisabilityChecker> checkers_;  // by process
    std::array<std::uint64_t, wanted_count> seen_{};
    SerialisabilityResult result_;
};

}  // namespace

SerialisabilityResult judge_serialisability(const std::filesystem::path& directory) {
    Judge judge;
    const auto source = BabeltraceSource::open_directory(directory, wanted_events());
    try {
        while (source->read(judge) != EventSource::Status::end) {
        }
        judge.on_end();
    } catch (const TraceError& error) {
        judge.on_damage(error.what());
    }
    return judge.finish();
}

}  // namespace lockstep::monitors
