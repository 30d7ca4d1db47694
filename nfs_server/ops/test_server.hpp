// For tests: a server whose procedures are called without a network. Replies live until the TestServer is destroyed.
// Layer: ops.
#pragma once

#include <memory>

#include "nfs_server/fs/test_file_system.hpp"
#include "nfs_server/ops/test_client.hpp"
#include "nfs_server/ops/write_verifier.hpp"

namespace lockstep::server::ops::test {

/// A file system and a service on it, with their background threads.
class TestServer {
 public:
    explicit TestServer(const fs::test::TestOptions& options = {.background = true}) : fs(options) { start(); }

    /// As a crash that keeps what is durable; the write verifier changes. Clients of before must not be used any more.
    void restart() {
        fs.crash();
        start();
    }
    Handle root() {
        const fs::FileHandle handle = fs->handle_of(fs->root());
        return Handle(reinterpret_cast<const char*>(handle.data()), handle.size());
    }
    TestClient make_client(Caller caller = {}) { return TestClient(*service, std::move(caller)); }

    fs::test::TestFileSystem fs;
    std::unique_ptr<Service> service;

 private:
    void start() { service = std::make_unique<Service>(Service{*fs, new_write_verifier()}); }
};

}  // namespace lockstep::server::ops::test
