#include "nfs_server/rpc/output_queue.hpp"

#include <arpa/inet.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

namespace lockstep::server::rpc {
namespace {

constexpr size_t max_pieces = 64;
constexpr uint32_t last_fragment = 0x80000000;
// What is no more than this is copied together: one piece costs the system less than several.
constexpr size_t copied_bytes = 1024;

// Writes what the socket takes of the pieces, as sendmsg does.
ssize_t send_pieces(int socket, std::span<iovec> pieces) {
    constexpr int flags = MSG_NOSIGNAL | MSG_DONTWAIT;
    std::array<std::byte, copied_bytes> whole;
    size_t size_bytes = 0;
    for (const iovec& piece : pieces) {
        if (piece.iov_len > whole.size() - size_bytes) {
            msghdr message{};
            message.msg_iov = pieces.data();
            message.msg_iovlen = pieces.size();
            return sendmsg(socket, &message, flags);
        }
        std::memcpy(whole.data() + size_bytes, piece.iov_base, piece.iov_len);
        size_bytes += piece.iov_len;
    }
    return ::send(socket, whole.data(), size_bytes, flags);
}

}  // namespace

OutputQueue::State OutputQueue::send(std::unique_ptr<Call> call, uint32_t size_bytes) {
    std::unique_lock hold(mutex_);
    if (broken_) return State::broken;
    const size_t whole_bytes = size_bytes + sizeof(uint32_t);
    replies_.push_back({std::move(call), htonl(last_fragment | size_bytes), whole_bytes});
    queued_bytes_ += whole_bytes;
    return write(hold);
}

OutputQueue::State OutputQueue::writable() {
    std::unique_lock hold(mutex_);
    writable_again_ = true;
    return write(hold);
}

// Writes until the queue is empty or the socket is full. The mutex is free while the system call runs.
OutputQueue::State OutputQueue::write(std::unique_lock<std::mutex>& hold) {
    if (broken_) return State::broken;
    if (writing_) return State::queued;
    writing_ = true;
    while (!replies_.empty() && !broken_) {
        std::array<iovec, max_pieces> pieces;
        const size_t count = gather(pieces);
        writable_again_ = false;
        hold.unlock();
        const ssize_t sent = send_pieces(socket_, std::span(pieces).first(count));
        const int error = errno;
        hold.lock();
        if (sent >= 0) {
            drop_sent(static_cast<size_t>(sent));
        } else if (error == EAGAIN || error == EWOULDBLOCK) {
            if (!share_.grow_to(queued_bytes_)) broken_ = true;
            if (!writable_again_) break;
        } else if (error != EINTR) {
            broken_ = true;
        }
    }
    writing_ = false;
    if (broken_) {
        replies_.clear();
        queued_bytes_ = 0;
    }
    if (!replies_.empty()) return State::queued;
    share_.give_back_all();
    return broken_ ? State::broken : State::empty;
}

size_t OutputQueue::gather(std::span<iovec> pieces) {
    size_t count = 0;
    for (Reply& reply : replies_) {
        size_t skip = reply.sent_bytes;
        const auto add = [&](iovec piece) {
            const size_t skipped = std::min(skip, piece.iov_len);
            skip -= skipped;
            if (skipped == piece.iov_len || count == pieces.size()) return;
            pieces[count++] = {static_cast<std::byte*>(piece.iov_base) + skipped, piece.iov_len - skipped};
        };
        add({&reply.mark, sizeof reply.mark});
        for (const iovec& piece : reply.call->pieces) add(piece);
        if (count == pieces.size()) break;
    }
    return count;
}

void OutputQueue::drop_sent(size_t size_bytes) {
    written_bytes_ += size_bytes;
    queued_bytes_ -= size_bytes;
    while (size_bytes > 0) {
        Reply& front = replies_.front();
        const size_t dropped = std::min(size_bytes, front.left_bytes);
        front.left_bytes -= dropped;
        front.sent_bytes += dropped;
        size_bytes -= dropped;
        if (front.left_bytes != 0) return;
        done_.put(std::move(front.call));
        replies_.pop_front();
    }
}

}  // namespace lockstep::server::rpc
