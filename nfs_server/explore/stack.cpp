#include "nfs_server/explore/stack.hpp"

namespace lockstep::server::explore {

Result<std::unique_ptr<Stack>, std::string> Stack::open(disk::Disk& disk, const Clock& clock) {
    std::unique_ptr<Stack> stack(new Stack);
    auto journal = journal::Journal::open(disk, {.background = false});
    if (!journal) return fail(std::move(journal.error().message));
    stack->journal_ = std::move(*journal);
    stack->transactions_ = std::make_unique<txn::TransactionManager>(*stack->journal_);
    auto mounted = fs::FileSystem::mount(*stack->transactions_, clock, /*background_reaper=*/false);
    if (!mounted) return fail(std::move(mounted.error().message));
    stack->file_system_ = std::move(*mounted);
    auto replies = ops::ReplyCache::open(*stack->file_system_);
    if (!replies) return fail(std::string("the kept replies can't be read"));
    stack->replies_ = std::move(*replies);
    stack->service_.reset(new ops::Service{*stack->file_system_, /*write_verifier=*/1, stack->replies_.get()});
    stack->client_ = std::make_unique<ops::test::TestClient>(*stack->service_);
    return stack;
}

Result<std::set<std::uint32_t>, std::string> Stack::kept_replies() {
    const auto found = fs::read_kept_replies(*file_system_);
    if (!found) return fail(std::string("the kept replies can't be read"));
    std::set<std::uint32_t> xids;
    for (const fs::FoundReply& reply : *found) xids.insert(reply.kept.call.xid);
    return xids;
}

Handle Stack::root() const {
    const fs::FileHandle handle = file_system_->handle_of(file_system_->root());
    return Handle(reinterpret_cast<const char*>(handle.data()), handle.size());
}

}  // namespace lockstep::server::explore
