// Memory that is kept for later although nobody may use it now: AddressSanitizer is told, and finds who does. Without
// it nothing happens. Base layer.
#pragma once

#include <cstddef>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#endif

namespace lockstep::server {

// Whoever reads or writes these bytes from now on makes a mistake. They may be given back to the allocator as they are.
inline void forbid_use([[maybe_unused]] const void* memory, [[maybe_unused]] size_t size_bytes) {
#ifdef __SANITIZE_ADDRESS__
    __asan_poison_memory_region(memory, size_bytes);
#endif
}

// These bytes have an owner again.
inline void allow_use([[maybe_unused]] const void* memory, [[maybe_unused]] size_t size_bytes) {
#ifdef __SANITIZE_ADDRESS__
    __asan_unpoison_memory_region(memory, size_bytes);
#endif
}

}  // namespace lockstep::server
