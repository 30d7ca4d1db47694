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
    stack->service_.reset(new ops::Service{*stack->file_system_, /*write_verifier=*/1});
    stack->client_ = std::make_unique<ops::test::TestClient>(*stack->service_);
    return stack;
}

Handle Stack::root() const {
    const fs::FileHandle handle = file_system_->handle_of(file_system_->root());
    return Handle(reinterpret_cast<const char*>(handle.data()), handle.size());
}

}  // namespace lockstep::server::explore
