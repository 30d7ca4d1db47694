// Clients that read or write a large file from its beginning to its end with a window of calls under way.
#include <fcntl.h>
#include <poll.h>

#include <nfsc/libnfs.h>

#include <cstring>
#include <string>

#include "bench/nfs_load_client.hpp"

namespace lockstep::bench {
namespace {

using workloads::CallError;

// The bytes of a file tell where they belong: each 4 KiB begin with their offset.
constexpr std::uint64_t marked_bytes = 4096;

class StreamClient final : public LoadClient {
 public:
    StreamClient(const workloads::ServerAddress& server, Operation operation, unsigned number,
                 const StreamSettings& settings)
        : settings_(settings),
          operation_(operation),
          limit_ms_(static_cast<int>(server.call_limit.count())),
          name_("/stream-" + std::to_string(number)),
          block_(settings.block_bytes),
          nfs_(nfs_init_context()) {
        mount(server);
        open();
        if (operation == Operation::read_large) write_file();
        calls = bytes = 0;
        latencies_us.clear();
    }
    ~StreamClient() override {
        if (file_ != nullptr) nfs_close(nfs_.get(), file_);
        nfs_unlink(nfs_.get(), name_.c_str());
    }
    StreamClient(const StreamClient&) = delete;
    StreamClient& operator=(const StreamClient&) = delete;

    void run(Clock::time_point deadline) override {
        if (operation_ == Operation::write_large) return write_file();
        reading_ = true;
        while (Clock::now() < deadline) read_file(deadline);
    }

 private:
    struct CloseContext {
        void operator()(nfs_context* nfs) const { nfs_destroy_context(nfs); }
    };
    struct Call {
        StreamClient* client;
        std::uint64_t offset;
        Clock::time_point began;
    };

    void mount(const workloads::ServerAddress& server) {
        const std::string url = "nfs://" + server.address + server.export_path +
                                "/?version=3&nfsport=" + std::to_string(server.nfs_port) +
                                "&mountport=" + std::to_string(server.mount_port);
        nfs_url* parsed = nfs_parse_url_dir(nfs_.get(), url.c_str());
        if (parsed == nullptr) failed("URL");
        const int mounted = nfs_mount(nfs_.get(), parsed->server, parsed->path);
        nfs_destroy_url(parsed);
        if (mounted != 0) failed("MNT");
        if (nfs_get_readmax(nfs_.get()) < block_.size() || nfs_get_writemax(nfs_.get()) < block_.size())
            throw CallError("the server takes no blocks of " + std::to_string(block_.size()) + " bytes");
    }

    void open() {
        if (nfs_open2(nfs_.get(), name_.c_str(), O_RDWR | O_CREAT | O_TRUNC, 0644, &file_) != 0) failed("OPEN");
    }

    void write_file() {
        for (std::uint64_t offset = 0; offset < settings_.file_bytes; offset += block_.size()) {
            send_write(offset);
            serve_until(settings_.window - 1);
        }
        serve_until(0);
        if (nfs_fsync(nfs_.get(), file_) != 0) failed("COMMIT");
        ++calls;
    }

    void read_file(Clock::time_point deadline) {
        for (std::uint64_t offset = 0; offset < settings_.file_bytes && Clock::now() < deadline;
             offset += block_.size()) {
            send_read(offset);
            serve_until(settings_.window - 1);
        }
        serve_until(0);
    }

    void send_write(std::uint64_t offset) {
        for (std::uint64_t at = 0; at < block_.size(); at += marked_bytes) {
            const std::uint64_t mark = offset + at;
            std::memcpy(block_.data() + at, &mark, sizeof mark);
        }
        // libnfs copies the data into the call.
        queued(nfs_pwrite_async(nfs_.get(), file_, offset, block_.size(), block_.data(), &on_reply,
                                new Call{this, offset, Clock::now()}));
    }
    void send_read(std::uint64_t offset) {
        queued(
            nfs_pread_async(nfs_.get(), file_, offset, block_.size(), &on_reply, new Call{this, offset, Clock::now()}));
    }
    void queued(int status) {
        if (status != 0) failed("a call can't be sent");
        ++under_way_;
    }

    static void on_reply(int status, nfs_context*, void* data, void* call_data) {
        const std::unique_ptr<Call> call(static_cast<Call*>(call_data));
        call->client->answered(*call, status, static_cast<const char*>(data));
    }
    // Within libnfs: an exception may not leave.
    void answered(const Call& call, int status, const char* data) {
        --under_way_;
        ++calls;
        bytes += block_.size();
        finished(call.began);
        if (status != static_cast<int>(block_.size())) {
            error_ = "a call on " + std::to_string(block_.size()) + " bytes came back with " + std::to_string(status);
        } else if (reading_ && !is_right(call.offset, data)) {
            error_ = "READ gave other bytes than were written";
        }
    }
    bool is_right(std::uint64_t offset, const char* data) const {
        for (std::uint64_t at = 0; at < block_.size(); at += marked_bytes) {
            std::uint64_t mark = 0;
            std::memcpy(&mark, data + at, sizeof mark);
            if (mark != offset + at) return false;
        }
        return true;
    }

    void serve_until(unsigned under_way) {
        // libnfs sends when it is served, so that a call must not wait for the next to be queued.
        while (under_way_ > under_way) serve();
    }
    void serve() {
        pollfd ready{
            .fd = nfs_get_fd(nfs_.get()), .events = static_cast<short>(nfs_which_events(nfs_.get())), .revents = 0};
        if (poll(&ready, 1, limit_ms_) == 0) throw CallError("no reply in time");
        if (nfs_service(nfs_.get(), ready.revents) < 0) failed("serving");
        if (!error_.empty()) throw CallError(error_);
    }

    [[noreturn]] void failed(const std::string& what) {
        throw CallError(what + ": " + (nfs_ ? nfs_get_error(nfs_.get()) : "out of memory"));
    }

    const StreamSettings settings_;
    const Operation operation_;
    const int limit_ms_;
    const std::string name_;
    std::vector<char> block_;
    std::unique_ptr<nfs_context, CloseContext> nfs_;
    nfsfh* file_ = nullptr;
    unsigned under_way_ = 0;
    bool reading_ = false;
    std::string error_;
};

}  // namespace

std::unique_ptr<LoadClient> make_stream_client(const workloads::ServerAddress& server, Operation operation,
                                               unsigned number, const StreamSettings& settings) {
    return std::make_unique<StreamClient>(server, operation, number, settings);
}

}  // namespace lockstep::bench
