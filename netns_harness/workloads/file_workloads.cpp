#include "netns_harness/workloads/file_workloads.hpp"

#include <algorithm>
#include <cstring>
#include <map>
#include <optional>
#include <set>

namespace lockstep::workloads {
namespace {

constexpr std::size_t block_bytes = 4096;

void expect(const char* what, std::uint32_t status) {
    if (status != status_ok) throw Refused(what, status);
}

Handle made_file(RemoteTree& tree, const Handle& directory, const std::string& name) {
    Handle file;
    expect("CREATE", tree.create(directory, name, false, file));
    return file;
}

// `size` bytes that say of each eight who they are: torn content shows wherever it is cut.
Bytes stamped(std::uint64_t stamp, std::size_t size) {
    Bytes bytes(size);
    for (std::size_t at = 0; at + sizeof stamp <= size; at += sizeof stamp)
        std::memcpy(&bytes[at], &stamp, sizeof stamp);
    return bytes;
}

// The one stamp of the bytes; nothing when they hold several.
std::optional<std::uint64_t> stamp_of(const Bytes& bytes) {
    std::uint64_t first = 0, other = 0;
    if (bytes.size() < sizeof first) return std::nullopt;
    std::memcpy(&first, bytes.data(), sizeof first);
    for (std::size_t at = 0; at + sizeof first <= bytes.size(); at += sizeof first) {
        std::memcpy(&other, &bytes[at], sizeof other);
        if (other != first) return std::nullopt;
    }
    return first;
}

class Base : public FileWorkload {
 public:
    explicit Base(Worker& worker) : worker_(worker) {}

 protected:
    void write(RemoteTree& tree, const Handle& file, std::uint64_t offset, const Bytes& bytes) {
        Verifier ignored{};
        expect("WRITE", tree.write(file, offset, bytes, true, ignored));
        ++worker_.writes;
    }

    Bytes read(RemoteTree& tree, const Handle& file, std::uint64_t offset, std::size_t count) {
        Bytes bytes;
        expect("READ", tree.read(file, offset, static_cast<std::uint32_t>(count), bytes));
        ++worker_.reads;
        return bytes;
    }

    // Unstable writes and a COMMIT, again until both have one verifier: then the bytes are on stable storage.
    void write_and_commit(RemoteTree& tree, const Handle& file, const Bytes& bytes, std::size_t piece) {
        for (;;) {
            std::set<Verifier> verifiers;
            Verifier verifier{};
            for (std::size_t at = 0; at < bytes.size(); at += piece) {
                const Bytes part(bytes.begin() + static_cast<std::ptrdiff_t>(at),
                                 bytes.begin() + static_cast<std::ptrdiff_t>(std::min(at + piece, bytes.size())));
                expect("WRITE", tree.write(file, at, part, false, verifier));
                verifiers.insert(verifier);
                ++worker_.writes;
            }
            expect("COMMIT", tree.commit(file, verifier));
            verifiers.insert(verifier);
            if (verifiers.size() == 1) return;
        }
    }

    void failed(const std::string& what) { worker_.failed(worker_.name + ": " + what); }

    Worker& worker_;
};

class AtomicWrites final : public Base {
 public:
    using Base::Base;
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

class RenameSwap final : public Base {
 public:
    using Base::Base;
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

class CreateRemoveRace final : public Base {
 public:
    using Base::Base;
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

// A worker's own directory, started anew after a call whose outcome is unknown.
class OwnDirectory : public Base {
 public:
    using Base::Base;
    void take_turn(RemoteTree& tree) override {
        if (unsure_) start_anew(tree);
        unsure_ = true;  // until the turn has ended
        take_sure_turn(tree);
        unsure_ = false;
    }

 protected:
    virtual void take_sure_turn(RemoteTree& tree) = 0;
    virtual void forget() = 0;
    Handle directory_;

 private:
    void start_anew(RemoteTree& tree) {
        const std::string name = worker_.name + "-" + std::to_string(worker_.random.next() % 1'000'000'000);
        expect("MKDIR", tree.make_directory(tree.root(), name, directory_));
        forget();
    }

    bool unsure_ = true;
};

class DirectoryChurn final : public OwnDirectory {
 public:
    using OwnDirectory::OwnDirectory;

 private:
    void forget() override { names_.clear(); }

    void take_sure_turn(RemoteTree& tree) override {
        const std::string name = "entry" + std::to_string(worker_.random.below(60));
        const bool there = names_.contains(name);
        switch (worker_.random.below(4)) {
            case 0: {
                Handle file;
                const std::uint32_t status = tree.create(directory_, name, true, file);
                judge("CREATE", name, status, there ? status_exists : status_ok);
                names_.insert(name);
                break;
            }
            case 1:
                judge("REMOVE", name, tree.remove(directory_, name), there ? status_ok : status_no_entry);
                names_.erase(name);
                break;
            case 2: {
                const std::string to = "entry" + std::to_string(worker_.random.below(60));
                judge("RENAME", name, tree.rename(directory_, name, to), there ? status_ok : status_no_entry);
                if (there && to != name) {
                    names_.erase(name);
                    names_.insert(to);
                }
                break;
            }
            default:
                compare(tree);
        }
    }

    void judge(const char* what, const std::string& name, std::uint32_t status, std::uint32_t right) {
        ++worker_.writes;
        if (status == right) return;
        if (status != status_ok && status != status_exists && status != status_no_entry) throw Refused(what, status);
        failed(std::string(what) + " of " + name + " in a directory of its own answered " + std::to_string(status) +
               ", not " + std::to_string(right));
    }

    void compare(RemoteTree& tree) {
        std::vector<std::string> found;
        expect("READDIR", tree.list(directory_, found));
        ++worker_.reads;
        const std::set<std::string> listed(found.begin(), found.end());
        if (listed.size() != found.size()) failed("READDIR lists a name twice");
        if (listed != names_)
            failed("READDIR lists " + std::to_string(listed.size()) + " names, " + std::to_string(names_.size()) +
                   " are there or they are others");
    }

    std::set<std::string> names_;
};

class CloseToOpen final : public Base {
 public:
    using Base::Base;
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

class SmallFiles final : public OwnDirectory {
 public:
    using OwnDirectory::OwnDirectory;

 private:
    void forget() override { contents_.clear(); }

    void take_sure_turn(RemoteTree& tree) override {
        const std::string name = "small" + std::to_string(worker_.random.below(40));
        const auto known = contents_.find(name);
        if (known == contents_.end()) return make(tree, name);
        Handle file;
        if (const std::uint32_t status = tree.look_up(directory_, name, file); status == status_no_entry)
            return failed("the file " + name + " is gone");
        else
            expect("LOOKUP", status);
        if (read(tree, file, 0, 2 * block_bytes) != known->second) failed(name + " does not hold what was written");
        if (!worker_.random.one_in(2)) return;
        expect("REMOVE", tree.remove(directory_, name));
        contents_.erase(known);
    }

    void make(RemoteTree& tree, const std::string& name) {
        Bytes content(1 + worker_.random.below(5000));
        for (unsigned char& byte : content) byte = static_cast<unsigned char>(worker_.random.next());
        const Handle file = made_file(tree, directory_, name);
        if (worker_.random.one_in(2))
            write(tree, file, 0, content);
        else
            write_and_commit(tree, file, content, 1000);
        contents_[name] = content;
    }

    std::map<std::string, Bytes> contents_;
};

// Records are appended to a log that all workers share. NFS has no append: who would append asks how long the log is
// and makes it longer by a record, guarded, so that of several who saw one length one is granted; it alone writes
// there. A full log is followed by the next; of the oldest ones whoever goes on removes one.
class AppendRaces final : public Base {
 public:
    using Base::Base;
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

class LargeFiles final : public OwnDirectory {
 public:
    using OwnDirectory::OwnDirectory;

 private:
    static constexpr std::size_t piece = 64 << 10, pieces = 32;

    void forget() override { file_.clear(); }

    void take_sure_turn(RemoteTree& tree) override {
        const std::uint64_t stamp = worker_.random.next();
        if (file_.empty()) file_ = made_file(tree, directory_, "large");
        const std::size_t size = piece * (1 + worker_.random.below(pieces));
        expect("SETATTR", tree.set_size(file_, 0));
        write_and_commit(tree, file_, stamped(stamp, size), piece);
        std::uint64_t found = 0;
        expect("GETATTR", tree.size_of(file_, found));
        if (found != size) failed("a file of " + std::to_string(size) + " bytes has " + std::to_string(found));
        for (std::size_t at = 0; at < size; at += piece)
            if (const Bytes part = read(tree, file_, at, piece); part.size() != piece || stamp_of(part) != stamp)
                return failed("bytes from " + std::to_string(at) + " are not those that were committed");
        const std::uint64_t kept = worker_.random.below(size);
        expect("SETATTR", tree.set_size(file_, kept));
        expect("SETATTR", tree.set_size(file_, kept + 8));
        const Bytes end = read(tree, file_, kept, 64);
        if (end != Bytes(8, 0)) failed("what was cut off is there again, or the file has not the size that was set");
    }

    Handle file_;
};

class MetadataMix final : public OwnDirectory {
 public:
    using OwnDirectory::OwnDirectory;

 private:
    void forget() override { sizes_.clear(); }

    void take_sure_turn(RemoteTree& tree) override {
        const std::string name = "meta" + std::to_string(worker_.random.below(30));
        const auto known = sizes_.find(name);
        Handle file;
        const std::uint32_t status = tree.look_up(directory_, name, file);
        ++worker_.reads;
        if (status != status_ok && status != status_no_entry) throw Refused("LOOKUP", status);
        if ((status == status_ok) != (known != sizes_.end()))
            return failed("LOOKUP of " + name + " answered " + std::to_string(status));
        if (known == sizes_.end()) {
            expect("CREATE", tree.create(directory_, name, true, file));
            sizes_[name] = 0;
            return;
        }
        std::uint64_t size = 0;
        expect("GETATTR", tree.size_of(file, size));
        if (size != known->second)
            failed(name + " has " + std::to_string(size) + " bytes, not " + std::to_string(known->second));
        if (worker_.random.one_in(4)) {
            expect("REMOVE", tree.remove(directory_, name));
            sizes_.erase(known);
        } else if (worker_.random.one_in(2)) {
            known->second = worker_.random.below(1 << 20);
            expect("SETATTR", tree.set_size(file, known->second));
        }
        ++worker_.writes;
    }

    std::map<std::string, std::uint64_t> sizes_;
};

template <class Workload>
std::unique_ptr<FileWorkload> made(Worker& worker) {
    return std::make_unique<Workload>(worker);
}

}  // namespace

const std::vector<FileWorkloadKind>& file_workload_kinds() {
    static const std::vector<FileWorkloadKind> kinds{
        {"atomic_writes", "a reader never sees half of a write of several blocks", made<AtomicWrites>},
        {"rename_swap", "a file that is replaced by rename is always there, and always whole", made<RenameSwap>},
        {"create_remove_race", "of several exclusive creates of a name one is granted", made<CreateRemoveRace>},
        {"append_races", "no record that was appended to a shared log is lost, and none is torn", made<AppendRaces>},
        {"directory_churn", "a directory holds what was put there, and lists each name once", made<DirectoryChurn>},
        {"close_to_open", "what was committed before is seen by those who open afterwards", made<CloseToOpen>},
        {"small_files", "a file holds what was written to it, across lost unstable writes", made<SmallFiles>},
        {"large_files", "so does a large one; what is cut off is gone", made<LargeFiles>},
        {"metadata_mix", "names and sizes are what they were set to", made<MetadataMix>}};
    return kinds;
}

}  // namespace lockstep::workloads
