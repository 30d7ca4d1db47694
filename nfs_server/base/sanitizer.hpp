// Memory that is kept for later although nobody may use it now: AddressSanitizer is told, and finds who does. Without
// it nothing happens. LOCKSTEP_ADDRESS_SANITIZER is defined where it looks on. Base layer.
#pragma once

#include <cstddef>

// g++ says it by a macro, clang by a feature.
#ifdef __SANITIZE_ADDRESS__
#define LOCKSTEP_ADDRESS_SANITIZER
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define LOCKSTEP_ADDRESS_SANITIZER
#endif
#endif

#ifdef LOCKSTEP_ADDRESS_SANITIZER
#include <sanitizer/asan_interface.h>
#endif

namespace lockstep::server {

// Whoever reads or writes these bytes from now on makes a mistake. They may be given back to the allocator as they are.
inline void forbid_use([[maybe_unused]] const void* memory, [[maybe_unused]] size_t size_bytes) {
#ifdef LOCKSTEP_ADDRESS_SANITIZER
    __asan_poison_memory_region(memory, size_bytes);
#endif
}

// These bytes have an owner again.
inline void allow_use([[maybe_unused]] const void* memory, [[maybe_unused]] size_t size_bytes) {
#ifdef LOCKSTEP_ADDRESS_SANITIZER
    __asan_unpoison_memory_region(memory, size_bytes);
#endif
}

}  // namespace lockstep::server
