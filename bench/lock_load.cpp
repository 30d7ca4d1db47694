// lock_load: what LOCK and UNLOCK of an NFSv3 server with NLM v4 cost its clients. Some owners, each with connections
// of its own and a call at a time, lock and unlock for a while; prints LOCK and UNLOCK calls per second as one JSON
// object.
//   own_files      each owner a file of its own
//   one_file       all in one file, each a range of its own
//   contended      all in one file, any of a few ranges; what others have is denied
#include <CLI/CLI.hpp>
#include <atomic>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <thread>

#include "netns_harness/workloads/random.hpp"
#include "netns_harness/workloads/remote_files.hpp"

namespace lockstep::bench {
namespace {

using namespace workloads;
using Clock = std::chrono::steady_clock;

enum class Pattern { own_files, one_file, contended };

struct Options {
    ServerAddress server;
    std::string host = "localhost";
    std::uint32_t owners = 4;
    std::uint32_t duration_ms = 1000;
    Pattern pattern = Pattern::own_files;
};

struct Counts {
    std::atomic<std::uint64_t> calls{0};
    std::atomic<std::uint64_t> denied{0};
};

struct Place {
    std::size_t file = 0;
    Range range;
};

Place choose(const Options& options, std::uint32_t owner, std::uint64_t turn, Random& random) {
    const std::uint64_t place = turn % 1000 * 16;
    switch (options.pattern) {
        case Pattern::own_files:
            return {owner, {place, place + 7}};
        case Pattern::one_file:
            return {0, {owner * 1'000'000 + place, owner * 1'000'000 + place + 7}};
        case Pattern::contended: {
            const std::uint64_t first = random.below(4) * 16;
            return {0, {first, first + 15}};
        }
    }
    return {};
}

void work(const Options& options, RemoteFiles& files, std::uint32_t owner, Clock::time_point until, Counts& counts) {
    Random random(1, owner);
    for (std::uint64_t turn = 0; Clock::now() < until; ++turn) {
        const Place place = choose(options, owner, turn, random);
        ++counts.calls;
        if (files.lock(place.file, place.range, Mode::exclusive) != 0) {
            ++counts.denied;
            continue;
        }
        ++counts.calls;
        files.unlock(place.file, place.range);
    }
}

int run(const Options& options) {
    std::vector<std::string> names;
    for (std::uint32_t number = 1; number <= options.owners; ++number) names.push_back("file" + std::to_string(number));
    std::vector<std::unique_ptr<RemoteFiles>> owners;
    for (std::uint32_t number = 1; number <= options.owners; ++number)
        owners.push_back(connect_files(options.server, {options.host, number}, "lock_load", names));
    Counts counts;
    const auto begin = Clock::now();
    const auto until = begin + std::chrono::milliseconds(options.duration_ms);
    std::vector<std::thread> threads;
    std::atomic<bool> failed{false};
    for (std::uint32_t owner = 0; owner < options.owners; ++owner)
        threads.emplace_back([&, owner] {
            try {
                work(options, *owners[owner], owner, until, counts);
            } catch (const std::exception& error) {
                std::fprintf(stderr, "lock_load: %s\n", error.what());
                failed = true;
            }
        });
    for (std::thread& thread : threads) thread.join();
    const double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
    const nlohmann::json result{
        {"calls_per_second", static_cast<double>(counts.calls) / seconds},
        {"denied_share", static_cast<double>(counts.denied) / static_cast<double>(counts.calls)}};
    std::puts(result.dump().c_str());
    return failed ? 1 : 0;
}

}  // namespace
}  // namespace lockstep::bench

int main(int argc, char** argv) {
    using namespace lockstep::bench;
    Options options;
    CLI::App app{"LOCK and UNLOCK calls per second of an NFSv3 server with NLM v4.", "lock_load"};
    app.add_option("--server", options.server.address, "the server's address")->required();
    app.add_option("--port", options.server.nfs_port, "NFS port")->capture_default_str();
    app.add_option("--mount-port", options.server.mount_port, "MOUNT port")->capture_default_str();
    app.add_option("--nlm-port", options.server.nlm_port, "NLM port")->capture_default_str();
    app.add_option("--export", options.server.export_path, "what to mount")->capture_default_str();
    app.add_option("--host", options.host, "this client's name to the server")->capture_default_str();
    app.add_option("--owners", options.owners, "each with connections of its own")
        ->check(CLI::Range(1, 64))
        ->capture_default_str();
    app.add_option("--duration-ms", options.duration_ms, "how long to work")->capture_default_str();
    const std::map<std::string, Pattern> patterns{
        {"own_files", Pattern::own_files}, {"one_file", Pattern::one_file}, {"contended", Pattern::contended}};
    app.add_option("--pattern", options.pattern, "who locks what")
        ->transform(CLI::CheckedTransformer(patterns, CLI::ignore_case));
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? 0 : 2;
    }
    try {
        return run(options);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "lock_load: %s\n", error.what());
        return 1;
    }
}
