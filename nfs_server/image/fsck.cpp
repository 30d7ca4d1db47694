#include "nfs_server/image/fsck.hpp"

#include "nfs_server/fs/format.hpp"
#include "nfs_server/txn/transaction.hpp"

namespace lockstep::server::image {
namespace {

FsckResult failed(const StorageFailure& failure) {
    const bool damaged = failure.code == StorageError::corrupt;
    return {.verdict = damaged ? FsckResult::Verdict::damaged : FsckResult::Verdict::could_not,
            .problems = {failure.message},
            .truncated = false,
            .replayed = {},
            .report = {}};
}

}  // namespace

FsckResult fsck(disk::Disk& disk, std::size_t max_problems) {
    auto journal = journal::Journal::open(disk, {.background = false});
    if (!journal) return failed(journal.error());
    txn::TransactionManager transactions(**journal);
    if (const auto superblock = fs::read_superblock(transactions); !superblock) return failed(superblock.error());
    fs::CheckReport report = fs::check_file_system(transactions, max_problems);
    FsckResult result;
    result.verdict = report.sound() ? FsckResult::Verdict::clean : FsckResult::Verdict::damaged;
    result.problems = report.problems;
    result.truncated = report.truncated;
    result.replayed = (*journal)->recovery();
    result.report = std::move(report);
    return result;
}

}  // namespace lockstep::server::image
