// Warnings about clients, few enough to be read: of each client at most one a minute, with the number of those that
// were left out. Nlm layer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>

namespace lockstep::server::nlm {

// Any thread.
class WarningLimit {
 public:
    static constexpr int64_t period_ns = 60'000'000'000;
    static constexpr size_t max_clients = 1024;  // of more, some are not warned of

    // Whether to warn of the client now: how many warnings of it were left out before; nothing: leave this one out.
    std::optional<uint64_t> admit(const std::string& client, int64_t now_ns) {
        const std::lock_guard hold(mutex_);
        auto found = seen_.find(client);
        if (found == seen_.end()) {
            if (seen_.size() >= max_clients)
                std::erase_if(seen_, [&](const auto& entry) { return now_ns - entry.second.warned_ns >= period_ns; });
            if (seen_.size() >= max_clients) return std::nullopt;
            seen_.emplace(client, Seen{now_ns, 0});
            return 0;
        }
        Seen& seen = found->second;
        if (now_ns - seen.warned_ns < period_ns) {
            ++seen.left_out;
            return std::nullopt;
        }
        const uint64_t left_out = seen.left_out;
        seen = {now_ns, 0};
        return left_out;
    }

 private:
    struct Seen {
        int64_t warned_ns;
        uint64_t left_out;
    };
    std::mutex mutex_;
    std::map<std::string, Seen> seen_;
};

}  // namespace lockstep::server::nlm
