// Workloads whose workers share what they work on.
#include <algorithm>
#include <map>

#include "netns_harness/workloads/workload_parts.hpp"

namespace lockstep::workloads {
namespace {

class AtomicWrites final : public WorkloadBase {
 public:
    using WorkloadBase::WorkloadBase;
    void take_turn(RemoteTree& tree) override {
        const std::string name = "record" + std::to_string(worker_.random.below(4));
        const Handle file = made_file(tree, tree.root(), name);
        constexpr std::size_t size = 8 * block_bytes, offset = 512;  // across block boundaries
        if (worker_.random.one_in(2)) return write(tree, file, offset, stamped(worker_.random.next(), size));
        const Bytes found = read(tree, file, offset, size);
        if (found.empty()) return;  // nobody has written yet
        if (found.size() != size || !stamp_of(found)) failed("READ of " + name + " saw a part of a write");
    }
};

class RenameSwap final : public WorkloadBase {
 public:
    using WorkloadBase::WorkloadBase;
    void take_turn(RemoteTree& tree) override {
        const std::string name = "current" + std::to_string(worker_.random.below(2));
        if (worker_.random.one_in(3)) return replace(tree, name);
        Handle file;
        const std::uint32_t status = tree.look_up(tree.root(), name, file);
        if (status == status_no_entry && seen_.contains(name))
            return failed(name + " was there and is gone, although it is only ever replaced");
        if (status == status_no_entry) return;
        expect("LOOKUP", status);
        seen_.insert(name);
        Bytes found;
        const std::uint32_t got = tree.read(file, 0, size, found);
        if (got == status_stale) return;  // it was replaced meanwhile
        expect("READ", got);
        ++worker_.reads;
        if (found.size() != size || !stamp_of(found)) failed(name + " is not whole");
    }

 private:
    static constexpr std::uint32_t size = 3 * block_bytes;

    void replace(RemoteTree& tree, const std::string& name) {
        const std::string fresh = "new-" + worker_.name;
        const Handle file = made_file(tree, tree.root(), fresh);
        write(tree, file, 0, stamped(worker_.random.next(), size));
        expect("RENAME", tree.rename(tree.root(), fresh, name));
        seen_.insert(name);
    }

    std::set<std::string> seen_;
};

class CreateRemoveRace final : public WorkloadBase {
 public:
    using WorkloadBase::WorkloadBase;
    // Whoever creates the name owns it, and nobody else touches it until it is removed.
    void take_turn(RemoteTree& tree) override {
        const std::string name = "prize" + std::to_string(worker_.random.below(8));
        Handle file;
        const std::uint32_t status = tree.create(tree.root(), name, true, file);
        if (status == status_exists) return;
        expect("CREATE", status);
        const Bytes mark = stamped(worker_.random.next(), 64);
        write(tree, file, 0, mark);
        Handle same;
        if (const std::uint32_t found = tree.look_up(tree.root(), name, same); found == status_no_entry)
            return failed(name + " was created here, and somebody else's REMOVE of it was granted");
        else
            expect("LOOKUP", found);
        if (same != file || read(tree, same, 0, mark.size()) != mark)
            return failed("the exclusive CREATE of " + name + " was granted to another as well");
        const std::uint32_t removed = tree.remove(tree.root(), name);
        if (removed == status_no_entry)
            return failed(name + " could not be removed by the one who created it: it is gone");
        expect("REMOVE", removed);
    }
};

class CloseToOpen final : public WorkloadBase {
 public:
    using WorkloadBase::WorkloadBase;
    // What was written and committed before the number was told is what those see who read the number first.
    void take_turn(RemoteTree& tree) override {
        if (worker_.random.one_in(3)) return publish(tree);
        std::vector<std::string> names;
        expect("READDIR", tree.list(tree.root(), names));
        std::erase_if(names, [](const std::string& name) { return !name.starts_with("number-"); });
        if (names.empty()) return;
        const std::string owner = names[worker_.random.below(names.size())].substr(7);
        Handle number, content;
        expect("LOOKUP", tree.look_up(tree.root(), "number-" + owner, number));
        const auto told = stamp_of(read(tree, number, 0, 8));
        if (!told) return;
        expect("LOOKUP", tree.look_up(tree.root(), "content-" + owner, content));
        const auto found = stamp_of(read(tree, content, 0, size));
        if (!found || *found < *told)
            failed("content of " + owner + " is older than the number " + std::to_string(*told) +
                   " that was told of it");
    }

 private:
    static constexpr std::size_t size = 2 * block_bytes;

    void publish(RemoteTree& tree) {
        ++version_;
        const Handle content = made_file(tree, tree.root(), "content-" + worker_.name);
        write_and_commit(tree, content, stamped(version_, size), size);
        const Handle number = made_file(tree, tree.root(), "number-" + worker_.name);
        write(tree, number, 0, stamped(version_, 8));
    }

    std::uint64_t version_ = worker_.random.next() % 1'000'000 * 1'000'000;
};

// Records are appended to a log that all workers share. NFS has no append: who would append asks how long the log is
// and makes it longer by a record, guarded, so that of several who saw one length one is granted; it alone writes
// there. A full log is followed by the next; of the oldest ones whoever goes on removes one.
class AppendRaces final : public WorkloadBase {
 public:
    using WorkloadBase::WorkloadBase;
    void take_turn(RemoteTree& tree) override {
        if (log_.empty()) open_newest(tree);
        if (!own_.empty() && worker_.random.one_in(4)) return look_at_one(tree);
        append(tree);
    }

 private:
    static constexpr std::size_t record = block_bytes + 1024, log_size = 64 * record;
    static constexpr std::uint64_t logs_kept = 8;

    static std::string name_of(std::uint64_t number) { return "log" + std::to_string(number); }

    void append(RemoteTree& tree) {
        FileState seen;
        if (!is_there(tree, "GETATTR", tree.state_of(log_, seen))) return;
        if (seen.size % record != 0)
            failed(name_of(number_) + " has " + std::to_string(seen.size) + " bytes: that is a part of a record");
        if (seen.size >= log_size) return go_on(tree);
        const std::uint32_t status = tree.set_size_if_unchanged(log_, seen, seen.size + record);
        if (status == status_not_sync) return;  // another was faster
        if (!is_there(tree, "SETATTR", status)) return;
        const std::uint64_t stamp = worker_.random.next() | 1;
        Verifier ignored{};
        if (!is_there(tree, "WRITE", tree.write(log_, seen.size, stamped(stamp, record), true, ignored))) return;
        ++worker_.writes;
        own_[seen.size] = stamp;
    }

    // An own one, and whatever lies in a place of the log: nothing yet, or one whole record.
    void look_at_one(RemoteTree& tree) {
        const auto chosen = std::next(own_.begin(), static_cast<std::ptrdiff_t>(worker_.random.below(own_.size())));
        if (!check(tree, chosen->first, chosen->second)) return;
        const std::uint64_t place = worker_.random.below(log_size / record) * record;
        Bytes found;
        if (!is_there(tree, "READ", tree.read(log_, place, record, found))) return;
        ++worker_.reads;
        if (!found.empty() && (found.size() != record || !stamp_of(found)))
            failed("the record at " + std::to_string(place) + " of " + name_of(number_) + " is torn");
    }

    // Returns whether the log is there.
    bool check(RemoteTree& tree, std::uint64_t place, std::uint64_t stamp) {
        Bytes found;
        if (!is_there(tree, "READ", tree.read(log_, place, record, found))) return false;
        ++worker_.reads;
        if (found != stamped(stamp, record))
            failed("the record that was appended to " + name_of(number_) + " at " + std::to_string(place) +
                   " is lost: something else is there");
        return true;
    }

    void go_on(RemoteTree& tree) {
        for (const auto& [place, stamp] : own_)
            if (!check(tree, place, stamp)) return;
        open(tree, number_ + 1);
        if (number_ < logs_kept) return;
        const std::uint32_t status = tree.remove(tree.root(), name_of(number_ - logs_kept));
        if (status != status_no_entry) expect("REMOVE", status);
    }

    // A log that is gone must be one of the oldest.
    bool is_there(RemoteTree& tree, const char* what, std::uint32_t status) {
        if (status != status_stale) {
            expect(what, status);
            return true;
        }
        const std::uint64_t gone = number_;
        open_newest(tree);
        if (number_ < gone + logs_kept) failed(name_of(gone) + " is gone, and nobody was to remove it");
        return false;
    }

    void open_newest(RemoteTree& tree) {
        std::vector<std::string> names;
        expect("READDIR", tree.list(tree.root(), names));
        std::uint64_t newest = 0;
        for (const std::string& name : names)
            if (name.starts_with("log")) newest = std::max<std::uint64_t>(newest, std::stoull(name.substr(3)));
        open(tree, newest);
    }

    void open(RemoteTree& tree, std::uint64_t number) {
        log_ = made_file(tree, tree.root(), name_of(number));
        number_ = number;
        own_.clear();
    }

    Handle log_;
    std::uint64_t number_ = 0;
    std::map<std::uint64_t, std::uint64_t> own_;  // where this worker's records are, and their stamps
};

}  // namespace

const std::vector<FileWorkloadKind>& file_workload_kinds() {
    static const std::vector<FileWorkloadKind> kinds{
        {"atomic_writes", "a reader never sees half of a write of several blocks", made<AtomicWrites>},
        {"rename_swap", "a file that is replaced by rename is always there, and always whole", made<RenameSwap>},
        {"create_remove_race", "of several exclusive creates of a name one is granted", made<CreateRemoveRace>},
        {"append_races", "no record that was appended to a shared log is lost, and none is torn", made<AppendRaces>},
        {"directory_churn", "a directory holds what was put there, and lists each name once", make_directory_churn},
        {"retransmissions", "a call that is sent again gets the reply of the first", make_retransmissions},
        {"close_to_open", "what was committed before is seen by those who open afterwards", made<CloseToOpen>},
        {"small_files", "a file holds what was written to it, across lost unstable writes", make_small_files},
        {"large_files", "so does a large one; what is cut off is gone", make_large_files},
        {"metadata_mix", "names and sizes are what they were set to", make_metadata_mix},
        {"recorded_run", "the calls of a run that was recorded are answered as they were then", make_recorded_run}};
    return kinds;
}

}  // namespace lockstep::workloads
