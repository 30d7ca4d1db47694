// For tests: many files at once, and handles of files that are gone. No library of NFS, and none of RPC, shows here:
// their headers don't go together.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace lockstep::server::test {

// Calls of one connection, each by a number of its own.
class ManyFiles {
 public:
    explicit ManyFiles(uint16_t port) : port_(port) {}

    // Makes files in the root, by consecutive numbers, 64 calls under way at a time. Their handles.
    // Throws std::runtime_error when one can't be made.
    std::vector<std::string> make(uint32_t count);
    // Removes files [first, first + count).
    void remove(uint32_t first, uint32_t count);
    // Asks for the attributes behind each handle; how many were answered STALE.
    uint32_t count_stale(const std::vector<std::string>& handles);

 private:
    uint16_t port_;
    uint32_t made_ = 0;
    uint32_t calls_ = 0;
};

}  // namespace lockstep::server::test
