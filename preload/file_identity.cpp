#include "preload/file_identity.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>

namespace lockstep::preload {
namespace {

struct SharedType {
    std::uint64_t magic;  // statfs(2)
    const char* name;
    bool has_handles;  // that are the same on every machine; FUSE's are the mount's own
};

// File systems that several machines mount at once.
constexpr SharedType shared_types[] = {
    {0x6969, "nfs", true},       {0x01161970, "gfs2", true},    {0x7461636f, "ocfs2", true},
    {0x00c36400, "ceph", true},  {0x0bd00bd0, "lustre", true},  {0xff534d42, "cifs", false},
    {0xfe534d42, "smb2", false}, {0x5346414f, "afs", false},    {0x01021997, "9p", false},
    {0x65735546, "fuse", false}, {0x19830326, "beegfs", false}, {0x47504653, "gpfs", false},
};

const SharedType* shared_type_of(std::uint64_t magic) {
    const auto* type = std::ranges::find(shared_types, magic, &SharedType::magic);
    return type == std::end(shared_types) ? nullptr : type;
}

// FNV-1a.
class Hash {
 public:
    void add(const void* data, std::size_t size) {
        const auto* bytes = static_cast<const unsigned char*>(data);
        for (std::size_t i = 0; i < size; ++i) value_ = (value_ ^ bytes[i]) * 0x100000001b3;
    }
    std::uint64_t value() const { return value_; }

 private:
    std::uint64_t value_ = 0xcbf29ce484222325;
};

// Where the file system gives one; the inode's number is in the name anyhow.
void add_handle(Hash& hash, int descriptor) {
    constexpr unsigned longest = 128;  // MAX_HANDLE_SZ
    alignas(file_handle) unsigned char memory[sizeof(file_handle) + longest]{};
    auto* handle = reinterpret_cast<file_handle*>(memory);
    handle->handle_bytes = longest;
    int mount = 0;
    if (name_to_handle_at(descriptor, "", handle, &mount, AT_EMPTY_PATH) != 0) return;
    hash.add(&handle->handle_type, sizeof handle->handle_type);
    hash.add(handle->f_handle, std::min(handle->handle_bytes, longest));
}

}  // namespace

std::optional<File> identify(int descriptor) {
    const int error = errno;
    File file;
    struct stat status {};
    struct statfs system {};
    const bool known = fstat(descriptor, &status) == 0 && fstatfs(descriptor, &system) == 0;
    if (known) {
        file.local = {status.st_dev, status.st_ino};
        const auto inode = static_cast<unsigned long long>(status.st_ino);
        if (const SharedType* type = shared_type_of(static_cast<std::uint32_t>(system.f_type))) {
            Hash hash;
            hash.add(&system.f_fsid, sizeof system.f_fsid);
            if (type->has_handles) add_handle(hash, descriptor);
            std::snprintf(file.name.data(), file.name.size(), "%s:%llu:%016llx", type->name, inode,
                          static_cast<unsigned long long>(hash.value()));
        } else {
            std::snprintf(file.name.data(), file.name.size(), "%u:%u:%llu", major(status.st_dev), minor(status.st_dev),
                          inode);
        }
    }
    errno = error;
    return known ? std::optional(file) : std::nullopt;
}

}  // namespace lockstep::preload
