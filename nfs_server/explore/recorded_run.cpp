#include "nfs_server/explore/recorded_run.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "nfs_server/base/check.hpp"
#include "nfs_server/explore/workload.hpp"

namespace lockstep::server::explore {
namespace {

using namespace wire;  // status codes
using model::ReferenceModel;
using ops::test::to_handle;

constexpr std::uint64_t disk_blocks = 640;
constexpr std::uint64_t log_blocks = 96;
constexpr std::uint64_t inode_count = 64;
constexpr std::uint64_t exclusive_verifier = 77;

disk::ImageDisk make_empty_image() {
    disk::ImageDisk image(disk_blocks);
    check(journal::Journal::format(image, {.log_blocks = log_blocks}).has_value(), "a disk in memory can be formatted");
    auto journal = journal::Journal::open(image, {.background = false});
    check(journal.has_value(), "a new log opens");
    txn::TransactionManager transactions(**journal);
    check(fs::format(transactions, {.inode_count = inode_count, .seed = 1}, 0).has_value(), "a new log takes a format");
    check((*journal)->sync().has_value(), "a disk in memory does not fail");
    return image;
}

}  // namespace

RecordedRun::Start RecordedRun::make_base() {
    Steps steps = base_tree();
    steps.push_back({.verb = Verb::checkpoint});
    const RecordedRun run({make_empty_image()}, steps);
    check(!run.disagreement_, "the base tree can be made");
    return run.end();
}

const RecordedRun::Start& RecordedRun::base() {
    static const Start start = make_base();
    return start;
}

RecordedRun::Start RecordedRun::end() const {
    Start end{disk_->initial(), models_.back(), handles_, trees_.back().executed, next_xid_};
    for (const disk::DiskEvent& event : disk_->events())
        if (event.kind == disk::DiskEvent::Kind::write) end.image.put(event.block, event.content);
    return end;
}

RecordedRun::RecordedRun(const Start& start, const Steps& steps)
    : disk_(std::make_unique<disk::RecordingDisk>(start.image)),
      models_{start.model},
      handles_(start.handles),
      next_xid_(start.next_xid) {
    open();
    if (disagreement_) return;
    if (handles_.empty()) handles_.push_back(stack_->root());
    trees_.push_back(tree_of(models_.back(), handles_));
    trees_.back().executed = start.executed;
    note({0, 0});
    for (const Step& step : steps) {
        clock_.advance(1'000'000);
        if (!run_step(step)) break;
    }
    if (!disagreement_) {
        const auto found = observe(*stack_);
        if (!found)
            disagree(found.error());
        else if (const auto wrong = difference(trees_.back().entries, *found); !wrong.empty())
            disagree("after the last step " + wrong);
    }
    if (stack_) placed_blocks_ += stack_->journal().counters().blocks_placed;
    stack_.reset();
}

void RecordedRun::open() {
    auto opened = Stack::open(*disk_, clock_);
    if (!opened) return static_cast<void>(disagree("the server does not start: " + opened.error()));
    stack_ = std::move(*opened);
    stack_->client().number_calls_from(next_xid_);
}

Allowed RecordedRun::allowed_at(std::size_t events) const {
    const auto after = std::ranges::upper_bound(moments_, events, {}, &Moment::events);
    return after == moments_.begin() ? Allowed{} : std::prev(after)->allowed;
}

bool RecordedRun::disagree(std::string what) {
    disagreement_ = std::move(what);
    return false;
}

// False: the run is over, because server and model disagree.
bool RecordedRun::run_step(const Step& step) {
    if (step.verb == Verb::checkpoint) {
        if (!stack_->journal().checkpoint()) return disagree("a checkpoint failed");
        return true;
    }
    if (step.verb == Verb::settle) {
        if (!stack_->journal().settle()) return disagree("settling failed");
        return true;
    }
    if (step.verb == Verb::restart) {
        restart();
        return !disagreement_;
    }
    return run_call(step);
}

bool RecordedRun::run_call(const Step& step) {
    note({promised_, trees_.size()});  // while it is under way it may be there already
    std::optional<Answer> answer = call_server(step);
    // Nobody but the workload's own checkpoints frees the log; a client would try again, too.
    if (answer && answer->status == NFS3ERR_JUKEBOX && stack_->journal().checkpoint()) answer = call_server(step);
    models_.push_back(models_.back());
    const ReferenceModel::Reply expected = answer ? call_model(step) : ReferenceModel::Reply{NFS3_OK};
    if (answer && answer->status != expected.status)
        return disagree(fmt::format("\"{}\" answers {}, the model {}", to_string(step),
                                    static_cast<int>(answer->status), static_cast<int>(expected.status)));
    if (answer && expected.node >= 0 && expected.status == NFS3_OK) {
        if (static_cast<std::size_t>(expected.node) == handles_.size()) handles_.push_back(answer->handle);
        if (handle(expected.node) != answer->handle)
            return disagree(fmt::format("\"{}\" gives another file's handle", to_string(step)));
    }
    std::vector<std::uint32_t> executed = trees_.back().executed;
    if (answer && answer->status == NFS3_OK && step.verb != Verb::commit) executed.push_back(next_xid_ - 1);
    trees_.push_back(tree_of(models_.back(), handles_));
    trees_.back().executed = std::move(executed);
    if (answer && answer->status == NFS3_OK && answer->promises_stable) promised_ = trees_.size() - 1;
    note({promised_, trees_.size() - 1});
    return true;
}

// The process dies and starts again: what it had not written is lost, what it had written need not be durable before
// recovery says so.
void RecordedRun::restart() {
    placed_blocks_ += stack_->journal().counters().blocks_placed;
    stack_.reset();
    open();
    if (disagreement_) return;
    const auto found = observe(*stack_);
    if (!found) return static_cast<void>(disagree("after a restart: " + found.error()));
    for (std::size_t i = trees_.size(); i-- > promised_;) {
        // A call that left everything as it was is seen by its reply only.
        if (trees_[i].entries != *found || !reply_problem(*stack_, trees_[i]).empty()) continue;
        models_.push_back(models_[i]);
        trees_.push_back(trees_[i]);
        handles_.resize(static_cast<std::size_t>(models_.back().node_count()));
        promised_ = trees_.size() - 1;
        return note({promised_, promised_});
    }
    const std::string wrong = difference(trees_[promised_].entries, *found);
    disagree("after a restart " + (wrong.empty() ? reply_problem(*stack_, trees_[promised_]) : wrong));
}

std::optional<ReferenceModel::Node> RecordedRun::find(const std::string& path) const {
    ReferenceModel::Node node = ReferenceModel::root;
    for (std::size_t start = 0; start < path.size();) {
        const std::size_t end = std::min(path.find('/', start), path.size());
        const auto found = models_.back().lookup(node, path.substr(start, end - start));
        if (found.status != NFS3_OK) return std::nullopt;
        node = found.node;
        start = end + 1;
    }
    return node;
}

std::optional<RecordedRun::Place> RecordedRun::place_of(const std::string& path) const {
    const std::size_t slash = path.rfind('/');
    const auto directory = find(slash == std::string::npos ? "" : path.substr(0, slash));
    if (!directory) return std::nullopt;
    return Place{*directory, slash == std::string::npos ? path : path.substr(slash + 1)};
}

// Bytes that differ from operation to operation and from place to place.
std::string RecordedRun::data_of(const Step& step) const {
    std::string data(step.size, ' ');
    for (std::size_t i = 0; i < data.size(); ++i)
        data[i] = static_cast<char>('a' + (trees_.size() * 7 + (step.offset + i) / 64) % 26);
    return data;
}

// Nothing when the step names a place or a file that does not exist.
std::optional<RecordedRun::Answer> RecordedRun::call_server(const Step& step) {
    auto& client = stack_->client();
    client.reset();
    client.number_calls_from(next_xid_++);
    const auto made = [](const auto& res, const auto& ok) {
        return Answer{res.status, res.status == NFS3_OK ? to_handle(ok.obj) : Handle()};
    };
    if (step.verb == Verb::commit) return Answer{client.commit(stack_->root()).status};
    const auto place = place_of(step.path);
    const auto file = find(step.path);
    const bool needs_file =
        step.verb == Verb::write || step.verb == Verb::truncate || step.verb == Verb::chmod || step.verb == Verb::link;
    if (!place || (needs_file && !file)) return std::nullopt;
    const Handle& directory = handle(place->directory);
    switch (step.verb) {
        case Verb::creat: {
            const auto res = client.create(directory, place->name, UNCHECKED);
            return made(res, res.CREATE3res_u.resok);
        }
        case Verb::exclusive: {
            const auto res = client.create_exclusive(directory, place->name, exclusive_verifier);
            return made(res, res.CREATE3res_u.resok);
        }
        case Verb::mkdir: {
            const auto res = client.mkdir(directory, place->name);
            return made(res, res.MKDIR3res_u.resok);
        }
        case Verb::symlink: {
            const auto res = client.symlink(directory, place->name, "to/" + place->name);
            return made(res, res.SYMLINK3res_u.resok);
        }
        case Verb::fifo: {
            const auto res = client.mknod(directory, place->name, NF3FIFO);
            return made(res, res.MKNOD3res_u.resok);
        }
        case Verb::remove:
            return Answer{client.remove(directory, place->name).status};
        case Verb::rmdir:
            return Answer{client.rmdir(directory, place->name).status};
        case Verb::rename:
        case Verb::link: {
            const auto to = place_of(step.other);
            if (!to) return std::nullopt;
            const Handle& target = handle(to->directory);
            if (step.verb == Verb::link) return Answer{client.link(handle(*file), target, to->name).status};
            return Answer{client.rename(directory, place->name, target, to->name).status};
        }
        case Verb::write: {
            const auto stable = step.stable ? FILE_SYNC : UNSTABLE;
            return Answer{client.write(handle(*file), step.offset, data_of(step), stable).status, {}, step.stable};
        }
        case Verb::truncate:
            return Answer{client.setattr(handle(*file), ops::test::with_size(step.size)).status};
        case Verb::chmod:
            return Answer{
                client.setattr(handle(*file), ops::test::with_mode(static_cast<std::uint32_t>(step.size))).status};
        case Verb::commit:
        case Verb::settle:
        case Verb::checkpoint:
        case Verb::restart:
            break;
    }
    return std::nullopt;
}

// The same step; its paths exist. The last model is changed, the one before it is what the server had seen.
ReferenceModel::Reply RecordedRun::call_model(const Step& step) {
    ReferenceModel& model = models_.back();
    if (step.verb == Verb::commit) return {NFS3_OK};
    const auto place = place_of(step.path);
    const auto file = find(step.path);
    switch (step.verb) {
        case Verb::creat:
            return model.create(place->directory, place->name, UNCHECKED, {}, 0644);
        case Verb::exclusive:
            return model.create_exclusive(place->directory, place->name, exclusive_verifier);
        case Verb::mkdir:
            return model.mkdir(place->directory, place->name, 0755);
        case Verb::symlink:
            return model.symlink(place->directory, place->name, "to/" + place->name);
        case Verb::fifo:
            return model.mknod(place->directory, place->name, NF3FIFO, 0600);
        case Verb::remove:
            return {model.remove(place->directory, place->name)};
        case Verb::rmdir:
            return {model.rmdir(place->directory, place->name)};
        case Verb::rename:
        case Verb::link: {
            const auto to = place_of(step.other);
            if (step.verb == Verb::link) return {model.link(*file, to->directory, to->name)};
            return {model.rename(place->directory, place->name, to->directory, to->name)};
        }
        case Verb::write:
            return {model.write(*file, step.offset, data_of(step))};
        case Verb::truncate:
            return {model.set_size(*file, step.size)};
        case Verb::chmod:
            return {model.set_mode(*file, static_cast<std::uint32_t>(step.size))};
        case Verb::commit:
        case Verb::settle:
        case Verb::checkpoint:
        case Verb::restart:
            break;
    }
    return {NFS3_OK};
}

}  // namespace lockstep::server::explore
