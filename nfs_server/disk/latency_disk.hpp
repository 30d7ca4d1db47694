// A disk whose barrier takes a fixed time: for benchmarks that compare, on machines whose disks swing.
#pragma once

#include <chrono>
#include <cstdint>
#include <thread>

#include "nfs_server/disk/disk.hpp"

namespace lockstep::server::disk {

/// Passes everything to another disk, which must outlive it. Barriers of several threads take their time side by side.
class LatencyDisk final : public Disk {
 public:
    LatencyDisk(Disk& inner, std::chrono::nanoseconds barrier_time) : inner_(inner), barrier_time_(barrier_time) {}

    Result<void, StorageError> read(uint64_t first_block, std::span<std::byte* const> blocks) override {
        return inner_.read(first_block, blocks);
    }
    Result<void, StorageError> write(uint64_t first_block, std::span<const std::byte* const> blocks) override {
        return inner_.write(first_block, blocks);
    }
    Result<void, StorageError> barrier() override {
        std::this_thread::sleep_for(barrier_time_);
        return inner_.barrier();
    }
    uint64_t size_blocks() const override { return inner_.size_blocks(); }

 private:
    Disk& inner_;
    std::chrono::nanoseconds barrier_time_;
};

}  // namespace lockstep::server::disk
