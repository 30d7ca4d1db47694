// How long do WRITE and COMMIT take while a client writes a large file with many calls under way? Against any NFSv3
// server, so that servers can be compared: one libnfs connection, a window of UNSTABLE writes, and a COMMIT now and
// then, while the writes go on.
//
//   write_latency URL [--window 16] [--block-kib 64] [--megabytes 256] [--commit-every-mib 32]
#include <fcntl.h>
#include <poll.h>

#include <nfsc/libnfs.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

struct Settings {
    std::string url;
    unsigned window = 16;
    unsigned block_kib = 64;
    unsigned megabytes = 256;
    unsigned commit_every_mib = 32;
};

// Times of one kind of call, in microseconds.
class Times {
 public:
    void add(Clock::time_point began) {
        us_.push_back(std::chrono::duration<double, std::micro>(Clock::now() - began).count());
    }
    double at(double share) {
        if (us_.empty()) return 0;
        std::sort(us_.begin(), us_.end());
        return us_[static_cast<std::size_t>(share * static_cast<double>(us_.size() - 1))];
    }

 private:
    std::vector<double> us_;
};

class WriteLoad {
 public:
    explicit WriteLoad(const Settings& settings)
        : settings_(settings), block_(std::size_t{settings.block_kib} << 10, 'x'), nfs_(nfs_init_context()) {
        nfs_url* url = nfs_parse_url_dir(nfs_, settings.url.c_str());
        if (url == nullptr || nfs_mount(nfs_, url->server, url->path) != 0)
            throw std::runtime_error(nfs_get_error(nfs_));
        nfs_destroy_url(url);
        if (nfs_open2(nfs_, "/write_latency", O_RDWR | O_CREAT | O_TRUNC, 0644, &file_) != 0)
            throw std::runtime_error(nfs_get_error(nfs_));
    }
    ~WriteLoad() {
        nfs_close(nfs_, file_);
        nfs_unlink(nfs_, "/write_latency");
        nfs_destroy_context(nfs_);
    }
    WriteLoad(const WriteLoad&) = delete;
    WriteLoad& operator=(const WriteLoad&) = delete;

    void run() {
        const std::size_t end = std::size_t{settings_.megabytes} << 20;
        const std::size_t commit_every = std::size_t{settings_.commit_every_mib} << 20;
        const auto began = Clock::now();
        while (sent_ < end || under_way_ > 0) {
            while (sent_ < end && under_way_ < settings_.window) {
                send_write();
                if (sent_ % commit_every == 0) send_commit();
            }
            serve();
        }
        const double seconds = std::chrono::duration<double>(Clock::now() - began).count();
        std::printf("WRITE  p50 %.0f us, p99 %.0f us, longest %.0f us\n", writes_.at(0.5), writes_.at(0.99),
                    writes_.at(1));
        std::printf("COMMIT p50 %.0f us, longest %.0f us\n", commits_.at(0.5), commits_.at(1));
        std::printf("%.0f MB/s\n", static_cast<double>(end) / 1e6 / seconds);
    }

 private:
    struct Call {
        WriteLoad* load;
        Times* times;
        Clock::time_point began;
    };

    static void on_reply(int status, nfs_context*, void*, void* call_data) {
        const std::unique_ptr<Call> call(static_cast<Call*>(call_data));
        if (status < 0) call->load->failed_ = true;
        call->times->add(call->began);
        --call->load->under_way_;
    }

    void send_write() {
        began(nfs_pwrite_async(nfs_, file_, sent_, block_.size(), block_.data(), &on_reply,
                               new Call{this, &writes_, Clock::now()}));
        sent_ += block_.size();
    }
    void send_commit() { began(nfs_fsync_async(nfs_, file_, &on_reply, new Call{this, &commits_, Clock::now()})); }
    void began(int queued) {
        if (queued != 0) throw std::runtime_error("a call can't be sent");
        ++under_way_;
    }

    void serve() {
        pollfd ready{.fd = nfs_get_fd(nfs_), .events = static_cast<short>(nfs_which_events(nfs_)), .revents = 0};
        if (poll(&ready, 1, 30'000) == 0) throw std::runtime_error("no reply for 30 seconds");
        if (nfs_service(nfs_, ready.revents) < 0 || failed_) throw std::runtime_error("a call failed");
    }

    const Settings settings_;
    std::string block_;
    nfs_context* nfs_;
    nfsfh* file_ = nullptr;
    std::size_t sent_ = 0;
    unsigned under_way_ = 0;
    bool failed_ = false;
    Times writes_, commits_;
};

}  // namespace

int main(int argc, char** argv) {
    Settings settings;
    CLI::App app{"Latency of WRITE and COMMIT of a client that has many writes under way."};
    app.add_option("URL", settings.url, "nfs://HOST/EXPORT/?version=3&nfsport=N&mountport=N")->required();
    app.add_option("--window", settings.window, "Writes under way at once")->capture_default_str();
    app.add_option("--block-kib", settings.block_kib, "KiB of each write")->capture_default_str();
    app.add_option("--megabytes", settings.megabytes, "MiB in all")->capture_default_str();
    app.add_option("--commit-every-mib", settings.commit_every_mib, "MiB between two COMMITs")->capture_default_str();
    CLI11_PARSE(app, argc, argv);
    try {
        WriteLoad(settings).run();
    } catch (const std::exception& error) {
        std::fprintf(stderr, "write_latency: %s\n", error.what());
        return 1;
    }
}
