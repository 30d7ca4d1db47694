#include "nfs_server/main_options.hpp"

#include <CLI/CLI.hpp>

#include <cstdio>

#include "nfs_server/base/faults.hpp"

namespace lockstep::server {
namespace {

constexpr int exit_bad_usage = 2;

void declare(CLI::App& app, Options& options, bool& list_faults) {
    app.add_option(
        "--disk", options.disk,
        "Where the files live: memory:SIZE, file:PATH, or file:PATH:SIZE, which makes the file if it is missing");
    app.add_option("--export", options.export_path, "The path that clients mount")->capture_default_str();
    app.add_option("--bind", options.bind_addresses, "Address to listen on, IPv4 or IPv6; repeatable")
        ->capture_default_str();
    app.add_option("--port", options.port, "TCP and UDP port of NFS; 0 takes a free one")->capture_default_str();
    app.add_option("--mount-port", options.mount_port, "Port of MOUNT; by default that of NFS");
    app.add_option("--nlm-port", options.nlm_port,
                   "Port of the lock manager and status monitor (NLM, NSM); by default that of NFS");
    app.add_option("--threads", options.threads, "Threads: as many requests can wait for the disk at a time")
        ->check(CLI::Range(1u, 4096u))
        ->capture_default_str();
    app.add_option("--max-connections", options.max_connections, "Open connections")
        ->check(CLI::Range(1u, 1u << 20))
        ->capture_default_str();
    app.add_flag("--register-rpcbind", options.register_rpcbind, "Tell the local rpcbind which program has which port");
    app.add_option("--grace-period", options.grace_period_s,
                   "Seconds after a restart in which clients take back their locks and nobody gets others")
        ->check(CLI::Range(1u, 3600u))
        ->capture_default_str();
    app.add_option("--admin", options.admin_socket,
                   "Make this socket, at which nfs_server admin lists locks and fences clients");
    app.add_option("--log-level", options.log_level, "What is logged to stderr")
        ->check(CLI::IsMember({"debug", "info", "warning", "error"}))
        ->capture_default_str();
    app.add_option("--fault", options.faults, "Do something wrong on purpose, once in a while; repeatable");
    app.add_option("--fault-seed", options.fault_seed, "Chooses when faults strike")->capture_default_str();
    app.add_option("--fault-log", options.fault_log, "Append each strike of a fault to this file, a JSON line each");
    app.add_flag("--list-faults", list_faults, "List the faults there are, and end");
}

void print_faults() {
    for (const Fault* fault : Fault::all()) std::printf("%-24s %s\n", fault->name(), fault->summary());
}

}  // namespace

Command parse_command_line(int argc, char** argv) {
    Command command{Command::Kind::serve, 0, {}};
    bool list_faults = false;
    CLI::App app{
        "A transactional NFSv3 server with its lock manager.\n"
        "Prints one line to stdout when it is ready to serve; stops cleanly on SIGTERM and SIGINT.\n"
        "Exit status: 0 stopped as asked, 1 failed while serving, 2 could not start (nothing has changed on disk).",
        "nfs_server"};
    app.footer(
        "Images that no server uses: nfs_server mkfs IMAGE, nfs_server fsck IMAGE, nfs_server dump IMAGE (see their "
        "--help). A server that runs: nfs_server admin SOCKET.");
    app.set_version_flag("--version", LOCKSTEP_VERSION);
    declare(app, command.options, list_faults);
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return {Command::Kind::done, app.exit(error) == 0 ? 0 : exit_bad_usage, {}};
    }
    if (list_faults) {
        print_faults();
        return {Command::Kind::done, 0, {}};
    }
    if (command.options.disk.empty()) {
        std::fprintf(stderr, "nfs_server: --disk is required, for example --disk memory:64M\n");
        return {Command::Kind::done, exit_bad_usage, {}};
    }
    return command;
}

}  // namespace lockstep::server
