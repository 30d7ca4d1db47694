// The operator's socket of a running server: one line in, one JSON object out. nfs_server admin talks to it.
#pragma once

#include <memory>
#include <string>
#include <thread>

#include "nfs_server/base/result.hpp"
#include "nfs_server/nlm/lock_manager.hpp"
#include "nfs_server/rpc/file_descriptor.hpp"

namespace lockstep::server {

// Requests: "locks", "fence NAME". Answers: lock_report.hpp has them; {"error": MESSAGE} to anything else.
class AdminSocket {
 public:
    // Makes the socket `path`, for its owner only; one that a dead server left is replaced. The manager outlives it.
    // Error: a message with the path and the reason.
    static Result<std::unique_ptr<AdminSocket>, std::string> open(const std::string& path, nlm::LockManager& manager);
    // Removes it.
    ~AdminSocket();
    AdminSocket(const AdminSocket&) = delete;
    AdminSocket& operator=(const AdminSocket&) = delete;

 private:
    AdminSocket(std::string path, rpc::FileDescriptor socket, nlm::LockManager& manager);
    void work();
    void serve(int client);

    const std::string path_;
    nlm::LockManager& manager_;
    rpc::FileDescriptor socket_;
    rpc::FileDescriptor stop_;
    std::thread thread_;
};

// Sends one request to a running server. Gives its answer, a JSON object. Error: a message: nobody listens there.
Result<std::string, std::string> ask_admin_socket(const std::string& path, const std::string& request);

}  // namespace lockstep::server
