// What READDIR and READDIRPLUS have in common: the part of a directory that fits in one reply. Layer: ops.
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

#include "nfs_server/ops/request.hpp"

namespace lockstep::server::ops {

/// One name, copied into the call's arena (with a NUL behind it).
struct ListedEntry {
    std::uint64_t inode;
    const char* name;
    std::uint64_t cookie;
};

struct Listing {
    std::vector<ListedEntry> entries;
    bool eof = false;
};

/// The directory's cookie verifier. Cookies stay valid as long as the directory lives, so the verifier need not change.
std::uint64_t cookie_verifier(const Inode& directory);

/// Errors: bad_cookie.
Outcome<void> check_cookie(const Inode& directory, std::uint64_t cookie, const char (&verifier)[8]);

/// Bytes of a reply around its entries: attributes, verifier, end of list, eof.
constexpr std::uint64_t listing_frame_bytes = 88 + 8 + 4 + 4;

/// Bytes of a string in XDR.
constexpr std::uint64_t xdr_string_bytes(std::size_t length) {
    return 4 + (length + 3) / 4 * 4;
}

/// Entries behind `cookie`, `.` and `..` first, as long as `take(name length)` says that they fit.
/// Errors: too_small (not even one fits), io, corrupt.
Outcome<Listing> list_directory(Request& request, const Inode& directory, std::uint64_t cookie,
                                const std::function<bool(std::size_t name_bytes)>& take);

}  // namespace lockstep::server::ops
