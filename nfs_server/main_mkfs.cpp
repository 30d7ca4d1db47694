// nfs_server mkfs IMAGE: an empty file system where there is nothing.
#include <cstdio>
#include <filesystem>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "nfs_server/base/clock.hpp"
#include "nfs_server/disk/blank.hpp"
#include "nfs_server/disk/disk_spec.hpp"
#include "nfs_server/fs/format.hpp"
#include "nfs_server/journal/journal.hpp"
#include "nfs_server/main_tools.hpp"

namespace lockstep::server {
namespace {

struct MkfsOptions {
    std::string image;
    std::string size;
    uint64_t log_blocks = 0;
    uint64_t inodes = 0;
};

// A log alone is what a crash of mkfs leaves: it goes on from there.
Result<void, StorageFailure> make_file_system(disk::Disk& disk, const MkfsOptions& options) {
    auto journal = journal::Journal::open(disk);
    if (!journal && journal.error().code == StorageError::blank) {
        LOCKSTEP_TRY(disk::expect_blank(disk));
        LOCKSTEP_TRY(journal::Journal::format(disk, {.log_blocks = options.log_blocks}));
        journal = journal::Journal::open(disk);
    }
    if (!journal) return fail(journal.error());
    txn::TransactionManager transactions(**journal);
    if (fs::read_superblock(transactions))
        return fail(StorageFailure{StorageError::unknown_format,
                                   "there is a file system already; mkfs overwrites nothing: take a new image"});
    fs::FormatOptions format;
    format.inode_count = options.inodes;
    LOCKSTEP_TRY(fs::format(transactions, format, static_cast<uint64_t>(system_clock().real_time_ns())));
    LOCKSTEP_TRY(const fs::Superblock made, fs::read_superblock(transactions));
    if (const auto synced = (*journal)->sync(); !synced)
        return fail(StorageFailure{synced.error(), "writing it out failed"});
    std::printf("%s: %llu blocks of 4096 bytes for files, %llu inodes, file system id %016llx\n", options.image.c_str(),
                static_cast<unsigned long long>(made.total_blocks - made.data_start),
                static_cast<unsigned long long>(made.inode_count),
                static_cast<unsigned long long>(made.file_system_id));
    return {};
}

// So many hold a WRITE of one block, whatever of the file's map it changes (FileSystem::max_write_bytes).
constexpr uint64_t least_log_blocks = 24;
constexpr uint64_t most_log_blocks = uint64_t{1} << 39;

bool changed_nothing(StorageError code) {
    return code == StorageError::unknown_format || code == StorageError::no_space ||
           code == StorageError::bad_argument || code == StorageError::busy || code == StorageError::corrupt;
}

}  // namespace

int run_mkfs(int argc, char** argv) {
    MkfsOptions options;
    CLI::App app{
        "Makes an empty file system in an image that is blank or missing. It overwrites nothing.\n"
        "Exit status: 0 made, 1 failed on the way, 2 could not begin.",
        "nfs_server mkfs"};
    app.add_option("IMAGE", options.image, "A file or block device")->required();
    app.add_option("--size", options.size, "Makes the file, if it is missing, this large: 64M, 10G");
    app.add_option("--log-blocks", options.log_blocks,
                   "Blocks of the log, 24 or more; 0: an eighth of the image, at most 64 MiB")
        ->check(CLI::IsMember({"0"}) | CLI::Range(least_log_blocks, most_log_blocks))
        ->capture_default_str();
    app.add_option("--inodes", options.inodes, "Files that fit; 0: one for each two blocks")->capture_default_str();
    if (const auto status = parse_tool(app, argc, argv)) return *status;
    const auto failed = [&](const StorageFailure& failure, int status) {
        std::fprintf(stderr, "nfs_server mkfs: %s: %s\n", options.image.c_str(), failure.message.c_str());
        return status;
    };
    const bool is_new = !std::filesystem::exists(options.image);
    auto disk = disk::open_disk("file:" + options.image + (options.size.empty() ? "" : ":" + options.size));
    if (!disk) return failed(disk.error(), 2);
    (*disk)->when_failed([&](const std::string& what) {
        std::fprintf(stderr, "nfs_server mkfs: %s: %s\n", options.image.c_str(), what.c_str());
    });
    const auto made = make_file_system(**disk, options);
    if (made) return 0;
    // What can't be used would be in the way of the next attempt, with a size that fits.
    if (is_new) std::filesystem::remove(options.image);
    return failed(made.error(), is_new || changed_nothing(made.error().code) ? 2 : 1);
}

}  // namespace lockstep::server
