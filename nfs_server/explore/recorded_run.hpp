// A workload that was run on a recording disk, beside the model: what a crash at any moment may and must leave.
// Layer: explore.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "nfs_server/disk/recording_disk.hpp"
#include "nfs_server/explore/stack.hpp"
#include "nfs_server/explore/step.hpp"
#include "nfs_server/explore/tree.hpp"

namespace lockstep::server::explore {

/// After a crash the tree must be one of trees[first] to trees[last] of a run.
struct Allowed {
    std::size_t first = 0;
    std::size_t last = 0;
};

class RecordedRun {
 public:
    /// Runs the steps on the base tree, with the present faults. A step whose path does not exist is left out.
    explicit RecordedRun(const Steps& steps) : RecordedRun(base(), steps) {}

    /// Makes what all runs start from, once: call it while no fault is on.
    static void prepare() { (void)base(); }

    /// What the server answered otherwise than the model, or held otherwise at the end.
    const std::optional<std::string>& disagreement() const { return disagreement_; }
    const disk::RecordingDisk& disk() const { return *disk_; }
    /// The model's tree after each operation.
    const std::vector<Tree>& trees() const { return trees_; }
    /// How many blocks went straight home.
    std::uint64_t placed_blocks() const { return placed_blocks_; }
    /// What a crash after `events` events of the disk may leave: at least every operation that was acknowledged as
    /// stable by then, at most those that had begun.
    Allowed allowed_at(std::size_t events) const;

 private:
    // A disk, and what is on it.
    struct Start {
        disk::ImageDisk image;
        model::ReferenceModel model{};
        std::vector<Handle> handles{};  // of the model's nodes; empty: the root's is asked for
        std::vector<std::uint32_t> executed{};
        std::uint32_t next_xid = 1;
    };
    // From this many events on, this is allowed.
    struct Moment {
        std::size_t events;
        Allowed allowed;
    };
    // The server's answer: its status, the handle of what a procedure made or found, and whether it promised that all
    // is on stable storage.
    struct Answer {
        wire::nfsstat3 status = wire::NFS3_OK;
        Handle handle{};
        bool promises_stable = true;
    };
    // A name in a directory that exists.
    struct Place {
        model::ReferenceModel::Node directory;
        std::string name;
    };

    RecordedRun(const Start& start, const Steps& steps);
    static Start make_base();
    static const Start& base();
    Start end() const;

    void open();
    void note(Allowed allowed) { moments_.push_back({disk_->events_count(), allowed}); }
    bool run_step(const Step& step);
    bool run_call(const Step& step);
    void restart();
    std::optional<Answer> call_server(const Step& step);
    model::ReferenceModel::Reply call_model(const Step& step);
    std::optional<model::ReferenceModel::Node> find(const std::string& path) const;
    std::optional<Place> place_of(const std::string& path) const;
    const Handle& handle(model::ReferenceModel::Node node) const { return handles_[static_cast<std::size_t>(node)]; }
    bool disagree(std::string what);
    std::string data_of(const Step& step) const;

    ManualClock clock_;
    std::unique_ptr<disk::RecordingDisk> disk_;
    std::unique_ptr<Stack> stack_;
    std::vector<model::ReferenceModel> models_;  // after each operation, as trees_
    std::vector<Handle> handles_;                // by the last model's nodes
    std::vector<Tree> trees_;
    std::size_t promised_ = 0;  // index into trees_
    std::uint32_t next_xid_ = 1;
    std::uint64_t placed_blocks_ = 0;
    std::vector<Moment> moments_;
    std::optional<std::string> disagreement_;
};

}  // namespace lockstep::server::explore
