// One step of a workload: a call of NFS version 3, or something that happens to the server. Written as a line of text,
// so that a case can be put on a command line. Layer: explore.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "nfs_server/base/result.hpp"

namespace lockstep::server::explore {

enum class Verb : std::uint8_t {
    creat,       ///< CREATE, UNCHECKED
    exclusive,   ///< CREATE, EXCLUSIVE
    mkdir,       ///< MKDIR
    symlink,     ///< SYMLINK
    fifo,        ///< MKNOD
    link,        ///< LINK of `path` as `other`
    rename,      ///< RENAME of `path` to `other`
    remove,      ///< REMOVE
    rmdir,       ///< RMDIR
    write,       ///< WRITE of `size` bytes at `offset`, FILE_SYNC or UNSTABLE
    truncate,    ///< SETATTR of the size to `size`
    chmod,       ///< SETATTR of the mode to `size`
    commit,      ///< COMMIT
    settle,      ///< the journal is settled: what was freed takes new content straight home
    checkpoint,  ///< the installer brings everything home and frees the log
    restart,     ///< the server is killed and started again; the disk keeps its cache
};

/// Which members count depends on the verb. Paths have no leading slash.
struct Step {
    Verb verb = Verb::commit;
    std::string path{};
    std::string other{};
    std::uint64_t offset = 0;
    std::uint64_t size = 0;
    bool stable = false;

    friend bool operator==(const Step&, const Step&) = default;
};
using Steps = std::vector<Step>;

/// "write A/foo 4000 200 sync", "rename A/foo bar", "commit".
std::string to_string(const Step& step);
/// Steps with "; " between them.
std::string to_string(const Steps& steps);
/// Reads what to_string() writes. Errors: a message that quotes the step.
Result<Steps, std::string> parse_steps(std::string_view text);

}  // namespace lockstep::server::explore
