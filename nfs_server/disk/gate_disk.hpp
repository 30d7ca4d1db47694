// A disk whose operations wait at a gate until a test lets them through: for tests of what happens meanwhile.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>

#include "nfs_server/disk/disk.hpp"

namespace lockstep::server::disk {

/// Open at first. Any thread may call any member.
class Gate {
 public:
    /// From now on who comes waits.
    void close() {
        std::lock_guard hold(mutex_);
        open_ = false;
        arrived_ = passes_ = 0;
    }
    /// Lets through all that wait and all that come.
    void open() {
        std::lock_guard hold(mutex_);
        open_ = true;
        changed_.notify_all();
    }
    /// Lets one through, in the order in which they came.
    void let_one_through() {
        std::lock_guard hold(mutex_);
        ++passes_;
        changed_.notify_all();
    }
    /// Returns when `count` have come since the gate was closed.
    void wait_for(uint64_t count) {
        std::unique_lock hold(mutex_);
        changed_.wait(hold, [&] { return arrived_ >= count; });
    }
    /// How many have come since the gate was closed.
    uint64_t arrived() {
        std::lock_guard hold(mutex_);
        return arrived_;
    }
    void pass() {
        std::unique_lock hold(mutex_);
        const uint64_t number = ++arrived_;
        changed_.notify_all();
        changed_.wait(hold, [&] { return open_ || number <= passes_; });
    }

 private:
    std::mutex mutex_;
    std::condition_variable changed_;
    bool open_ = true;
    uint64_t arrived_ = 0;
    uint64_t passes_ = 0;
};

/// Passes everything through its gates to another disk, which must outlive it.
class GateDisk final : public Disk {
 public:
    explicit GateDisk(Disk& inner) : inner_(inner) {}

    Result<void, StorageError> read(uint64_t first_block, std::span<std::byte* const> blocks) override {
        reads.pass();
        return inner_.read(first_block, blocks);
    }
    Result<void, StorageError> write(uint64_t first_block, std::span<const std::byte* const> blocks) override {
        writes.pass();
        return inner_.write(first_block, blocks);
    }
    Result<void, StorageError> barrier() override {
        barriers.pass();
        return inner_.barrier();
    }
    uint64_t size_blocks() const override { return inner_.size_blocks(); }

    Gate reads, writes, barriers;

 private:
    Disk& inner_;
};

}  // namespace lockstep::server::disk
