// What a workload may do with the files of a server: an interface, so that a workload's oracle can be tried on a server
// that is wrong on purpose; and its implementation over NFSv3 and NLM v4 with libnfs.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace lockstep::workloads {

// The DLM's numbers, as in tracepoints/lock_api.tp.
enum class Mode : std::uint8_t { shared = 3, exclusive = 5 };

// first to last, both inside; last UINT64_MAX reaches to the end of the file.
struct Range {
    std::uint64_t first = 0;
    std::uint64_t last = 0;
    bool operator==(const Range&) const = default;
};

using Bytes = std::vector<unsigned char>;

// A call got no answer, or not one that the workload can go on with; what is locked afterwards is unknown.
class CallError : public std::runtime_error {
    using std::runtime_error::runtime_error;
};

// The call got no answer at all: the server, or the way to it, is gone. It may have been carried out, or be yet.
class NoAnswer : public CallError {
    using CallError::CallError;
};

// One lock owner's access to the files of a run, numbered from 0. One thread. Every call throws CallError, and none
// waits longer than the time limit it was made with.
class RemoteFiles {
 public:
    virtual ~RemoteFiles() = default;

    // Asks for a lock: 0 (NLM4_GRANTED) when held, NLM4_DENIED when others have it, or had it for as long as it was
    // waited for, NLM4_DEADLCK when waiting would never end. Any other answer is a CallError.
    virtual std::uint32_t lock(std::size_t file, Range range, Mode mode) = 0;
    virtual void unlock(std::size_t file, Range range) = 0;

    // Asks a server that has restarted for what was held before: 0 when it is held again, NLM4_DENIED when others have
    // it or the server does not know us, NLM4_DENIED_GRACE_PERIOD when it gives nothing back (any more).
    virtual std::uint32_t reclaim(std::size_t /*file*/, Range /*range*/, Mode /*mode*/) {
        throw CallError("nothing can be reclaimed here");
    }

    // `count` bytes; those past the end of the file are 0.
    virtual Bytes read(std::size_t file, std::uint64_t offset, std::uint32_t count) = 0;

    // The bytes are on stable storage when it returns.
    virtual void write(std::size_t file, std::uint64_t offset, const Bytes& bytes) = 0;
};

struct ServerAddress {
    std::string address;
    int nfs_port = 2049;
    int mount_port = 2049;
    int nlm_port = 2049;
    std::string export_path = "/export";
    std::chrono::milliseconds call_limit{5000};
    // How long a lock that others have is waited for, in their queue, before the request is withdrawn; 0: not at all.
    std::chrono::milliseconds lock_wait{0};
    // How long a server that is in its grace period is asked again.
    std::chrono::milliseconds grace_wait{0};
};

// Who locks: `host` is the caller's name that the server sees, `number` distinguishes owners of one host.
struct OwnerName {
    std::string host;
    std::uint32_t number = 0;
    std::string text() const { return host + "/" + std::to_string(number); }
};

// Mounts the export, makes the directory `directory` and in it `file_names` where they do not exist yet, and keeps a
// connection for NFS and one for NLM. Throws CallError.
std::unique_ptr<RemoteFiles> connect_files(const ServerAddress& server, const OwnerName& owner,
                                           const std::string& directory, const std::vector<std::string>& file_names);

// Tells the server's status monitor that `host` has restarted, for the `life`th time: what it held is gone. Throws
// CallError.
void notify_of_restart(const ServerAddress& server, const std::string& host, std::uint32_t life);

}  // namespace lockstep::workloads
