#include "nfs_server/main_options.hpp"

#include <CLI/CLI.hpp>

#include <cstdio>

#include "nfs_server/base/faults.hpp"
#include "nfs_server/main_config.hpp"

namespace lockstep::server {
namespace {

constexpr int exit_bad_usage = 2;

void declare(CLI::App& app, Options& options, std::vector<std::string>& exports, bool& list_faults) {
    app.add_option(
        "--config", options.config,
        "TOML file with these options (long names, _ for -) and [[export]] tables; the command line wins. SIGHUP "
        "reads the exports again");
    app.add_option(
        "--disk", options.disk,
        "Where the files live: memory:SIZE, file:PATH, or file:PATH:SIZE, which makes the file if it is missing");
    app.add_option(
        "--export", exports,
        "PATH[,OPTION...] that clients mount; repeatable; /export if nothing is said. Options: directory=DIR, "
        "clients=NETWORK[;NETWORK...], read_only, secure_ports, squash=none|root|all, anonymous_uid=N, "
        "anonymous_gid=N");
    app.add_option("--bind", options.bind_addresses, "Address to listen on, IPv4 or IPv6; repeatable")
        ->capture_default_str();
    app.add_option("--port", options.port, "TCP and UDP port of NFS; 0 takes a free one")->capture_default_str();
    app.add_option("--mount-port", options.mount_port, "Port of MOUNT; by default that of NFS");
    app.add_option("--nlm-port", options.nlm_port,
                   "Port of the lock manager and status monitor (NLM, NSM); by default that of NFS");
    app.add_option("--threads", options.threads, "Threads: as many requests can wait for the disk at a time")
        ->check(CLI::Range(1u, Options::max_threads))
        ->capture_default_str();
    app.add_option("--max-connections", options.max_connections, "Open connections")
        ->check(CLI::Range(1u, Options::max_max_connections))
        ->capture_default_str();
    app.add_option("--max-request", options.max_request_bytes,
                   "Bytes of one request; what WRITE may carry follows from it. Suffixes: K, M")
        ->transform(CLI::AsSizeValue(false))
        ->check(CLI::Range(Options::least_request_bytes, Options::largest_request_bytes))
        ->capture_default_str();
    app.add_option("--max-memory", options.max_memory_bytes,
                   "Bytes of received requests and waiting replies, of all connections together. Suffixes: K, M, G")
        ->transform(CLI::AsSizeValue(false))
        ->check(CLI::Range(Options::least_memory_bytes, UINT64_MAX))
        ->capture_default_str();
    app.add_option("--cache", options.cache_bytes,
                   "Bytes of the disk's blocks kept in memory, more only while what was changed is on its way to the "
                   "disk. Suffixes: K, M, G")
        ->transform(CLI::AsSizeValue(false))
        ->check(CLI::Range(Options::least_cache_bytes, UINT64_MAX))
        ->capture_default_str();
    app.add_option("--max-in-flight", options.max_in_flight,
                   "Requests of one connection that are read but not yet answered")
        ->check(CLI::Range(1u, Options::max_max_in_flight))
        ->capture_default_str();
    app.add_option("--busy-poll", options.busy_poll_us,
                   "Microseconds for which a thread asks clients that send one request after another for the next one "
                   "before it sleeps; all others who want the processor go first. 0: it sleeps at once")
        ->check(CLI::Range(0u, Options::max_busy_poll_us))
        ->capture_default_str();
    app.add_flag("--register-rpcbind", options.register_rpcbind, "Tell the local rpcbind which program has which port");
    app.add_option("--grace-period", options.grace_period_s,
                   "Seconds after a restart in which clients take back their locks and nobody gets others")
        ->check(CLI::Range(1u, Options::max_grace_period_s))
        ->capture_default_str();
    app.add_option("--admin", options.admin_socket,
                   "Make this socket, at which nfs_server admin lists locks and fences clients");
    app.add_option(
        "--metrics", options.metrics,
        "PORT or ADDRESS:PORT of the loopback interface: serve metrics there, for Prometheus (GET /metrics)");
    app.add_option("--log-format", options.log_format, "How it is logged: text, or json, an object a line")
        ->check(CLI::IsMember({"text", "json"}))
        ->capture_default_str();
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

Command refuse(const std::string& message) {
    std::fprintf(stderr, "nfs_server: %s\n", message.c_str());
    return {Command::Kind::done, exit_bad_usage, {}};
}

// Sets what the command line says and leaves the rest. An exit status, when there is nothing more to do.
std::optional<int> parse(int argc, char** argv, Options& options) {
    bool list_faults = false;
    std::vector<std::string> exports;
    CLI::App app{
        "A transactional NFSv3 server with its lock manager.\n"
        "Prints one line to stdout when it is ready to serve; stops cleanly on SIGTERM and SIGINT.\n"
        "Exit status: 0 stopped as asked, 1 failed while serving, 2 could not start (nothing has changed on disk).",
        "nfs_server"};
    app.footer(
        "Images that no server uses: nfs_server mkfs IMAGE, nfs_server fsck IMAGE, nfs_server dump IMAGE (see their "
        "--help). A server that runs: nfs_server admin SOCKET.");
    app.set_version_flag("--version", LOCKSTEP_VERSION);
    declare(app, options, exports, list_faults);
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? 0 : exit_bad_usage;
    }
    if (list_faults) {
        print_faults();
        return 0;
    }
    if (exports.empty()) return std::nullopt;
    options.exports.clear();
    options.exports_are_fixed = true;
    for (const std::string& text : exports) {
        auto one = ops::parse_export(text);
        if (!one) return refuse("--export: " + one.error()).exit_status;
        options.exports.push_back(std::move(*one));
    }
    return std::nullopt;
}

}  // namespace

Command parse_command_line(int argc, char** argv) {
    Command command{Command::Kind::serve, 0, {}};
    Options& options = command.options;
    if (const auto status = parse(argc, argv, options)) return {Command::Kind::done, *status, {}};
    if (!options.config.empty()) {
        // The file first, then the command line over it.
        Options of_file;
        if (const auto read = read_config(options.config, of_file); !read) return refuse(read.error());
        options = std::move(of_file);
        if (const auto status = parse(argc, argv, options)) return {Command::Kind::done, *status, {}};
    }
    if (options.disk.empty()) return refuse("--disk is required, for example --disk memory:64M");
    if (const auto table = ops::ExportTable::make(options.exports); !table) return refuse(table.error());
    return command;
}

}  // namespace lockstep::server
