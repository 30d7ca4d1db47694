#include "nfs_server/fs/file_handle.hpp"

#include <sodium.h>

#include <cstring>

namespace lockstep::server::fs {
namespace {

constexpr std::uint32_t handle_version = 1;
constexpr std::size_t mac_bytes = crypto_shorthash_siphashx24_BYTES;

struct HandleBody {
    std::uint32_t version;
    std::uint32_t export_number;
    std::uint64_t file_system_id;
    std::uint64_t inode;
    std::uint64_t generation;
};
static_assert(sizeof(HandleBody) + mac_bytes == file_handle_bytes);
static_assert(sizeof(std::array<std::uint8_t, 16>) == crypto_shorthash_siphashx24_KEYBYTES);

std::array<unsigned char, mac_bytes> mac_of(const HandleBody& body, const std::array<std::uint8_t, 16>& key) {
    std::array<unsigned char, mac_bytes> mac;
    unsigned char bytes[sizeof body];
    std::memcpy(bytes, &body, sizeof body);
    crypto_shorthash_siphashx24(mac.data(), bytes, sizeof bytes, key.data());
    return mac;
}

}  // namespace

FileHandle HandleCodec::encode(FileIdentity file, std::uint32_t export_number) const {
    const HandleBody body{handle_version, export_number, file_system_id_, file.inode, file.generation};
    const auto mac = mac_of(body, key_);
    FileHandle handle;
    std::memcpy(handle.data(), &body, sizeof body);
    std::memcpy(handle.data() + sizeof body, mac.data(), mac.size());
    return handle;
}

std::optional<FileIdentity> HandleCodec::claim_of(std::span<const std::byte> handle) {
    HandleBody body;
    if (handle.size() != file_handle_bytes) return std::nullopt;
    std::memcpy(&body, handle.data(), sizeof body);
    return FileIdentity{body.inode, body.generation};
}

Outcome<DecodedHandle> HandleCodec::decode(std::span<const std::byte> handle) const {
    HandleBody body;
    if (handle.size() != file_handle_bytes) return fail(Error(Error::bad_handle));
    std::memcpy(&body, handle.data(), sizeof body);
    if (body.version != handle_version) return fail(Error(Error::bad_handle));
    if (body.file_system_id != file_system_id_) return fail(Error(Error::stale));
    const auto mac = mac_of(body, key_);
    // In a time that tells nothing of where they differ.
    if (crypto_verify_16(mac.data(), reinterpret_cast<const unsigned char*>(handle.data() + sizeof body)) != 0)
        return fail(Error(Error::bad_handle));
    return DecodedHandle{{body.inode, body.generation}, body.export_number};
}

}  // namespace lockstep::server::fs
