#include "nfs_server/disk/file_disk.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>

#include "nfs_server/base/waiting.hpp"
#include "tracepoints/disk.tp"

namespace lockstep::server::disk {
namespace {

// A file descriptor that is closed unless it is taken out.
class OwnedFile {
 public:
    explicit OwnedFile(int file) : file_(file) {}
    ~OwnedFile() {
        if (file_ >= 0) ::close(file_);
    }
    OwnedFile(const OwnedFile&) = delete;
    OwnedFile& operator=(const OwnedFile&) = delete;
    OwnedFile(OwnedFile&& other) noexcept : file_(std::exchange(other.file_, -1)) {}
    int get() const { return file_; }
    int take() { return std::exchange(file_, -1); }

 private:
    int file_;
};

tl::unexpected<StorageFailure> failed(StorageError code, const std::string& path, const std::string& what) {
    return fail(StorageFailure{code, "disk " + path + ": " + what});
}

tl::unexpected<StorageFailure> failed_errno(const std::string& path, const std::string& doing) {
    const int error = errno;
    return failed(StorageError::io, path, doing + ": " + std::generic_category().message(error));
}

// The size of an open file or block device, in bytes.
Result<uint64_t, StorageFailure> found_size(int file, const std::string& path) {
    struct stat status = {};
    if (::fstat(file, &status) != 0) return failed_errno(path, "reading its attributes");
    if (!S_ISREG(status.st_mode) && !S_ISBLK(status.st_mode))
        return failed(StorageError::bad_argument, path, "neither a regular file nor a block device");
    const off_t end = ::lseek(file, 0, SEEK_END);
    if (end < 0) return failed_errno(path, "finding its size");
    return static_cast<uint64_t>(end);
}

// Makes a new name durable: the directory that holds it is written out.
Result<void, StorageFailure> sync_directory_of(const std::string& path) {
    std::filesystem::path directory = std::filesystem::path(path).parent_path();
    OwnedFile opened(::open(directory.empty() ? "." : directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (opened.get() < 0 || ::fsync(opened.get()) != 0) return failed_errno(path, "writing out its directory");
    return {};
}

Result<OwnedFile, StorageFailure> create(const std::string& path, uint64_t size_bytes) {
    OwnedFile file(::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (file.get() < 0) return failed_errno(path, "creating it");
    if (::ftruncate(file.get(), static_cast<off_t>(size_bytes)) != 0) {
        auto failure = failed_errno(path, "giving it its size");
        ::unlink(path.c_str());
        return failure;
    }
    if (::fsync(file.get()) != 0) return failed_errno(path, "writing out its size");
    LOCKSTEP_TRY(sync_directory_of(path));
    return file;
}

Result<OwnedFile, StorageFailure> open_existing(const std::string& path, std::optional<uint64_t> size_bytes) {
    OwnedFile file(::open(path.c_str(), O_RDWR | O_CLOEXEC));
    if (file.get() >= 0) return file;
    if (errno != ENOENT) return failed_errno(path, "opening it");
    if (!size_bytes)
        return failed(StorageError::bad_argument, path, "no such file; give a size to create it, file:" + path + ":1G");
    return create(path, *size_bytes);
}

// O_DIRECT is asked for after opening, so that a file system without it costs nothing but the page cache.
bool set_direct(int file) {
    const int flags = ::fcntl(file, F_GETFL);
    if (flags < 0 || ::fcntl(file, F_SETFL, flags | O_DIRECT) != 0) return false;
    // Some file systems accept the flag and then refuse the reading.
    BlockBuffer probe = BlockBuffer::uninitialised();
    if (::pread(file, probe.mutable_data(), block_size_bytes, 0) >= 0) return true;
    (void)::fcntl(file, F_SETFL, flags);
    return false;
}

constexpr size_t pieces_limit = 1024;  // the system takes no more
using Pieces = std::array<iovec, pieces_limit>;

// Describes blocks[0 …] to the kernel, joining neighbours in memory. Returns how many blocks the pieces hold.
template <class Byte>
size_t gather(std::span<Byte* const> blocks, Pieces& pieces, size_t& pieces_count) {
    pieces_count = 0;
    size_t taken = 0;
    const std::byte* end_of_last = nullptr;
    for (; taken < blocks.size(); ++taken) {
        if (pieces_count > 0 && blocks[taken] == end_of_last) {
            pieces[pieces_count - 1].iov_len += block_size_bytes;
        } else {
            if (pieces_count == pieces_limit) break;
            pieces[pieces_count++] = {const_cast<std::byte*>(blocks[taken]), block_size_bytes};
        }
        end_of_last = blocks[taken] + block_size_bytes;
    }
    return taken;
}

// Runs `transfer(pieces, count, offset)` (preadv or pwritev) until all blocks are through. A transfer that ends within
// a block is done again from that block's start: direct transfers must begin on a block.
template <class Byte, class Transfer>
Result<void, StorageError> transfer_all(uint64_t first_block, std::span<Byte* const> blocks, Transfer&& transfer) {
    while (!blocks.empty()) {
        Pieces pieces;
        size_t pieces_count = 0;
        gather(blocks, pieces, pieces_count);
        const ssize_t moved =
            transfer(pieces.data(), static_cast<int>(pieces_count), static_cast<off_t>(first_block * block_size_bytes));
        if (moved < 0 && errno == EINTR) continue;
        const size_t moved_blocks = moved < 0 ? 0 : static_cast<size_t>(moved) / block_size_bytes;
        if (moved_blocks == 0) {
            if (moved >= 0) errno = EIO;  // it ends where it should not
            return fail(StorageError::io);
        }
        blocks = blocks.subspan(moved_blocks);
        first_block += moved_blocks;
    }
    return {};
}

}  // namespace

Result<std::unique_ptr<FileDisk>, StorageFailure> FileDisk::open(const std::string& path,
                                                                 std::optional<uint64_t> size_bytes) {
    LOCKSTEP_TRY(OwnedFile file, open_existing(path, size_bytes));
    if (::flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
        if (errno == EWOULDBLOCK) return failed(StorageError::busy, path, "in use by another process");
        return failed_errno(path, "locking it");
    }
    LOCKSTEP_TRY(const uint64_t found, found_size(file.get(), path));
    if (size_bytes && *size_bytes != found)
        return failed(StorageError::bad_argument, path,
                      "has " + std::to_string(found) + " bytes, not the " + std::to_string(*size_bytes) + " asked for");
    if (found < block_size_bytes) return failed(StorageError::bad_argument, path, "smaller than a block of 4096 bytes");
    const bool direct = set_direct(file.get());
    return std::unique_ptr<FileDisk>(new FileDisk(file.take(), found / block_size_bytes, direct));
}

FileDisk::~FileDisk() {
    ::close(file_);
}

tl::unexpected<StorageError> FileDisk::failing(const char* doing) {
    note_failure(std::string(doing) + ": " + std::generic_category().message(errno));
    return fail(StorageError::io);
}

Result<void, StorageError> FileDisk::read(uint64_t first_block, std::span<std::byte* const> blocks) {
    if (!has(first_block, blocks.size())) return fail(StorageError::out_of_range);
    about_to_wait();
    const auto moved = transfer_all(first_block, blocks, [this](const iovec* pieces, int count, off_t offset) {
        return ::preadv(file_, pieces, count, offset);
    });
    if (!moved) return failing("reading");
    lttng_ust_tracepoint(disk, read, first_block, static_cast<uint32_t>(blocks.size()));
    return {};
}

Result<void, StorageError> FileDisk::write(uint64_t first_block, std::span<const std::byte* const> blocks) {
    if (!has(first_block, blocks.size())) return fail(StorageError::out_of_range);
    about_to_wait();
    const auto moved = transfer_all(first_block, blocks, [this](const iovec* pieces, int count, off_t offset) {
        return ::pwritev(file_, pieces, count, offset);
    });
    if (!moved) return failing("writing");
    lttng_ust_tracepoint(disk, written, first_block, static_cast<uint32_t>(blocks.size()));
    return {};
}

Result<uint64_t, StorageError> FileDisk::next_data(uint64_t from) {
    if (from >= size_blocks_) return size_blocks_;
    const off_t found = ::lseek(file_, static_cast<off_t>(from * block_size_bytes), SEEK_DATA);
    if (found >= 0) return std::min(static_cast<uint64_t>(found) / block_size_bytes, size_blocks_);
    if (errno == ENXIO) return size_blocks_;
    if (errno == EINVAL || errno == EOPNOTSUPP) return from;  // no file system of holes
    return fail(StorageError::io);
}

Result<void, StorageError> FileDisk::barrier() {
    [[maybe_unused]] const uint64_t barrier_id = barriers_count_.fetch_add(1, std::memory_order_relaxed) + 1;
    lttng_ust_tracepoint(disk, barrier_began, barrier_id);
    about_to_wait();
    std::unique_lock one_at_a_time(barrier_mutex_, std::defer_lock);
    if (!direct_) one_at_a_time.lock();
    if (::fdatasync(file_) != 0) {
        barrier_has_failed_ = true;
        return failing("writing out");
    }
    // The kernel tells of an error once, and of one that concerns several only one of them.
    if (barrier_has_failed_) return fail(StorageError::io);
    lttng_ust_tracepoint(disk, barrier_ended, barrier_id);
    return {};
}

}  // namespace lockstep::server::disk
