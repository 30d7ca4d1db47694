#include "nfs_server/explore/explorer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "nfs_server/base/check.hpp"
#include "nfs_server/base/faults.hpp"
#include "nfs_server/fs/check.hpp"
#include "nfs_server/journal/format.hpp"

namespace lockstep::server::explore {
namespace {

using disk::CrashBounds;
using disk::CrashStates;
using disk::ImageDisk;
using disk::RecordingDisk;

constexpr CrashBounds first_crash{.exhaustive_writes = 5, .sampled_subsets = 16, .sampled_torn = 6};
constexpr CrashBounds second_crash{.exhaustive_writes = 2, .sampled_subsets = 3, .sampled_torn = 2};
constexpr std::uint64_t states_a_second_crash = 24;  // one in so many states is crashed again
constexpr std::uint32_t call_after_crash = 1'000'000;
constexpr std::size_t points_a_kill = 12;        // one point in so many begins with a kill
constexpr std::uint64_t fault_seeds_tried = 16;  // for each shorter workload

std::uint64_t mixed(std::uint64_t seed, std::uint64_t with) {
    std::uint64_t value = seed + 0x9e3779b97f4a7c15 * (with + 1);
    value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9;
    value = (value ^ value >> 27) * 0x94d049bb133111eb;
    return value ^ value >> 31;
}

std::uint64_t hash_of(const std::string& text) {
    return journal::hash_of(std::as_bytes(std::span(text)));
}

void turn_off_faults() {
    for (Fault* fault : Fault::all()) fault->disable();
}

// Which of the candidates the recovered server equals; else says what is wrong.
struct Verdict {
    std::string problem;
    const Tree* tree = nullptr;
};

std::string stale_problem(Stack& stack, const Tree& tree) {
    for (const Handle& handle : tree.gone)
        if (const auto status = stack.client().getattr(handle).status; status != wire::NFS3ERR_STALE)
            return fmt::format("a removed file's handle answers {}, not STALE", static_cast<int>(status));
    return {};
}

Verdict judge(Stack& stack, const std::vector<const Tree*>& candidates) {
    const fs::CheckReport report = fs::check_file_system(stack.transactions());
    if (!report.sound()) return {"fsck: " + report.problems.front()};
    const auto found = observe(stack);
    if (!found) return {found.error()};
    // From the latest on: an unstable write that survived is the ordinary case.
    std::string problem;
    for (const Tree* tree : candidates) {
        if (tree->entries != *found) continue;
        // A call may change nothing that is seen, but its reply.
        if (problem = reply_problem(stack, *tree); problem.empty()) return {stale_problem(stack, *tree), tree};
    }
    if (!problem.empty()) return {std::move(problem)};
    return {fmt::format("{} (and {} other states would be legal)", difference(candidates.back()->entries, *found),
                        candidates.size() - 1)};
}

Verdict judge(disk::Disk& disk, const std::vector<const Tree*>& candidates) {
    const ManualClock clock;
    auto stack = Stack::open(disk, clock);
    if (!stack) return {"does not open: " + stack.error()};
    return judge(**stack, candidates);
}

std::vector<const Tree*> candidates_of(const RecordedRun& run, Allowed allowed) {
    std::vector<const Tree*> candidates;
    for (std::size_t i = allowed.last + 1; i-- > allowed.first;)
        if (i < run.trees().size()) candidates.push_back(&run.trees()[i]);
    return candidates;
}

}  // namespace

std::unique_ptr<const RecordedRun> Explorer::record(const Steps& steps) const {
    RecordedRun::prepare();
    // Each workload strikes elsewhere, and the same one always at the same place.
    if (!options_.fault.empty())
        for (Fault* fault : Fault::all())
            if (options_.fault == fault->name()) fault->enable(mixed(options_.fault_seed, hash_of(to_string(steps))));
    auto run = std::make_unique<const RecordedRun>(steps);
    turn_off_faults();
    return run;
}

// `context` tells apart images that start from different disks, or of which different things are asked.
bool Explorer::is_new(const ImageDisk& image, const RecordingDisk& recording, std::uint64_t context) {
    std::set<std::uint64_t> written;
    for (const disk::DiskEvent& event : recording.events())
        if (event.kind == disk::DiskEvent::Kind::write) written.insert(event.block);
    std::uint64_t hash = context;
    for (const std::uint64_t block : written) hash = mixed(hash, journal::hash_of(image.block(block).span()));
    return seen_.insert(hash).second;
}

std::optional<Failure> Explorer::explore(const Steps& steps) {
    const auto run = record(steps);
    ++counts_.workloads;
    counts_.placed_blocks += run->placed_blocks();
    const std::size_t events = run->disk().events().size();
    if (run->disagreement()) return Failure{steps, options_.fault_seed, std::nullopt, events, *run->disagreement()};
    seen_.clear();
    const CrashStates states(run->disk());
    std::optional<Failure> failure;
    for (CrashState state; state.point <= states.last_point(); ++state.point) {
        if (options_.only && options_.only->point != state.point) continue;
        state.choice = 0;
        states.visit(state.point, first_crash, mixed(options_.seed, state.point), [&](ImageDisk& image) {
            const bool wanted = !options_.only || options_.only->choice == state.choice;
            if (!failure && wanted && !limit_reached())
                if (std::string problem = judge_state(*run, state, image); !problem.empty())
                    failure = Failure{steps, options_.fault_seed, state, events, std::move(problem)};
            ++state.choice;
        });
        if (failure || limit_reached()) break;
        if (options_.only || state.point % points_a_kill == options_.seed % points_a_kill)
            if (std::string problem = judge_kill(*run, state.point); !problem.empty())
                return Failure{steps, options_.fault_seed, CrashState{state.point, 0}, events, std::move(problem)};
    }
    return failure;
}

// Empty, or what is wrong.
std::string Explorer::judge_state(const RecordedRun& run, CrashState state, ImageDisk& image) {
    const Allowed allowed = run.allowed_at(state.point);
    if (!is_new(image, run.disk(), mixed(allowed.first, allowed.last))) return {};
    ++counts_.states;
    const Candidates candidates = candidates_of(run, allowed);
    const ImageDisk before = image;
    const Verdict verdict = judge(image, candidates);
    if (!verdict.problem.empty()) return verdict.problem;
    const std::uint64_t seed = mixed(options_.seed, state.point * 4096 + state.choice);
    if (options_.only || seed % states_a_second_crash == 0) {
        RecordingDisk recording(before);
        if (auto problem = go_on_and_crash(recording, 0, {verdict.tree}, seed); !problem.empty())
            return "power failure, recovery, " + problem;
    }
    return {};
}

std::string Explorer::judge_kill(const RecordedRun& run, std::size_t point) {
    RecordingDisk recording(run.disk(), point);
    const Candidates candidates = candidates_of(run, run.allowed_at(point));
    std::string problem = go_on_and_crash(recording, point, candidates, mixed(options_.seed, point));
    return problem.empty() ? problem : "kill, recovery, " + problem;
}

// Recovers and makes one more file, then crashes everywhere from `first_point` on. Recovery must come to one of
// `before`; when the new file has been acknowledged, to that and the file.
std::string Explorer::go_on_and_crash(RecordingDisk& recording, std::size_t first_point, const Candidates& before,
                                      std::uint64_t seed) {
    const ManualClock clock;
    Tree with_file;
    {
        auto stack = Stack::open(recording, clock);
        if (!stack) return "does not open: " + stack.error();
        const Verdict recovered = judge(**stack, before);
        if (!recovered.problem.empty()) return recovered.problem;
        if (!(*stack)->file_system().reap()) return "the reaper fails";
        with_file = *recovered.tree;
        (*stack)->client().number_calls_from(call_after_crash);
        const auto made = (*stack)->client().create((*stack)->root(), "after the crash");
        if (made.status != wire::NFS3_OK) return fmt::format("CREATE answers {}", static_cast<int>(made.status));
        with_file.entries["after the crash"] = {
            {wire::NF3REG, 0644, 1, 0}, {}, ops::test::to_handle(made.CREATE3res_u.resok.obj)};
        with_file.executed.push_back(call_after_crash);
    }
    const std::size_t acknowledged = recording.events_count();
    Candidates unfinished = before;
    unfinished.push_back(&with_file);
    const CrashStates states(recording);
    std::string problem;
    for (std::size_t point = first_point; point <= states.last_point() && problem.empty(); ++point)
        states.visit(point, second_crash, mixed(seed, point), [&](ImageDisk& image) {
            if (!problem.empty() || !is_new(image, recording, mixed(seed, point >= acknowledged))) return;
            ++counts_.recovery_states;
            problem = judge(image, point >= acknowledged ? Candidates{&with_file} : unfinished).problem;
            if (!problem.empty())
                problem = fmt::format("crash again after event {} of {}: {}", point, states.last_point(), problem);
        });
    return problem;
}

// A fault strikes elsewhere in a shorter workload: a few of its seeds are tried.
std::optional<Failure> Explorer::explore_shorter(const Steps& steps) const {
    const std::uint64_t seeds = options_.fault.empty() ? 1 : fault_seeds_tried;
    for (std::uint64_t i = 0; i < seeds; ++i) {
        Explorer trial({.seed = options_.seed, .fault = options_.fault, .fault_seed = options_.fault_seed + i});
        if (auto failure = trial.explore(steps)) return failure;
    }
    return std::nullopt;
}

Failure Explorer::shrink(Failure failure) const {
    for (std::size_t length = failure.steps.size(); length > 0; length /= 2) {
        for (std::size_t start = 0; start + length <= failure.steps.size();) {
            Steps shorter = failure.steps;
            shorter.erase(shorter.begin() + static_cast<std::ptrdiff_t>(start),
                          shorter.begin() + static_cast<std::ptrdiff_t>(start + length));
            if (auto found = explore_shorter(shorter)) {
                failure = std::move(*found);
            } else {
                start += length;
            }
        }
    }
    return failure;
}

}  // namespace lockstep::server::explore
