#include "nfs_server/main_metrics.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>

#include <fmt/format.h>

#include "nfs_server/base/check.hpp"

namespace lockstep::server {
namespace {

constexpr timeval patience{.tv_sec = 5, .tv_usec = 0};
constexpr size_t max_head_bytes = 8192;

Result<rpc::PeerAddress, std::string> parse_address(const std::string& text) {
    const auto wrong = [&] {
        return fail(fmt::format("--metrics {}: it is PORT or ADDRESS:PORT of the loopback interface", text));
    };
    const size_t colon = text.rfind(':');
    std::string host = colon == std::string::npos ? "127.0.0.1" : text.substr(0, colon);
    if (host.size() > 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
    const std::string_view number = std::string_view(text).substr(colon == std::string::npos ? 0 : colon + 1);
    uint16_t port = 0;
    const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), port);
    if (number.empty() || error != std::errc{} || end != number.data() + number.size()) return wrong();
    const auto address = rpc::PeerAddress::parse(host, port);
    if (!address || !address->is_loopback()) return wrong();
    return *address;
}

// The request's first line.
std::string receive_request(int client) {
    std::string head;
    std::array<char, 1024> part;
    while (head.size() < max_head_bytes && head.find("\r\n\r\n") == std::string::npos) {
        const ssize_t got = recv(client, part.data(), part.size(), 0);
        if (got <= 0) break;
        head.append(part.data(), static_cast<size_t>(got));
    }
    return head.substr(0, head.find('\r'));
}

}  // namespace

Result<std::unique_ptr<MetricsPort>, std::string> MetricsPort::open(const std::string& text,
                                                                    std::function<std::string()> metrics) {
    LOCKSTEP_TRY(const auto address, parse_address(text));
    rpc::FileDescriptor socket(::socket(address.get()->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const int on = 1;
    setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(socket.get(), address.get(), address.size_bytes()) != 0 || listen(socket.get(), 16) != 0)
        return fail(fmt::format("can't serve metrics on {}: {}", address.to_string(), std::strerror(errno)));
    return std::unique_ptr<MetricsPort>(new MetricsPort(std::move(socket), std::move(metrics)));
}

MetricsPort::MetricsPort(rpc::FileDescriptor socket, std::function<std::string()> text)
    : socket_(std::move(socket)),
      address_(rpc::PeerAddress::of_socket(socket_.get())),
      text_(std::move(text)),
      stop_(eventfd(0, EFD_CLOEXEC)) {
    check(static_cast<bool>(stop_), "eventfd");
    thread_ = std::thread([this] { work(); });
}

MetricsPort::~MetricsPort() {
    eventfd_write(stop_.get(), 1);
    thread_.join();
}

void MetricsPort::work() {
    for (;;) {
        pollfd waited[] = {{stop_.get(), POLLIN, 0}, {socket_.get(), POLLIN, 0}};
        if (poll(waited, std::size(waited), -1) < 0) check(errno == EINTR, "poll");
        if (waited[0].revents != 0) return;
        if (waited[1].revents == 0) continue;
        const rpc::FileDescriptor client(accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC));
        if (client) serve(client.get());
    }
}

void MetricsPort::serve(int client) const {
    setsockopt(client, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(client, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    const std::string request = receive_request(client);
    const bool is_known = request.starts_with("GET /metrics ");
    const std::string body = is_known ? text_() : "GET /metrics\n";
    const std::string reply = fmt::format(
        "HTTP/1.1 {}\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{}",
        is_known ? "200 OK" : "404 Not Found", body.size(), body);
    for (std::string_view rest = reply; !rest.empty();) {
        const ssize_t sent = send(client, rest.data(), rest.size(), MSG_NOSIGNAL);
        if (sent <= 0) return;
        rest.remove_prefix(static_cast<size_t>(sent));
    }
}

MetricsText& MetricsText::metric(const char* name, const char* kind, const char* help) {
    name_ = name;
    text_ += fmt::format("# HELP {0} {1}\n# TYPE {0} {2}\n", name, help, kind);
    return *this;
}

MetricsText& MetricsText::sample(const std::string& labels, uint64_t value) {
    text_ += labels.empty() ? fmt::format("{} {}\n", name_, value) : fmt::format("{}{{{}}} {}\n", name_, labels, value);
    return *this;
}

}  // namespace lockstep::server
