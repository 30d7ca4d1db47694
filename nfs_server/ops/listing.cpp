#include "nfs_server/ops/listing.hpp"

#include <algorithm>
#include <cstring>

#include "nfs_server/ops/verifier.hpp"

namespace lockstep::server::ops {
namespace {

constexpr std::uint64_t cookie_of_dot = 1;
constexpr std::uint64_t cookie_of_dot_dot = 2;

const char* copy_name(Arena& arena, std::string_view name) {
    const auto bytes = arena.bytes(name.size() + 1);
    std::memcpy(bytes.data(), name.data(), name.size());
    bytes[name.size()] = std::byte{0};
    return reinterpret_cast<const char*>(bytes.data());
}

}  // namespace

std::uint64_t cookie_verifier(const Inode& directory) {
    return directory->generation;
}

Outcome<void> check_cookie(const Inode& directory, std::uint64_t cookie, const char (&verifier)[8]) {
    if (cookie != 0 && get_verifier(verifier) != cookie_verifier(directory)) return fail(Error(Error::bad_cookie));
    return {};
}

Outcome<Listing> list_directory(Request& request, const Inode& directory, std::uint64_t cookie,
                                const std::function<bool(std::size_t)>& take) {
    Listing listing;
    bool full = false;
    auto add = [&](std::uint64_t inode, std::string_view name, std::uint64_t entry_cookie) {
        if (full || !take(name.size())) {
            full = true;
            return false;
        }
        listing.entries.push_back({inode, copy_name(request.call.arena, name), entry_cookie});
        return true;
    };
    if (cookie < cookie_of_dot) add(directory.number(), ".", cookie_of_dot);
    if (cookie < cookie_of_dot_dot) add(request.parent_of(directory), "..", cookie_of_dot_dot);
    if (!full) {
        LOCKSTEP_TRY(listing.eof, fs::list_entries(request.op, directory, std::max(cookie, cookie_of_dot_dot),
                                                   [&](const fs::DirectoryEntry& entry) {
                                                       return add(entry.inode, entry.name, entry.key);
                                                   }));
    }
    if (listing.entries.empty() && !listing.eof) return fail(Error(Error::too_small));
    return listing;
}

}  // namespace lockstep::server::ops
