// capture: the packets of a network namespace around each violation, as a pcapng file. From the moment the reactor is
// made, the latest packets are kept in memory; a violation writes them out, with those of a moment more.
#include <fmt/format.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <thread>

#include "reactors/packet_ring.hpp"
#include "reactors/reactor.hpp"

namespace lockstep::reactors {
namespace {

constexpr std::size_t ring_bytes = 16 << 20;
constexpr std::uint64_t after_ns = 200'000'000;  // of packets after the violation
constexpr unsigned most_files = 100;             // a violation a millisecond shall not fill the disk

std::uint64_t now_ns(clockid_t clock) {
    timespec now;
    clock_gettime(clock, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(now.tv_nsec);
}

// What to add to CLOCK_MONOTONIC for the time since 1970: of several readings the one that took the shortest.
std::uint64_t clock_distance_ns() {
    std::uint64_t distance = 0, shortest = ~std::uint64_t{0};
    for (int turn = 0; turn < 5; ++turn) {
        const std::uint64_t before = now_ns(CLOCK_MONOTONIC), since_1970 = now_ns(CLOCK_REALTIME),
                            after = now_ns(CLOCK_MONOTONIC);
        if (after - before >= shortest) continue;
        shortest = after - before;
        distance = since_1970 - before - shortest / 2;
    }
    return distance;
}

class CaptureReactor final : public Reactor {
 public:
    CaptureReactor(std::filesystem::path folder, const std::string& net_ns)
        : folder_(std::move(folder)), ring_(net_ns, ring_bytes) {
        std::error_code error;
        std::filesystem::create_directories(folder_, error);
        if (access(folder_.c_str(), W_OK) != 0) throw ReactorError("capture cannot write into " + folder_.string());
    }

    void react(const Report& report) override {
        if (count_ == most_files)
            throw ReactorError(fmt::format("capture has written {} files and writes no more", most_files));
        const std::uint64_t now = now_ns(CLOCK_MONOTONIC), moment = report.origin.time_ns;
        // Another machine's clock may say anything: no wait is longer than that.
        if (now < moment + after_ns)
            std::this_thread::sleep_for(std::chrono::nanoseconds(std::min(after_ns, moment + after_ns - now)));
        const std::uint64_t since_1970 = moment + clock_distance_ns();
        write(fmt::format("{}-{}-{:04}.pcapng", report.monitor, getpid(), ++count_),
              to_pcapng(ring_.packets(), ring_.counts(), to_text(report), since_1970,
                        fmt::format("{} was violated after this packet", report.monitor)));
    }

 private:
    // Whoever watches the folder sees whole files only.
    void write(const std::string& name, const std::string& content) const {
        const auto unfinished = folder_ / (name + ".part");
        std::ofstream stream(unfinished, std::ios::trunc | std::ios::binary);
        stream << content;
        stream.close();
        if (!stream) throw ReactorError("capture could not write " + unfinished.string());
        std::filesystem::rename(unfinished, folder_ / name);
    }

    std::filesystem::path folder_;
    PacketRing ring_;
    unsigned count_ = 0;
};

// FOLDER, FOLDER@NETNS or @NETNS.
std::unique_ptr<Reactor> make_capture(const std::string& argument) {
    const std::size_t at = argument.find('@');
    const std::string folder = argument.substr(0, at);
    return std::make_unique<CaptureReactor>(
        folder.empty() ? std::filesystem::current_path() : std::filesystem::path(folder),
        at == std::string::npos ? "" : argument.substr(at + 1));
}

}  // namespace

extern const ReactorKind capture_reactor;
const ReactorKind capture_reactor{
    "capture",
    "write the packets around the violation, pcapng, into FOLDER[@NETNS] after the colon; NETNS: a namespace's file, "
    "else the process's own",
    make_capture};

}  // namespace lockstep::reactors
