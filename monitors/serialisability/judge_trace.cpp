#include "monitors/serialisability/judge_trace.hpp"

#include <fmt/format.h>

#include <array>
#include <map>

#include "monitors/offline/trace_judge.hpp"

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

class Judge final : public TraceJudge {
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

    SerialisabilityResult finish() {
        for (const auto& [process, checker] : checkers_) {
            result_.transactions += checker.committed_count();
            result_.running += checker.running_count();
        }
        for (const std::uint64_t count : seen_) reading_.events += count;
        find_reasons();
        result_.verdict = result_.violations > 0     ? Verdict::violated
                          : !result_.reasons.empty() ? Verdict::inconclusive
                                                     : Verdict::ok;
        result_.reading = std::move(reading_);
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
        const auto names = wanted_events();
        for (std::size_t event = 0; event < wanted_count; ++event)
            if (event != aborted && seen_[event] == 0)
                result_.reasons.push_back(fmt::format("saw no txn:{}", names[event].tracepoint));
        add_doubts(result_.reasons);
    }

    std::map<std::uint32_t, SerialisabilityChecker> checkers_;  // by process
    std::array<std::uint64_t, wanted_count> seen_{};
    SerialisabilityResult result_;
};

}  // namespace

SerialisabilityResult judge_serialisability(const std::filesystem::path& directory) {
    Judge judge;
    judge.read_trace(directory, wanted_events());
    return judge.finish();
}

}  // namespace lockstep::monitors
