// One number of bytes that all connections share. Rpc layer.
#pragma once

#include <atomic>
#include <cstddef>
#include <utility>

namespace lockstep::server::rpc {

// Counts bytes that are held on clients' behalf and refuses what would exceed the bound. Any thread.
class MemoryBudget {
 public:
    explicit MemoryBudget(size_t limit_bytes) : limit_bytes_(limit_bytes) {}

    // False: the bound would be exceeded, nothing is taken.
    bool take(size_t size_bytes) {
        const size_t before = taken_bytes_.fetch_add(size_bytes, std::memory_order_relaxed);
        if (before + size_bytes <= limit_bytes_) return true;
        give_back(size_bytes);
        return false;
    }
    void give_back(size_t size_bytes) { taken_bytes_.fetch_sub(size_bytes, std::memory_order_relaxed); }
    size_t taken_bytes() const { return taken_bytes_.load(std::memory_order_relaxed); }
    // Half of it is taken: who holds some already shall first give that back.
    bool is_scarce() const { return taken_bytes() > limit_bytes_ / 2; }

 private:
    const size_t limit_bytes_;
    std::atomic<size_t> taken_bytes_{0};
};

// A share of a budget, given back when it is destroyed. The budget must outlive it.
class MemoryShare {
 public:
    explicit MemoryShare(MemoryBudget& budget) : budget_(&budget) {}
    MemoryShare(MemoryShare&& other) noexcept
        : budget_(other.budget_), size_bytes_(std::exchange(other.size_bytes_, 0)) {}
    MemoryShare& operator=(MemoryShare&& other) noexcept {
        std::swap(budget_, other.budget_);
        std::swap(size_bytes_, other.size_bytes_);
        return *this;
    }
    ~MemoryShare() { budget_->give_back(size_bytes_); }

    // Makes the share at least that large. False: the budget is exhausted, the share stays as it was.
    bool grow_to(size_t size_bytes) {
        if (size_bytes <= size_bytes_) return true;
        if (!budget_->take(size_bytes - size_bytes_)) return false;
        size_bytes_ = size_bytes;
        return true;
    }
    // Makes the share at most that large.
    void shrink_to(size_t size_bytes) {
        if (size_bytes < size_bytes_) budget_->give_back(std::exchange(size_bytes_, size_bytes) - size_bytes);
    }
    void give_back_all() { budget_->give_back(std::exchange(size_bytes_, 0)); }
    size_t size_bytes() const { return size_bytes_; }

 private:
    MemoryBudget* budget_;
    size_t size_bytes_ = 0;
};

}  // namespace lockstep::server::rpc
