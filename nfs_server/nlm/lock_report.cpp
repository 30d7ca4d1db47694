#include "nfs_server/nlm/lock_report.hpp"

#include <array>

#include <fmt/format.h>

namespace lockstep::server::nlm {
namespace {

nlohmann::json report_entry(const LockEntry& entry) {
    const bool to_end = entry.range.last == ByteRange::end_of_file;
    return {{"client", entry.owner->client->name},
            {"address", entry.owner->client->address},
            {"owner", entry.owner->number},
            {"svid", entry.owner->svid},
            {"inode", entry.file.inode},
            {"generation", entry.file.generation},
            {"first_byte", entry.range.first},
            {"last_byte", to_end ? nlohmann::json() : nlohmann::json(entry.range.last)},
            {"mode", entry.mode == LockMode::exclusive ? "exclusive" : "shared"},
            {"waits_for", entry.waits_for == 0 ? nlohmann::json() : nlohmann::json(entry.waits_for)}};
}

const char* doings(uint32_t bits) {
    constexpr std::array names = {"nothing", "reading", "writing", "reading and writing"};
    return names[bits & 3];
}

nlohmann::json report_share(const ShareRequest& share) {
    return {{"client", share.owner->client->name}, {"address", share.owner->client->address},
            {"owner", share.owner->number},        {"inode", share.file.inode},
            {"generation", share.file.generation}, {"access", doings(share.access)},
            {"deny", doings(share.deny)}};
}

// A name as a client chose it, on a terminal.
std::string printable(const std::string& name) {
    std::string safe;
    for (const char c : name) safe += c > ' ' && c < 127 ? c : '?';
    return safe;
}

}  // namespace

nlohmann::json report_locks(LockManager& manager) {
    nlohmann::json report = {{"grace_period", manager.grace.enter().is_in_grace()},
                             {"locks", nlohmann::json::array()},
                             {"shares", nlohmann::json::array()}};
    for (const LockEntry& entry : manager.table.list()) report["locks"].push_back(report_entry(entry));
    for (const ShareRequest& share : manager.shares.list()) report["shares"].push_back(report_share(share));
    return report;
}

std::string locks_as_text(const nlohmann::json& report) {
    std::string text;
    if (report.at("grace_period")) text += "grace period: only reclaims are granted\n";
    text += fmt::format("{:>8} {:>20} {:>20}  {:<9} {:>7} {:>9} {:<20} {:<16} {}\n", "inode", "first byte", "last byte",
                        "mode", "owner", "process", "client", "address", "state");
    for (const auto& lock : report.at("locks")) {
        const auto& last = lock.at("last_byte");
        const auto& waits_for = lock.at("waits_for");
        text += fmt::format(
            "{:>8} {:>20} {:>20}  {:<9} {:>7} {:>9} {:<20} {:<16} {}\n", lock.at("inode").get<uint64_t>(),
            lock.at("first_byte").get<uint64_t>(), last.is_null() ? "end" : std::to_string(last.get<uint64_t>()),
            lock.at("mode").get<std::string>(), lock.at("owner").get<uint64_t>(), lock.at("svid").get<int32_t>(),
            printable(lock.at("client").get<std::string>()), lock.at("address").get<std::string>(),
            waits_for.is_null() ? "held" : fmt::format("waits for {}", waits_for.get<uint64_t>()));
    }
    for (const auto& share : report.at("shares"))
        text += fmt::format("{:>8} share: {}, denies others {}; owner {} of {} at {}\n",
                            share.at("inode").get<uint64_t>(), share.at("access").get<std::string>(),
                            share.at("deny").get<std::string>(), share.at("owner").get<uint64_t>(),
                            printable(share.at("client").get<std::string>()), share.at("address").get<std::string>());
    return text;
}

nlohmann::json fence_client(LockManager& manager, std::string_view name, std::string_view address) {
    auto clients = manager.owners.clients_named(name);
    if (!address.empty()) std::erase_if(clients, [&](const auto& client) { return client->address != address; });
    if (clients.empty()) return {{"error", fmt::format("no client '{}' has locks or waits for one", name)}};
    if (clients.size() > 1)
        return {{"error", fmt::format("{} clients are called '{}': say the address", clients.size(), name)}};
    const LockClient& client = *clients.front();
    return {{"client", client.name},
            {"address", client.address},
            {"locks_released", manager.client_gone(0, client, ReleaseCause::fenced)}};
}

}  // namespace lockstep::server::nlm
