// A disk that remembers every write and barrier in order, and from that the states that a crash may have left.
//
// What a crash after n events may leave: all writes before the beginning of the last barrier that had ended; and of the
// writes since then, each by itself, nothing, all, or any of its 512-byte sectors.
#pragma once

#include <functional>
#include <mutex>
#include <random>
#include <vector>

#include "nfs_server/disk/disk.hpp"
#include "nfs_server/disk/image_disk.hpp"

namespace lockstep::server::disk {

/// One thing that happened to the disk. A write of several blocks is several events: the device may reorder them.
struct DiskEvent {
    enum class Kind : uint8_t { write, barrier_began, barrier_ended };
    Kind kind = Kind::write;
    uint64_t block = 0;        ///< of a write
    BlockBuffer content;       ///< of a write
    size_t barrier_began = 0;  ///< of barrier_ended: the event that began it
};

/// Starts from an image; keeps every write for ever, so for small tests. Any thread may call any member.
class RecordingDisk final : public Disk {
 public:
    explicit RecordingDisk(const ImageDisk& initial) : initial_(initial), now_(initial) {}
    /// Goes on after the first `events` events of another recording: the process was killed then, the disk was not, so
    /// that all is there, but what no barrier followed may still be lost.
    RecordingDisk(const RecordingDisk& other, size_t events);

    Result<void, StorageError> read(uint64_t first_block, std::span<std::byte* const> blocks) override;
    Result<void, StorageError> write(uint64_t first_block, std::span<const std::byte* const> blocks) override;
    Result<void, StorageError> barrier() override;
    uint64_t size_blocks() const override { return now_.size_blocks(); }

    /// Events so far: the moment that a test notes when something was promised.
    size_t events_count() const;
    const ImageDisk& initial() const { return initial_; }
    /// What happened. Call when nobody uses the disk any more.
    const std::vector<DiskEvent>& events() const { return events_; }

 private:
    const ImageDisk initial_;
    mutable std::mutex mutex_;
    ImageDisk now_;
    std::vector<DiskEvent> events_;
};

/// How many states CrashStates visits at one point.
struct CrashBounds {
    size_t exhaustive_writes = 4;  ///< up to so many undecided writes: every subset of them
    size_t sampled_subsets = 16;   ///< else: none, all, all but the last, and so many drawn ones
    size_t sampled_torn = 8;       ///< and so many in which writes are torn by sectors
};

/// The crash states of a recording, which must outlive this and have ended.
class CrashStates {
 public:
    explicit CrashStates(const RecordingDisk& recording) : initial_(recording.initial()), events_(recording.events()) {}

    /// Crash points are numbered 0 to events: after that many events.
    size_t last_point() const { return events_.size(); }

    /// Builds states of a crash at `point` and calls `visit` with each. The same seed gives the same states.
    void visit(size_t point, const CrashBounds& bounds, uint64_t seed,
               const std::function<void(ImageDisk&)>& visit) const;

 private:
    // For each undecided write, which of its sectors are on the disk.
    using Choice = std::vector<uint8_t>;

    size_t durable_events(size_t point) const;
    static std::vector<Choice> choices(size_t writes, const CrashBounds& bounds, uint64_t seed);

    const ImageDisk& initial_;
    const std::vector<DiskEvent>& events_;
};

}  // namespace lockstep::server::disk
