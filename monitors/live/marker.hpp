// The marker program as a child: see live_session.hpp for what it is good for.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "monitors/lttng/lttng_error.hpp"

namespace lockstep::monitors {

// Not thread-safe. The child ends with this object, and with this process (its standard input closes).
class Marker {
 public:
    // Starts `program` and waits until it has registered with the session daemon. `reader` is the number in its marks.
    // Throws LttngError when it can't be started or is not ready within `limit`.
    Marker(const std::filesystem::path& program, std::uint64_t reader, bool no_loss, std::chrono::milliseconds limit);
    ~Marker();
    Marker(const Marker&) = delete;
    Marker& operator=(const Marker&) = delete;

    // The CPUs on which it fires.
    const std::vector<std::uint32_t>& cpus() const { return cpus_; }

    pid_t pid() const { return pid_; }

    // Asks for a mark on every CPU; does not wait until they are fired. False when the child is gone.
    bool fire(std::uint64_t round);
    // Waits until it has. False when it has not within `limit`, or the child is gone.
    bool fire_and_wait(std::uint64_t round, std::chrono::milliseconds limit);

 private:
    void start(const std::filesystem::path& program, std::uint64_t reader, bool no_loss);
    std::string read_line(std::chrono::milliseconds limit);
    void end();

    pid_t pid_ = -1;
    int to_child_ = -1;
    int from_child_ = -1;
    std::vector<std::uint32_t> cpus_;
};

// Where the marker program lies: beside the running program.
std::filesystem::path default_marker_program();

}  // namespace lockstep::monitors
