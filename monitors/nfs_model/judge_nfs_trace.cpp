#include "monitors/nfs_model/judge_nfs_trace.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <set>
#include <unordered_map>

#include "monitors/offline/trace_judge.hpp"
#include "nfs_server/model/call_judge.hpp"

namespace lockstep::monitors {
namespace {

enum Wanted : std::size_t { committed, aborted, recorded };

std::vector<WantedEvent> wanted_events() {
    const WantedField request{"request_id", FieldType::unsigned_integer};
    return {
        {"txn", "committed", {request}},
        {"txn", "aborted", {request}},
        {"nfs3",
         "operation_recorded",
         {request, {"uid", FieldType::unsigned_integer}, {"call", FieldType::string}, {"reply", FieldType::string}}}};
}

// One call, at the place in the order where its last transaction ended.
struct RecordedCall {
    std::uint64_t place;
    std::uint32_t uid;
    std::string call;
    std::string reply;
};

class Judge final : public TraceJudge {
 public:
    void on_event(std::size_t wanted, const Slot* slots, const Origin& origin) override {
        ++reading_.events;
        processes_.insert(origin.vpid);
        const std::uint64_t request = slots[0].unsigned_integer;
        if (wanted != recorded) {
            if (request != 0) ended_[request] = ++events_;
            return;
        }
        // The server's start, which comes before everything.
        if (request == 0) calls_.push_back({0, 0, slots[2].string, slots[3].string});
        const auto ended = ended_.find(request);
        if (request == 0) return;
        if (ended == ended_.end()) {
            ++without_end_;
            return;
        }
        calls_.push_back(
            {ended->second, static_cast<std::uint32_t>(slots[1].unsigned_integer), slots[2].string, slots[3].string});
        ended_.erase(ended);
    }

    NfsModelResult finish() {
        std::ranges::sort(calls_, {}, &RecordedCall::place);
        server::model::CallJudge judge;
        // What was lost may have changed anything: then no difference is the server's fault for certain.
        if (reading_.losses == 0 && processes_.size() <= 1)
            for (const RecordedCall& call : calls_)
                if (auto difference = judge.judge(call.uid, call.call, call.reply)) {
                    result_.difference = std::move(*difference);
                    break;
                }
        result_.judged = judge.judged();
        result_.judged_procedures = judge.judged_procedures();
        result_.skipped = judge.skipped();
        find_reasons(judge);
        // After a file that the trace does not know, the model may be wrong.
        result_.verdict = !result_.reasons.empty()      ? Verdict::inconclusive
                          : !result_.difference.empty() ? Verdict::violated
                                                        : Verdict::ok;
        result_.reading = std::move(reading_);
        for (RecordedCall& call : calls_)
            result_.calls.push_back({call.uid, std::move(call.call), std::move(call.reply)});
        return std::move(result_);
    }

 private:
    void find_reasons(const server::model::CallJudge& judge) {
        auto& reasons = result_.reasons;
        if (calls_.empty()) reasons.emplace_back("saw no nfs3:operation_recorded that follows a txn:committed");
        if (without_end_ > 0)
            reasons.push_back(fmt::format("{} calls have no txn:committed or txn:aborted", without_end_));
        if (processes_.size() > 1) reasons.emplace_back("the trace has several server processes");
        add_doubts(reasons);
        for (const std::string& doubt : judge.doubts()) reasons.push_back(doubt);
    }

    std::unordered_map<std::uint64_t, std::uint64_t> ended_;  // request to the place of its last transaction's end
    std::vector<RecordedCall> calls_;
    std::set<std::uint32_t> processes_;
    std::uint64_t events_ = 0;
    std::uint64_t without_end_ = 0;
    NfsModelResult result_;
};

}  // namespace

NfsModelResult judge_nfs_replies(const std::filesystem::path& directory) {
    Judge judge;
    judge.read_trace(directory, wanted_events());
    return judge.finish();
}

}  // namespace lockstep::monitors
