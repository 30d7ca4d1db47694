// What the operator asks of nfs_server.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "nfs_server/base/result.hpp"
#include "nfs_server/ops/exports.hpp"

namespace lockstep::server {

struct Options {
    static constexpr uint32_t max_threads = 4096;
    static constexpr uint32_t max_max_connections = 1u << 20;
    static constexpr uint32_t max_grace_period_s = 3600;
    static constexpr uint32_t least_request_bytes = 40u << 10;
    static constexpr uint32_t largest_request_bytes = (1u << 20) + (8u << 10);
    static constexpr uint64_t least_memory_bytes = uint64_t{4} << 20;
    static constexpr uint64_t least_cache_bytes = uint64_t{4} << 20;
    static constexpr uint32_t max_max_in_flight = 65536;
    static constexpr uint32_t max_busy_poll_us = 10'000;

    std::string config;  // the file that the rest was read from; empty: none
    std::string disk;
    std::vector<ops::Export> exports = {{.path = "/export"}};
    bool exports_are_fixed = false;  // by the command line: a reload leaves them alone
    std::vector<std::string> bind_addresses = {"0.0.0.0"};
    uint16_t port = 2049;
    std::optional<uint16_t> mount_port;  // nothing: the same as `port`
    std::optional<uint16_t> nlm_port;    // likewise
    uint32_t threads = 32;
    uint32_t max_connections = 1024;
    bool register_rpcbind = false;
    uint32_t grace_period_s = 45;
    std::string admin_socket;  // empty: none
    std::string metrics;       // PORT or ADDRESS:PORT; empty: none
    uint32_t max_request_bytes = (1u << 20) + (8u << 10);
    uint64_t max_memory_bytes = uint64_t{512} << 20;
    uint64_t cache_bytes = uint64_t{256} << 20;
    uint32_t max_in_flight = 128;
    uint32_t busy_poll_us = 25;
    std::vector<std::string> faults;
    uint64_t fault_seed = 1;
    std::string fault_log;  // empty: none
    std::string log_level = "info";
    std::string log_format = "text";
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
