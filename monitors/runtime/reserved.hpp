// Memory that a monitor reserves once, when it is attached. It comes zeroed from the system, and a page that was never
// touched costs nothing, so a table for a million contexts is as cheap as it is full. Generated code; C++17.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <new>
#include <type_traits>

namespace lockstep::monitors {

// An array of `count` objects whose all-zero bytes are their initial value. Throws std::bad_alloc on construction only.
template <class T>
class Reserved {
    static_assert(std::is_trivially_destructible_v<T>, "the memory is given back without a word");

 public:
    explicit Reserved(std::size_t count) : count_(count) {
        void* memory =
            mmap(nullptr, size_bytes(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (memory == MAP_FAILED) throw std::bad_alloc();
        data_ = static_cast<T*>(memory);
    }
    ~Reserved() { munmap(data_, size_bytes()); }
    Reserved(const Reserved&) = delete;
    Reserved& operator=(const Reserved&) = delete;

    T& operator[](std::size_t index) { return data_[index]; }
    const T& operator[](std::size_t index) const { return data_[index]; }
    std::size_t size() const { return count_; }

 private:
    std::size_t size_bytes() const { return count_ == 0 ? 1 : count_ * sizeof(T); }

    T* data_ = nullptr;
    std::size_t count_;
};

}  // namespace lockstep::monitors
