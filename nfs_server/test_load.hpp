// For tests: clients of a server that get in each other's way.
#pragma once

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "nfs_server/main_nfs_client.hpp"
#include "nfs_server/test_retransmitter.hpp"

namespace lockstep::server::test {

// Four clients that get in each other's way: files are written, read, renamed between directories and removed, all with
// a few names. A fifth sends each of its calls twice. The directories are made side by side, so that the numbers of
// their inodes are far apart. What the server answers is not looked at here: with a fault in it, anything may come.
class Load {
 public:
    explicit Load(const std::string& url) {
        for (unsigned seed = 1; seed <= clients; ++seed) threads_.emplace_back([this, url, seed] { work(url, seed); });
        const auto port = static_cast<uint16_t>(std::stoi(url.substr(url.rfind('=') + 1)));
        threads_.emplace_back([this, port] { retransmit(port, stopping_); });
    }
    ~Load() {
        stopping_ = true;
        for (auto& thread : threads_) thread.join();
    }
    Load(const Load&) = delete;
    Load& operator=(const Load&) = delete;

    uint64_t rounds() const { return rounds_; }
    // False when the server is gone.
    bool running() const { return working_ > 0; }

 private:
    static constexpr unsigned clients = 4;

    // A connection that broke is made anew; when that fails, the server is gone.
    void work(const std::string& url, unsigned seed) {
        std::mt19937_64 random(seed);
        try {
            while (!stopping_) {
                NfsClient client(url);
                client.make_directory("/" + std::to_string(seed));
                while (!stopping_ && round(client, random)) ++rounds_;
            }
        } catch (const std::runtime_error&) {
        }
        --working_;
    }

    // False when the connection may be broken.
    static bool round(NfsClient& client, std::mt19937_64& random) {
        static const std::string content(20'000, 'x');
        const auto path = [&] {
            return "/" + std::to_string(1 + random() % clients) + "/" + std::to_string(random() % 4);
        };
        const auto broken = [](int status) { return status == -EIO || status == -ETIMEDOUT || status == -EINTR; };
        std::string read;
        return !broken(client.write_file(path(), content.substr(random() % content.size()), random() % 4 == 0)) &&
               !broken(client.rename(path(), path())) && !broken(client.read_file(path(), read)) &&
               !(random() % 4 == 0 && broken(client.remove(path())));
    }

    std::atomic<bool> stopping_{false};
    std::atomic<uint64_t> rounds_{0};
    std::atomic<unsigned> working_{clients};
    std::vector<std::thread> threads_;
};

}  // namespace lockstep::server::test
