#include "nfs_server/image/image_file.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <system_error>

namespace lockstep::server::image {
namespace {

tl::unexpected<StorageFailure> failed(StorageError code, const std::string& path, const std::string& what) {
    return fail(StorageFailure{code, "image " + path + ": " + what});
}

Result<uint64_t, StorageFailure> found_blocks(int file, const std::string& path) {
    struct stat status = {};
    if (::fstat(file, &status) != 0 || (!S_ISREG(status.st_mode) && !S_ISBLK(status.st_mode)))
        return failed(StorageError::bad_argument, path, "neither a regular file nor a block device");
    const off_t end = ::lseek(file, 0, SEEK_END);
    if (end < static_cast<off_t>(block_size_bytes))
        return failed(StorageError::bad_argument, path, "smaller than a block of 4096 bytes");
    return static_cast<uint64_t>(end) / block_size_bytes;
}

bool read_whole(int file, std::byte* block, off_t offset) {
    for (size_t done = 0; done < block_size_bytes;) {
        const ssize_t got = ::pread(file, block + done, block_size_bytes - done, offset + static_cast<off_t>(done));
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return false;
        done += static_cast<size_t>(got);
    }
    return true;
}

}  // namespace

Result<std::unique_ptr<ImageFile>, StorageFailure> ImageFile::open(const std::string& path) {
    const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return failed(errno == ENOENT ? StorageError::bad_argument : StorageError::io, path,
                      std::generic_category().message(errno));
    std::unique_ptr<ImageFile> image(new ImageFile(file, 0));  // closes it on every way out
    // A server holds the exclusive lock; several readers may look at once.
    if (::flock(file, LOCK_SH | LOCK_NB) != 0) return failed(StorageError::busy, path, "in use by a server");
    LOCKSTEP_TRY(image->size_blocks_, found_blocks(file, path));
    return image;
}

ImageFile::~ImageFile() {
    ::close(file_);
}

Result<void, StorageError> ImageFile::read(uint64_t first_block, std::span<std::byte* const> blocks) {
    if (!has(first_block, blocks.size())) return fail(StorageError::out_of_range);
    std::lock_guard hold(mutex_);
    for (size_t i = 0; i < blocks.size(); ++i) {
        const uint64_t block = first_block + i;
        if (const auto written = written_.find(block); written != written_.end())
            std::memcpy(blocks[i], written->second.data(), block_size_bytes);
        else if (!read_whole(file_, blocks[i], static_cast<off_t>(block * block_size_bytes)))
            return fail(StorageError::io);
    }
    return {};
}

Result<void, StorageError> ImageFile::write(uint64_t first_block, std::span<const std::byte* const> blocks) {
    if (!has(first_block, blocks.size())) return fail(StorageError::out_of_range);
    std::lock_guard hold(mutex_);
    for (size_t i = 0; i < blocks.size(); ++i)
        written_[first_block + i] = BlockBuffer::copy_of({blocks[i], block_size_bytes});
    return {};
}

}  // namespace lockstep::server::image
