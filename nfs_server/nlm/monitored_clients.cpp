#include "nfs_server/nlm/monitored_clients.hpp"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "tracepoints/nlm.tp"

namespace lockstep::server::nlm {
namespace {

constexpr std::string_view magic = "lockstep nsm 1\n";

// Takes parts off the front of a text; every failure is the last.
class Parser {
 public:
    explicit Parser(std::string_view text) : text_(text) {}
    bool take(std::string_view expected) {
        if (!text_.starts_with(expected)) return false;
        text_.remove_prefix(expected.size());
        return true;
    }
    std::optional<std::string_view> take_until(char end) {
        const size_t at = text_.find(end);
        if (at == std::string_view::npos) return std::nullopt;
        const auto part = text_.substr(0, at);
        text_.remove_prefix(at + 1);
        return part;
    }
    std::optional<std::string_view> take_bytes(size_t count) {
        if (text_.size() < count) return std::nullopt;
        const auto part = text_.substr(0, count);
        text_.remove_prefix(count);
        return part;
    }
    std::optional<uint32_t> take_number(char end) {
        const auto digits = take_until(end);
        uint32_t number = 0;
        if (!digits) return std::nullopt;
        const auto [last, error] = std::from_chars(digits->data(), digits->data() + digits->size(), number);
        if (error != std::errc{} || last != digits->data() + digits->size()) return std::nullopt;
        return number;
    }
    bool is_done() const { return text_.empty(); }

 private:
    std::string_view text_;
};

}  // namespace

std::string MonitorRecord::to_text() const {
    std::string text(magic);
    text += fmt::format("state {}\n", state);
    for (const MonitoredClient& client : clients)
        text += fmt::format("client {} {} {}\n", client.address, client.name.size(), client.name);
    return text;
}

std::optional<MonitorRecord> MonitorRecord::from_text(std::string_view text) {
    Parser parser(text);
    MonitorRecord record;
    if (!parser.take(magic) || !parser.take("state ")) return std::nullopt;
    const auto state = parser.take_number('\n');
    if (!state) return std::nullopt;
    record.state = *state;
    while (!parser.is_done()) {
        if (!parser.take("client ")) return std::nullopt;
        const auto address = parser.take_until(' ');
        const auto size_bytes = address ? parser.take_number(' ') : std::nullopt;
        const auto name = size_bytes ? parser.take_bytes(*size_bytes) : std::nullopt;
        if (!name || !parser.take("\n")) return std::nullopt;
        record.clients.push_back({std::string(*name), std::string(*address)});
    }
    return record;
}

Result<std::vector<MonitoredClient>, std::string> MonitoredClients::start() {
    const std::lock_guard hold(mutex_);
    LOCKSTEP_TRY(const std::string text, storage_.read());
    if (!text.empty()) {
        auto record = MonitorRecord::from_text(text);
        if (!record) return fail(std::string("the list of clients with locks is damaged"));
        record_ = std::move(*record);
    }
    record_.state = record_.state == 0 ? 1 : (record_.state | 1) + 2;
    LOCKSTEP_TRY(storage_.write(record_.to_text()));
    from_before_ = record_.clients;
    std::ranges::sort(from_before_);
    return from_before_;
}

Result<void, std::string> MonitoredClients::add(const MonitoredClient& client) {
    const std::lock_guard hold(mutex_);
    if (std::ranges::find(record_.clients, client) != record_.clients.end()) return {};
    const auto before = record_.clients;
    if (!make_room(client)) return fail(std::string("too many clients have locks"));
    record_.clients.push_back(client);
    if (auto written = storage_.write(record_.to_text()); !written) {
        record_.clients = before;
        return written;
    }
    lttng_ust_tracepoint(nlm, client_monitored, client.name.c_str(), client.address.c_str());
    return {};
}

// False: all that could give way have locks.
bool MonitoredClients::make_room(const MonitoredClient& client) {
    const auto is_neighbour = [&](const MonitoredClient& other) { return other.address == client.address; };
    const auto neighbours = static_cast<size_t>(std::ranges::count_if(record_.clients, is_neighbour));
    const bool is_crowded = neighbours >= max_clients_per_address;
    if (!is_crowded && record_.clients.size() < max_clients) return true;
    const auto unused = std::ranges::find_if(record_.clients, [&](const MonitoredClient& other) {
        return (!is_crowded || is_neighbour(other)) && !is_in_use_(other);
    });
    if (unused == record_.clients.end()) return false;
    record_.clients.erase(unused);
    return true;
}

bool MonitoredClients::may_reclaim(const MonitoredClient& client) const {
    const std::lock_guard hold(mutex_);
    return std::ranges::binary_search(from_before_, client);
}

uint32_t MonitoredClients::state() const {
    const std::lock_guard hold(mutex_);
    return record_.state;
}

}  // namespace lockstep::server::nlm
