#include "nfs_server/main_metrics.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <vector>

#include <fmt/format.h>

#include "nfs_server/base/check.hpp"

namespace lockstep::server {
namespace {

constexpr auto patience = std::chrono::seconds(5);
constexpr int look_again_ms = 1000;  // whether one has had its time
constexpr size_t max_head_bytes = 8192;
constexpr size_t max_clients = 16;

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

// "HTTP/1.1 200 OK …", or what is there instead.
std::string reply_to(std::string_view request, const std::function<std::string()>& text) {
    const bool is_known = request.starts_with("GET /metrics ");
    const std::string body = is_known ? text() : "GET /metrics\n";
    return fmt::format(
        "HTTP/1.1 {}\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{}",
        is_known ? "200 OK" : "404 Not Found", body.size(), body);
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

// Several at a time: who connects and says nothing keeps neither others nor the end waiting.
void MetricsPort::work() {
    std::deque<Client> clients;  // the oldest first
    for (;;) {
        std::vector<pollfd> waited{{stop_.get(), POLLIN, 0}, {socket_.get(), POLLIN, 0}};
        for (const Client& client : clients)
            waited.push_back({client.socket.get(), static_cast<short>(client.reply.empty() ? POLLIN : POLLOUT), 0});
        if (poll(waited.data(), waited.size(), clients.empty() ? -1 : look_again_ms) < 0) check(errno == EINTR, "poll");
        if (waited[0].revents != 0) return;
        const auto now = std::chrono::steady_clock::now();
        size_t next = 2;
        std::erase_if(clients, [&](Client& client) {
            const bool is_ready = waited[next++].revents != 0;
            return is_ready ? !serve(client) : now > client.end;
        });
        if (waited[1].revents == 0) continue;
        rpc::FileDescriptor client(accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
        if (!client) continue;
        if (clients.size() == max_clients) clients.pop_front();
        clients.push_back({std::move(client), now + patience, {}, {}});
    }
}

// As far as it goes without waiting. False: it is done, or gone.
bool MetricsPort::serve(Client& client) const {
    if (client.reply.empty()) {
        std::array<char, 1024> part;
        const ssize_t got = recv(client.socket.get(), part.data(), part.size(), 0);
        if (got <= 0) return got < 0 && (errno == EAGAIN || errno == EINTR);
        client.request.append(part.data(), static_cast<size_t>(got));
        const bool is_whole = client.request.find("\r\n\r\n") != std::string::npos;
        if (!is_whole && client.request.size() < max_head_bytes) return true;
        client.reply = reply_to(client.request, text_);
    }
    const ssize_t sent = send(client.socket.get(), client.reply.data(), client.reply.size(), MSG_NOSIGNAL);
    if (sent < 0) return errno == EAGAIN || errno == EINTR;
    client.reply.erase(0, static_cast<size_t>(sent));
    return !client.reply.empty();
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
