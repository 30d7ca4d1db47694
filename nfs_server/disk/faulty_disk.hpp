// A disk that fails when a test says so.
#pragma once

#include <atomic>
#include <cstdint>

#include "nfs_server/disk/disk.hpp"

namespace lockstep::server::disk {

/// Passes everything to another disk, which must outlive it, until an operation is to fail. Any thread may call any
/// member.
class FaultyDisk final : public Disk {
 public:
    enum class Operation : uint8_t { read, write, barrier };
    static constexpr uint64_t never = UINT64_MAX;

    explicit FaultyDisk(Disk& inner) : inner_(inner) {}

    /// After `passing` more operations of this kind all of them fail with io, until it is told otherwise. A write that
    /// fails leaves its first blocks, up to half of them.
    void fail_after(Operation operation, uint64_t passing) { left_of(operation).store(passing); }
    /// The same for one operation; those behind it pass again.
    void fail_once_after(Operation operation, uint64_t passing) {
        fails_once_ = true;
        fail_after(operation, passing);
    }
    void repair() {
        fails_once_ = false;
        for (auto& left : left_) left.store(never);
    }

    Result<void, StorageError> read(uint64_t first_block, std::span<std::byte* const> blocks) override {
        if (fails(Operation::read)) return fail(StorageError::io);
        return inner_.read(first_block, blocks);
    }
    Result<void, StorageError> write(uint64_t first_block, std::span<const std::byte* const> blocks) override {
        if (fails(Operation::write)) {
            (void)inner_.write(first_block, blocks.first(blocks.size() / 2));
            return fail(StorageError::io);
        }
        return inner_.write(first_block, blocks);
    }
    Result<void, StorageError> barrier() override {
        if (fails(Operation::barrier)) return fail(StorageError::io);
        return inner_.barrier();
    }
    uint64_t size_blocks() const override { return inner_.size_blocks(); }

 private:
    std::atomic<uint64_t>& left_of(Operation operation) { return left_[static_cast<size_t>(operation)]; }
    bool fails(Operation operation) {
        auto& left = left_of(operation);
        uint64_t now = left.load();
        while (now != never && now != 0 && !left.compare_exchange_weak(now, now - 1)) {
        }
        if (now == 0 && fails_once_.exchange(false)) left.store(never);
        return now == 0;
    }

    Disk& inner_;
    std::atomic<bool> fails_once_{false};
    std::atomic<uint64_t> left_[3] = {never, never, never};
};

}  // namespace lockstep::server::disk
