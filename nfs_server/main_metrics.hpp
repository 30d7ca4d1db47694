// Metrics in Prometheus' text form, at a port of the loopback interface: GET /metrics.
#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "nfs_server/base/result.hpp"
#include "nfs_server/rpc/file_descriptor.hpp"
#include "nfs_server/rpc/peer_address.hpp"

namespace lockstep::server {

class MetricsPort {
 public:
    // Serves what `text` gives, which is called for each request, on a thread of this object. `address`: "ADDRESS:PORT"
    // or "PORT" (of 127.0.0.1); port 0 takes a free one. Error: a message; an address that is not a loopback one is
    // refused.
    static Result<std::unique_ptr<MetricsPort>, std::string> open(const std::string& address,
                                                                  std::function<std::string()> text);
    ~MetricsPort();
    MetricsPort(const MetricsPort&) = delete;
    MetricsPort& operator=(const MetricsPort&) = delete;

    // Where it really is.
    const rpc::PeerAddress& address() const { return address_; }

 private:
    MetricsPort(rpc::FileDescriptor socket, std::function<std::string()> text);
    struct Client {
        rpc::FileDescriptor socket;
        std::chrono::steady_clock::time_point end;  // it has its answer by then
        std::string request, reply;                 // as far as it has come, and has still to go
    };
    void work();
    bool serve(Client& client) const;

    rpc::FileDescriptor socket_;
    rpc::PeerAddress address_;
    std::function<std::string()> text_;
    rpc::FileDescriptor stop_;
    std::thread thread_;
};

// Collects metrics as text.
class MetricsText {
 public:
    // The metric's head; its samples follow. kind: "counter" or "gauge".
    MetricsText& metric(const char* name, const char* kind, const char* help);
    // labels: as 'procedure="READ"', or empty.
    MetricsText& sample(const std::string& labels, uint64_t value);
    // A metric with one sample.
    MetricsText& single(const char* name, const char* kind, const char* help, uint64_t value) {
        return metric(name, kind, help).sample("", value);
    }
    const std::string& text() const { return text_; }

 private:
    std::string text_;
    const char* name_ = "";
};

}  // namespace lockstep::server
