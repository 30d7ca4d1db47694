// Files and directories of a server, as the workloads of file_client see them: an interface, so that their oracles can
// be tried on a tree that is wrong on purpose; and its implementation over NFSv3 with libnfs.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "netns_harness/workloads/remote_files.hpp"

namespace lockstep::workloads {

using Handle = std::vector<char>;
using Verifier = std::array<char, 8>;

// nfsstat3, those that workloads look at.
inline constexpr std::uint32_t status_ok = 0, status_no_entry = 2, status_io = 5, status_exists = 17,
                               status_no_space = 28, status_stale = 70, status_not_sync = 10002,
                               status_server_fault = 10006;

// What SETATTR's guard compares, and how large the file is.
struct FileState {
    std::uint64_t size = 0;
    std::uint64_t changed = 0;  // ctime: seconds in the upper half, nanoseconds in the lower
};

// The server answered that it did not do it; `status` says why.
class Refused : public CallError {
 public:
    Refused(const std::string& what, std::uint32_t status);
    std::uint32_t status;
};

// Every call returns an nfsstat3 and throws NoAnswer. One thread.
class RemoteTree {
 public:
    virtual ~RemoteTree() = default;

    virtual Handle root() = 0;  // the workload's directory
    virtual std::uint32_t make_directory(const Handle& directory, const std::string& name, Handle& made) = 0;
    // `guarded`: a name that is there is status_exists.
    virtual std::uint32_t create(const Handle& directory, const std::string& name, bool guarded, Handle& made) = 0;
    virtual std::uint32_t look_up(const Handle& directory, const std::string& name, Handle& found) = 0;
    virtual std::uint32_t remove(const Handle& directory, const std::string& name) = 0;
    virtual std::uint32_t rename(const Handle& directory, const std::string& from, const std::string& to) = 0;
    virtual std::uint32_t list(const Handle& directory, std::vector<std::string>& names) = 0;  // without . and ..
    virtual std::uint32_t size_of(const Handle& file, std::uint64_t& size) = 0;
    virtual std::uint32_t set_size(const Handle& file, std::uint64_t size) = 0;
    virtual std::uint32_t state_of(const Handle& file, FileState& state) = 0;
    // Guarded: status_not_sync when the file was changed since `seen`.
    virtual std::uint32_t set_size_if_unchanged(const Handle& file, const FileState& seen, std::uint64_t size) = 0;
    // One call: fewer bytes at the end of the file.
    virtual std::uint32_t read(const Handle& file, std::uint64_t offset, std::uint32_t count, Bytes& bytes) = 0;
    // One call, all of the bytes.
    virtual std::uint32_t write(const Handle& file, std::uint64_t offset, const Bytes& bytes, bool stable,
                                Verifier& verifier) = 0;
    virtual std::uint32_t commit(const Handle& file, Verifier& verifier) = 0;

    // The number of the last call; the next one gets that of an earlier call, which it must be like: to the server it
    // is that call, sent again.
    virtual std::uint32_t last_number() = 0;
    virtual void number_next_call(std::uint32_t number) = 0;
};

// Mounts the export and makes `directory` where it does not exist yet. Throws CallError.
std::unique_ptr<RemoteTree> connect_tree(const ServerAddress& server, const std::string& directory);

}  // namespace lockstep::workloads
