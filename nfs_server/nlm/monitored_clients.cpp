#include "nfs_server/nlm/monitored_clients.hpp"

#include <algorithm>
#include <charconv>
#include <iterator>

#include <fmt/format.h>

#include "tracepoints/nlm.tp"

namespace lockstep::server::nlm {
namespace {

constexpr std::string_view magic = "lockstep nsm 1\n";

// Appends what was taken.
template <class T>
bool keep(std::vector<T>& list, std::optional<T> taken) {
    if (taken) list.push_back(std::move(*taken));
    return taken.has_value();
}

std::string host_text(const MonitoredClient& host) {
    return fmt::format("{} {} {}", host.address, host.name.size(), host.name);
}

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
    // BYTES " " and so many.
    std::optional<std::string> take_text() {
        const auto size_bytes = take_number(' ');
        const auto text = size_bytes ? take_bytes(*size_bytes) : std::nullopt;
        return text ? std::optional<std::string>(*text) : std::nullopt;
    }
    std::optional<MonitoredClient> take_host() {
        const auto address = take_until(' ');
        auto name = address ? take_text() : std::nullopt;
        if (!name) return std::nullopt;
        return MonitoredClient{std::move(*name), std::string(*address)};
    }
    std::optional<Watch> take_watch() {
        const auto program = take_number(' '), version = take_number(' '), procedure = take_number(' ');
        const auto cookie = take_bytes(16);
        if (!program || !version || !procedure || !cookie) return std::nullopt;
        auto host = take_host();
        auto watcher = host ? take_text() : std::nullopt;
        if (!watcher) return std::nullopt;
        return Watch{std::move(*host), std::move(*watcher), *program, *version, *procedure, std::string(*cookie)};
    }
    bool is_done() const { return text_.empty(); }

 private:
    std::string_view text_;
};

uint32_t next_state(uint32_t state) {
    return state == 0 ? 1 : (state | 1) + 2;
}

void host_restarted(MonitorRecord& record) {
    record.host_state = next_state(record.host_state);
    for (const Watch& watch : record.watches)
        if (std::ranges::find(record.owed, watch.host) == record.owed.end()) record.owed.push_back(watch.host);
    record.watches.clear();
}

}  // namespace

std::string MonitorRecord::to_text() const {
    std::string text(magic);
    text += fmt::format("state {}\n", state);
    if (!boot_id.empty()) text += fmt::format("boot {}\nhost {}\n", boot_id, host_state);
    for (const MonitoredClient& client : clients) text += "client " + host_text(client) + "\n";
    for (const MonitoredClient& host : owed) text += "owed " + host_text(host) + "\n";
    for (const Watch& watch : watches)
        text += fmt::format("watch {} {} {} {}{}{} {}\n", watch.program, watch.version, watch.procedure, watch.cookie,
                            host_text(watch.host), watch.watcher.size(), watch.watcher);
    return text;
}

std::optional<MonitorRecord> MonitorRecord::from_text(std::string_view text) {
    Parser parser(text);
    MonitorRecord record;
    if (!parser.take(magic) || !parser.take("state ")) return std::nullopt;
    const auto state = parser.take_number('\n');
    if (!state) return std::nullopt;
    record.state = *state;
    if (parser.take("boot ")) {
        const auto boot_id = parser.take_until('\n');
        const auto host_state = boot_id && parser.take("host ") ? parser.take_number('\n') : std::nullopt;
        if (!host_state) return std::nullopt;
        record.boot_id = *boot_id;
        record.host_state = *host_state;
    }
    while (!parser.is_done()) {
        const bool is_line = parser.take("client ") ? keep(record.clients, parser.take_host())
                             : parser.take("owed ")
                                 ? keep(record.owed, parser.take_host())
                                 : parser.take("watch ") && keep(record.watches, parser.take_watch());
        if (!is_line || !parser.take("\n")) return std::nullopt;
    }
    return record;
}

Result<MonitoredClients::Start, std::string> MonitoredClients::start(const std::string& boot_id) {
    const std::lock_guard hold(mutex_);
    LOCKSTEP_TRY(const std::string text, storage_.read());
    if (!text.empty()) {
        auto record = MonitorRecord::from_text(text);
        if (!record) return fail(std::string("the list of clients with locks is damaged"));
        record_ = std::move(*record);
    }
    LOCKSTEP_TRY(change([&](MonitorRecord& record) {
        record.state = next_state(record.state);
        if (record.boot_id != boot_id) host_restarted(record);
        record.boot_id = boot_id;
    }));
    from_before_ = record_.clients;
    std::ranges::sort(from_before_);
    return Start{from_before_, record_.owed};
}

// With the mutex held. What can't be written has not changed.
template <class Change>
Result<void, std::string> MonitoredClients::change(Change change_record) {
    MonitorRecord changed = record_;
    change_record(changed);
    LOCKSTEP_TRY(storage_.write(changed.to_text()));
    record_ = std::move(changed);
    return {};
}

Result<void, std::string> MonitoredClients::add(const MonitoredClient& client) {
    const std::lock_guard hold(mutex_);
    if (std::ranges::find(record_.clients, client) != record_.clients.end()) return {};
    bool has_room = false;
    LOCKSTEP_TRY(change([&](MonitorRecord& record) {
        has_room = make_room(record.clients, client);
        if (has_room) record.clients.push_back(client);
    }));
    if (!has_room) return fail(std::string("too many clients have locks"));
    lttng_ust_tracepoint(nlm, client_monitored, client.name.c_str(), client.address.c_str());
    return {};
}

// False: all that could give way have locks.
bool MonitoredClients::make_room(std::vector<MonitoredClient>& clients, const MonitoredClient& client) const {
    const auto is_neighbour = [&](const MonitoredClient& other) { return other.address == client.address; };
    const auto neighbours = static_cast<size_t>(std::ranges::count_if(clients, is_neighbour));
    const bool is_crowded = neighbours >= max_clients_per_address;
    if (!is_crowded && clients.size() < max_clients) return true;
    const auto unused = std::ranges::find_if(clients, [&](const MonitoredClient& other) {
        return (!is_crowded || is_neighbour(other)) && !is_in_use_(other);
    });
    if (unused == clients.end()) return false;
    clients.erase(unused);
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

Result<void, std::string> MonitoredClients::watch(const Watch& watch) {
    const std::lock_guard hold(mutex_);
    if (std::ranges::find(record_.watches, watch) != record_.watches.end()) return {};
    if (record_.watches.size() >= max_watches) return fail(std::string("too many hosts are watched"));
    return change([&](MonitorRecord& record) { record.watches.push_back(watch); });
}

Result<void, std::string> MonitoredClients::unwatch(const Watch& watch) {
    const std::lock_guard hold(mutex_);
    return change([&](MonitorRecord& record) {
        std::erase_if(record.watches,
                      [&](const Watch& other) { return other.is_by(watch) && other.host.name == watch.host.name; });
    });
}

Result<void, std::string> MonitoredClients::unwatch_all(const Watch& by) {
    const std::lock_guard hold(mutex_);
    return change([&](MonitorRecord& record) {
        std::erase_if(record.watches, [&](const Watch& other) { return other.is_by(by); });
    });
}

std::vector<Watch> MonitoredClients::watches_of(const MonitoredClient& host) const {
    const std::lock_guard hold(mutex_);
    std::vector<Watch> found;
    std::ranges::copy_if(record_.watches, std::back_inserter(found),
                         [&](const Watch& watch) { return watch.host.address == host.address; });
    const bool are_one =
        std::ranges::all_of(found, [&](const Watch& watch) { return watch.host.name == found.front().host.name; });
    if (!are_one) std::erase_if(found, [&](const Watch& watch) { return watch.host.name != host.name; });
    return found;
}

Result<std::vector<MonitoredClient>, std::string> MonitoredClients::simulate_crash() {
    const std::lock_guard hold(mutex_);
    LOCKSTEP_TRY(change(host_restarted));
    return record_.owed;
}

void MonitoredClients::told(const MonitoredClient& host) {
    const std::lock_guard hold(mutex_);
    // What can't be written is told once more after the next start, which does no harm.
    static_cast<void>(change([&](MonitorRecord& record) { std::erase(record.owed, host); }));
}

uint32_t MonitoredClients::host_state() const {
    const std::lock_guard hold(mutex_);
    return record_.host_state;
}

}  // namespace lockstep::server::nlm
