// nfs_load: what an NFSv3 server does a second, how long its clients wait, and what that costs it. Any server; one
// operation; prints one JSON object.
//
//   nfs_load --server 127.0.0.1 --port 2049 --export /export --operation get_attributes --clients 4 --server-pid PID
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <exception>
#include <map>
#include <nlohmann/json.hpp>

#include "bench/nfs_load.hpp"

namespace lockstep::bench {
namespace {

struct Options {
    workloads::ServerAddress server;
    Operation operation = Operation::get_attributes;
    unsigned clients = 1;
    unsigned duration_ms = 1000;
    unsigned total_mib = 256;
    unsigned block_kib = 64;
    unsigned window = 16;
    pid_t server_pid = 0;
};

const std::map<std::string, Operation> operations{{"small_file", Operation::small_file},
                                                  {"small_commit", Operation::small_commit},
                                                  {"metadata", Operation::metadata},
                                                  {"look_up", Operation::look_up},
                                                  {"get_attributes", Operation::get_attributes},
                                                  {"read_large", Operation::read_large},
                                                  {"write_large", Operation::write_large}};

// Each client has its share of all the bytes, in whole blocks.
StreamSettings stream_of(const Options& options) {
    StreamSettings stream{.block_bytes = options.block_kib << 10, .window = options.window, .file_bytes = 0};
    const std::uint64_t share = (std::uint64_t{options.total_mib} << 20) / options.clients;
    stream.file_bytes = std::max<std::uint64_t>(1, share / stream.block_bytes) * stream.block_bytes;
    return stream;
}

nlohmann::json to_json(const LoadResult& result) {
    const double units = static_cast<double>(std::max<std::size_t>(1, result.latencies_us.size()));
    return {{"units", result.latencies_us.size()},
            {"units_per_second", result.units_per_second()},
            {"calls_per_second", result.calls_per_second()},
            {"megabytes_per_second", static_cast<double>(result.bytes) / 1e6 / result.seconds()},
            {"p50_us", result.latency_us(0.5)},
            {"p99_us", result.latency_us(0.99)},
            {"longest_us", result.latency_us(1)},
            {"server_cpu_us_per_unit", result.server_cpu_seconds * 1e6 / units},
            {"client_cpu_us_per_unit", result.client_cpu_seconds * 1e6 / units}};
}

void add_options(CLI::App& app, Options& options) {
    app.add_option("--server", options.server.address, "the server's address")->required();
    app.add_option("--port", options.server.nfs_port, "NFS port")->capture_default_str();
    app.add_option("--mount-port", options.server.mount_port, "MOUNT port")->capture_default_str();
    app.add_option("--export", options.server.export_path, "what to mount")->capture_default_str();
    app.add_option("--server-pid", options.server_pid, "the process whose CPU time is told");
    app.add_option("--operation", options.operation, "what each client does")
        ->transform(CLI::CheckedTransformer(operations, CLI::ignore_case));
    app.add_option("--clients", options.clients, "each a thread with a connection")
        ->check(CLI::Range(1, 256))
        ->capture_default_str();
    app.add_option("--duration-ms", options.duration_ms, "how long; write_large ends with its file")
        ->capture_default_str();
    app.add_option("--total-mib", options.total_mib, "large files: size of all together")->capture_default_str();
    app.add_option("--block-kib", options.block_kib, "large files: of each call")
        ->check(CLI::Range(4, 1024))
        ->capture_default_str();
    app.add_option("--window", options.window, "large files: calls under way of each client")
        ->check(CLI::Range(1, 1024))
        ->capture_default_str();
}

}  // namespace
}  // namespace lockstep::bench

int main(int argc, char** argv) {
    using namespace lockstep::bench;
    Options options;
    options.server.call_limit = std::chrono::seconds(30);
    CLI::App app{"Load on an NFSv3 server, and what it costs.", "nfs_load"};
    add_options(app, options);
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? 0 : 2;
    }
    try {
        const LoadResult result =
            load(options.server, options.operation, options.clients, std::chrono::milliseconds(options.duration_ms),
                 stream_of(options), options.server_pid);
        std::puts(to_json(result).dump().c_str());
    } catch (const std::exception& error) {
        std::fprintf(stderr, "nfs_load: %s\n", error.what());
        return 1;
    }
}
