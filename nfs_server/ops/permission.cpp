#include "nfs_server/ops/permission.hpp"

#include <algorithm>

namespace lockstep::server::ops {
namespace {

constexpr std::uint16_t sticky_bit = 01000;

unsigned granted(const Credentials& caller, const fs::InodeRecord& file) {
    if (is_owner(caller, file)) return file.mode >> 6 & 7;
    if (is_member(caller, file.gid)) return file.mode >> 3 & 7;
    return file.mode & 7;
}

}  // namespace

bool is_superuser(const Credentials& caller) {
    return caller.uid == 0;
}

bool is_owner(const Credentials& caller, const fs::InodeRecord& file) {
    return caller.uid == file.uid;
}

bool is_member(const Credentials& caller, std::uint32_t gid) {
    const auto groups = caller.supplementary_gids;
    return caller.gid == gid || std::find(groups.begin(), groups.end(), gid) != groups.end();
}

bool may(const Credentials& caller, const fs::InodeRecord& file, unsigned rights) {
    if (!is_superuser(caller)) return (granted(caller, file) & rights) == rights;
    const bool somebody_may_execute = (file.mode & 0111) != 0 || file.type == fs::FileType::directory;
    return (rights & right_execute) == 0 || somebody_may_execute;
}

bool may_read_data(const Credentials& caller, const fs::InodeRecord& file) {
    return is_owner(caller, file) || may(caller, file, right_read) || may(caller, file, right_execute);
}

bool may_write_data(const Credentials& caller, const fs::InodeRecord& file) {
    return is_owner(caller, file) || may(caller, file, right_write);
}

bool may_change_entries(const Credentials& caller, const fs::InodeRecord& directory) {
    return may(caller, directory, right_write | right_execute);
}

bool sticky_allows(const Credentials& caller, const fs::InodeRecord& directory, const fs::InodeRecord& victim) {
    return (directory.mode & sticky_bit) == 0 || is_superuser(caller) || is_owner(caller, directory) ||
           is_owner(caller, victim);
}

}  // namespace lockstep::server::ops
