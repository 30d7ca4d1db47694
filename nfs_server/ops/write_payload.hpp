// The data of a large WRITE, received straight into blocks as they will lie in the file. Source: RFC 1813
// section 3.3.7. Layer: ops.
#pragma once

#include <vector>

#include "nfs_server/fs/file_data.hpp"
#include "nfs_server/rpc/payload.hpp"

namespace lockstep::server::ops {

class WritePayload final : public rpc::Payload {
 public:
    /// Data for `offset` of a file. WRITEs of one file are a lane: each of them locks it.
    WritePayload(std::uint64_t offset, std::size_t size_bytes, std::uint64_t lane)
        : Payload(size_bytes, lane), within_(static_cast<std::size_t>(offset % block_size_bytes)) {}

    std::size_t room_bytes() const override;
    void make_room(std::size_t size_bytes) override;
    std::size_t pieces(std::size_t from, std::span<iovec> to) const override;

    /// The file's blocks that the data lies in; what is not data is undefined.
    std::span<const BlockBuffer> blocks() const { return blocks_; }

 private:
    std::size_t within_;  // the first block, where the data begins
    std::vector<BlockBuffer> blocks_;
    std::vector<std::byte*> memory_;  // of the blocks, which nobody else holds while they are filled
};

/// Finds the data in the beginning of WRITE's arguments.
rpc::PayloadSearch find_write_payload(std::span<const std::byte> beginning, std::size_t arguments_bytes);

}  // namespace lockstep::server::ops
