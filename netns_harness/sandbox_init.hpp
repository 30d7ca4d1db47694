// Process 1 of a sandbox: prepares the namespaces from inside, starts the body, relays signals to it, reaps.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <functional>
#include <string_view>
#include <vector>

#include "netns_harness/sandbox.hpp"

namespace lockstep::harness {

// The exit status by which keeper and init say that it is not the body's; a body may not return it.
inline constexpr int exit_sandbox_failed = 254;

// What keeper and init tell the caller over a pipe while the sandbox is set up; small enough to be written whole.
struct SetupReport {
    pid_t init = -1;       // its process id as the caller sees it; only the keeper knows it
    char error[500] = {};  // empty: none

    bool has_error() const { return error[0] != '\0'; }
    void set_error(std::string_view text);
    void send(int fd) const;
};

class Init {
 public:
    // Throws when a directory that must stay visible does not exist.
    Init(const SandboxOptions& options, const std::function<int(Sandbox&)>& body);

    // Never returns. `alive`: its writing end is held by the keeper for as long as it lives. `report`: closed when set
    // up.
    [[noreturn]] void run(Pipe& alive, Pipe& report) const;

 private:
    void set_up() const;
    void mount_all() const;
    [[noreturn]] void run_body(int stop_fd) const;

    const std::function<int(Sandbox&)>& body_;
    std::vector<std::filesystem::path> visible_;  // absolute, and under a directory that will be hidden
};

}  // namespace lockstep::harness
