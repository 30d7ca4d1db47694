// Workloads whose workers each have a directory of their own, of which they know what must be in it.
#include <algorithm>
#include <atomic>
#include <map>

#include "netns_harness/workloads/workload_parts.hpp"

namespace lockstep::workloads {
namespace {

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

// Calls that change names are sent again, now and then after the server was away in between, as clients do whose
// replies were lost: the answer must be the first one's, though what was asked for cannot be done twice.
class Retransmissions final : public OwnDirectory {
 public:
    using OwnDirectory::OwnDirectory;
    void take_turn(RemoteTree& tree) override {
        if (last_ && changes_ - last_->place > surely_kept) last_.reset();
        if (last_ && worker_.random.one_in(2)) return send_again(tree);
        OwnDirectory::take_turn(tree);
    }

 private:
    struct Sent {
        unsigned what;
        std::string name;
        std::string to;
        Handle directory;
        std::uint32_t number = 0;
        std::uint32_t status = 0;
        Handle made = {};
        std::uint64_t place = 0;  // among the host's changes
    };

    // So many of a client's last replies a server is taken to keep.
    static constexpr std::uint64_t surely_kept = 128;

    void forget() override {}

    void take_sure_turn(RemoteTree& tree) override {
        const auto name = [this] { return "name" + std::to_string(worker_.random.below(20)); };
        Sent sent{static_cast<unsigned>(worker_.random.below(3)), name(), name(), directory_};
        last_.reset();
        sent.status = send(tree, sent, sent.made);
        sent.number = tree.last_number();
        sent.place = ++changes_;
        if (sent.status != status_ok && sent.status != status_exists && sent.status != status_no_entry)
            throw Refused("a call", sent.status);
        ++worker_.writes;
        // What changed nothing is not kept: it may be done when it comes again.
        if (sent.status == status_ok && sent.name != sent.to) last_ = sent;
    }

    static std::uint32_t send(RemoteTree& tree, const Sent& call, Handle& made) {
        if (call.what == 0) return tree.create(call.directory, call.name, true, made);
        if (call.what == 1) return tree.remove(call.directory, call.name);
        return tree.rename(call.directory, call.name, call.to);
    }

    void send_again(RemoteTree& tree) {
        static constexpr const char* names[] = {"CREATE", "REMOVE", "RENAME"};
        Handle made;
        tree.number_next_call(last_->number);
        const std::uint32_t status = send(tree, *last_, made);
        ++worker_.reads;
        if (status == last_->status && made == last_->made) return;
        failed(std::string(names[last_->what]) + " of " + last_->name + ", sent again, was answered " +
               std::to_string(status) + " after " + std::to_string(last_->status));
        last_.reset();
    }

    static inline std::atomic<std::uint64_t> changes_{0};  // of all workers: to the server they are one client
    std::optional<Sent> last_;
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

}  // namespace

std::unique_ptr<FileWorkload> make_directory_churn(Worker& worker) {
    return made<DirectoryChurn>(worker);
}

std::unique_ptr<FileWorkload> make_retransmissions(Worker& worker) {
    return made<Retransmissions>(worker);
}

std::unique_ptr<FileWorkload> make_small_files(Worker& worker) {
    return made<SmallFiles>(worker);
}

std::unique_ptr<FileWorkload> make_large_files(Worker& worker) {
    return made<LargeFiles>(worker);
}

std::unique_ptr<FileWorkload> make_metadata_mix(Worker& worker) {
    return made<MetadataMix>(worker);
}

}  // namespace lockstep::workloads
