#include "nfs_server/fs/service_file.hpp"

#include <span>

#include "nfs_server/fs/file_data.hpp"

namespace lockstep::server::fs {

Outcome<std::string> read_service_file(FileSystem& file_system) {
    auto finished = file_system.run(0, [](Operation& op) -> Outcome<std::string> {
        LOCKSTEP_TRY(const Inode* inode, op.lock_any(service_inode, txn::LockMode::shared));
        std::string text((*inode)->size, '\0');
        LOCKSTEP_TRY(read_bytes(op, *inode, 0, std::as_writable_bytes(std::span(text))));
        return text;
    });
    return std::move(finished.result);
}

Outcome<void> write_service_file(FileSystem& file_system, const std::string& text) {
    auto finished = file_system.run(0, [&](Operation& op) -> Outcome<void> {
        LOCKSTEP_TRY(Inode * inode, op.lock_service_file());
        LOCKSTEP_TRY(write_bytes(op, *inode, 0, std::as_bytes(std::span(text))));
        return set_size(op, *inode, text.size());
    });
    if (!finished.result) return finished.result;
    return file_system.wait_durable(finished.sequence, 0);
}

}  // namespace lockstep::server::fs
