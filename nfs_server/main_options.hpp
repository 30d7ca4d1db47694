// What the operator asks of nfs_server.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "nfs_server/base/result.hpp"

namespace lockstep::server {

struct Options {
    std::string disk;
    std::string export_path = "/export";
    std::vector<std::string> bind_addresses = {"0.0.0.0"};
    uint16_t port = 2049;
    std::optional<uint16_t> mount_port;  // nothing: the same as `port`
    std::optional<uint16_t> nlm_port;    // likewise
    uint32_t threads = 32;
    uint32_t max_connections = 1024;
    bool register_rpcbind = false;
    uint32_t grace_period_s = 45;
    std::string admin_socket;  // empty: none
    std::vector<std::string> faults;
    uint64_t fault_seed = 1;
    std::string fault_log;  // empty: none
    std::string log_level = "info";
};

// What to do now.
struct Command {
    enum class Kind { serve, done } kind;
    int exit_status = 0;  // with `done`: help was printed, or one message about what is wrong
    Options options;
};

// Reads the command line; --help, --version and --list-faults are answered on stdout. What is wrong is one message on
// stderr and exit status 2.
Command parse_command_line(int argc, char** argv);

}  // namespace lockstep::server
