#include "nfs_server/ops/exports.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <optional>

#include <fmt/format.h>

#include "nfs_server/fs/checksum.hpp"

namespace lockstep::server::ops {
namespace {

constexpr unsigned address_bits = 128;
constexpr unsigned mapped_bits = 96;  // what ::ffff:a.b.c.d has before a.b.c.d
constexpr std::uint16_t first_insecure_port = 1024;

template <class Number>
std::optional<Number> read_number(std::string_view text, Number most) {
    Number value{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size() || value > most) return std::nullopt;
    return value;
}

bool bit_of(const std::array<std::uint8_t, 16>& address, unsigned bit) {
    return (address[bit / 8] >> (7 - bit % 8) & 1) != 0;
}

// The first word up to `separator`, taken off the text.
std::string_view take_word(std::string_view& text, char separator) {
    const std::size_t end = std::min(text.find(separator), text.size());
    const std::string_view word = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    return word;
}

Result<void, std::string> read_clients(std::string_view text, Export& result) {
    while (!text.empty()) {
        LOCKSTEP_TRY(auto network, Network::parse(take_word(text, ';')));
        result.clients.push_back(std::move(network));
    }
    return {};
}

Result<void, std::string> read_option(std::string_view word, Export& result) {
    std::string_view value = word;
    const std::string_view key = take_word(value, '=');
    if (key == "clients") return read_clients(value, result);
    bool is_known = true;
    if (word == "read_only") {
        result.read_only = true;
    } else if (word == "secure_ports") {
        result.secure_ports = true;
    } else if (key == "directory") {
        is_known = is_clean_path(value);
        result.directory = value;
    } else if (key == "squash") {
        is_known = parse_squash(value).has_value();
        result.squash = parse_squash(value).value_or(Squash::none);
    } else if (key == "anonymous_uid" || key == "anonymous_gid") {
        const auto number = read_number<std::uint32_t>(value, UINT32_MAX);
        is_known = number.has_value();
        (key == "anonymous_uid" ? result.anonymous_uid : result.anonymous_gid) = number.value_or(0);
    } else {
        is_known = false;
    }
    if (is_known) return {};
    return fail(
        fmt::format("\"{}\" is not an option of an export (directory=, clients=, read_only, secure_ports, "
                    "squash=none|root|all, anonymous_uid=, anonymous_gid=)",
                    word));
}

// What follows `prefix` in `path`, when that lies in it.
bool lies_in(std::string_view path, std::string_view prefix) {
    if (!path.starts_with(prefix)) return false;
    return path.size() == prefix.size() || prefix.ends_with('/') || path[prefix.size()] == '/';
}

}  // namespace

std::optional<Squash> parse_squash(std::string_view text) {
    if (text == "none") return Squash::none;
    if (text == "root") return Squash::root;
    if (text == "all") return Squash::all;
    return std::nullopt;
}

Result<Network, std::string> Network::parse(std::string_view text) {
    Network network;
    network.text_ = text;
    if (text == "*") return network;
    const auto wrong = [&] {
        return fail(
            fmt::format("\"{}\" is no network (for example 192.0.2.0/24, 2001:db8::/32, 192.0.2.7 or *)", text));
    };
    std::string_view bits = text;
    const std::string host(take_word(bits, '/'));
    const bool has_bits = text.find('/') != std::string_view::npos;
    const bool is_ipv6 = host.find(':') != std::string::npos;
    auto* bytes = network.prefix_.data();
    if (!is_ipv6) bytes[10] = bytes[11] = 0xff;
    if (inet_pton(is_ipv6 ? AF_INET6 : AF_INET, host.c_str(), is_ipv6 ? bytes : bytes + 12) != 1) return wrong();
    const unsigned before = is_ipv6 ? 0 : mapped_bits;
    network.prefix_bits_ = address_bits;
    if (has_bits) {
        const auto number = read_number<unsigned>(bits, address_bits - before);
        if (!number) return wrong();
        network.prefix_bits_ = before + *number;
    }
    for (unsigned bit = network.prefix_bits_; bit < address_bits; ++bit)
        if (bit_of(network.prefix_, bit))
            return fail(fmt::format("\"{}\" has bits of an address behind its prefix", text));
    return network;
}

bool Network::contains(const std::array<std::uint8_t, 16>& address) const {
    const unsigned whole = prefix_bits_ / 8;
    if (std::memcmp(address.data(), prefix_.data(), whole) != 0) return false;
    const unsigned rest = prefix_bits_ % 8;
    return rest == 0 || (address[whole] ^ prefix_[whole]) >> (8 - rest) == 0;
}

std::uint32_t Export::number() const {
    return std::max<std::uint32_t>(fs::crc32c(std::as_bytes(std::span(path.data(), path.size()))), 1);
}

bool Export::admits(const rpc::PeerAddress& client) const {
    if (secure_ports && client.port() >= first_insecure_port) return false;
    if (clients.empty()) return true;
    const auto address = client.bytes();
    return std::ranges::any_of(clients, [&](const Network& network) { return network.contains(address); });
}

rpc::Credentials Export::effective(const rpc::Credentials& caller) const {
    rpc::Credentials effective = caller;
    const bool is_squashed = squash == Squash::all || (squash == Squash::root && caller.uid == 0);
    if (is_squashed) {
        effective.uid = anonymous_uid;
        effective.gid = anonymous_gid;
        effective.supplementary_gids = {};
    } else if (squash == Squash::root && caller.gid == 0) {
        effective.gid = anonymous_gid;
    }
    return effective;
}

bool is_clean_path(std::string_view path) {
    if (path == "/") return true;
    if (!path.starts_with('/')) return false;
    path.remove_prefix(1);
    if (path.empty() || path.ends_with('/')) return false;
    while (!path.empty()) {
        const std::string_view name = take_word(path, '/');
        if (name.empty() || name == "." || name == "..") return false;
    }
    return true;
}

Result<Export, std::string> parse_export(std::string_view text) {
    Export result;
    std::string_view rest = text;
    result.path = take_word(rest, ',');
    if (!is_clean_path(result.path))
        return fail(fmt::format("\"{}\" is no path to export (for example /export)", result.path));
    while (!rest.empty()) LOCKSTEP_TRY(read_option(take_word(rest, ','), result));
    return result;
}

Result<std::unique_ptr<const ExportTable>, std::string> ExportTable::make(std::vector<Export> exports) {
    if (exports.empty()) return fail(std::string("nothing is exported"));
    std::unique_ptr<ExportTable> table(new ExportTable);
    for (Export& one : exports) {
        const std::uint32_t number = one.number();
        if (const Entry* other = table->find(number))
            return fail(other->export_.path == one.path
                            ? fmt::format("{} is exported twice", one.path)
                            : fmt::format("{} and {} have the same number in handles; rename one", other->export_.path,
                                          one.path));
        table->entries_.push_back(std::make_unique<Entry>(std::move(one), number));
    }
    return std::unique_ptr<const ExportTable>(std::move(table));
}

const ExportTable::Entry* ExportTable::find(std::uint32_t number) const {
    for (const auto& entry : entries_)
        if (entry->number == number) return entry.get();
    return nullptr;
}

const ExportTable::Entry* ExportTable::find_path(std::string_view path) const {
    const Entry* deepest = nullptr;
    for (const auto& entry : entries_)
        if (lies_in(path, entry->export_.path) &&
            (deepest == nullptr || deepest->export_.path.size() < entry->export_.path.size()))
            deepest = entry.get();
    return deepest;
}

void Exports::replace(std::unique_ptr<const ExportTable> table) {
    std::lock_guard hold(mutex_);
    tables_.push_back(std::move(table));
    current_.store(tables_.back().get(), std::memory_order_release);
}

fs::Outcome<const ExportTable::Entry*> Exports::admit(std::uint32_t number, const rpc::PeerAddress& client) const {
    const ExportTable::Entry* entry = current().find(number);
    if (entry == nullptr) return fail(fs::Error(fs::Error::stale));
    if (!entry->export_.admits(client)) return fail(fs::Error(fs::Error::access_denied));
    return entry;
}

}  // namespace lockstep::server::ops
