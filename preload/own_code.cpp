#include "preload/own_code.hpp"

#include <link.h>

#include <array>
#include <cstdint>
#include <cstring>

namespace lockstep::preload {
namespace {

struct Range {
    std::uintptr_t begin;
    std::uintptr_t end;
};
std::array<Range, 32> ranges;
std::size_t range_count = 0;

bool is_ours(const char* path) {
    const char* slash = std::strrchr(path, '/');
    const char* name = slash == nullptr ? path : slash + 1;
    for (const char* prefix : {"liblockstep_", "liblttng-ust", "liburcu"})
        if (std::strncmp(name, prefix, std::strlen(prefix)) == 0) return true;
    return false;
}

int note_library(dl_phdr_info* info, std::size_t, void*) {
    if (!is_ours(info->dlpi_name)) return 0;
    for (int i = 0; i < info->dlpi_phnum && range_count < ranges.size(); ++i) {
        const auto& header = info->dlpi_phdr[i];
        if (header.p_type != PT_LOAD || (header.p_flags & PF_X) == 0) continue;
        const std::uintptr_t begin = info->dlpi_addr + header.p_vaddr;
        ranges[range_count++] = {begin, begin + header.p_memsz};
    }
    return 0;
}

// Before the agent's constructor starts threads.
__attribute__((constructor(101))) void note_libraries() {
    dl_iterate_phdr(note_library, nullptr);
}

}  // namespace

bool is_own_code(const void* address) {
    const auto place = reinterpret_cast<std::uintptr_t>(address);
    for (std::size_t i = 0; i < range_count; ++i)
        if (place >= ranges[i].begin && place < ranges[i].end) return true;
    return false;
}

}  // namespace lockstep::preload
