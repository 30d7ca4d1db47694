// What workloads on files are made of. Private to them.
#pragma once

#include <cstring>
#include <optional>
#include <set>

#include "netns_harness/workloads/file_workloads.hpp"

namespace lockstep::workloads {

inline constexpr std::size_t block_bytes = 4096;

inline void expect(const char* what, std::uint32_t status) {
    if (status != status_ok) throw Refused(what, status);
}

inline Handle made_file(RemoteTree& tree, const Handle& directory, const std::string& name) {
    Handle file;
    expect("CREATE", tree.create(directory, name, false, file));
    return file;
}

// `size` bytes that say of each eight who they are: torn content shows wherever it is cut.
inline Bytes stamped(std::uint64_t stamp, std::size_t size) {
    Bytes bytes(size);
    for (std::size_t at = 0; at + sizeof stamp <= size; at += sizeof stamp)
        std::memcpy(&bytes[at], &stamp, sizeof stamp);
    return bytes;
}

// The one stamp of the bytes; nothing when they hold several.
inline std::optional<std::uint64_t> stamp_of(const Bytes& bytes) {
    std::uint64_t first = 0, other = 0;
    if (bytes.size() < sizeof first) return std::nullopt;
    std::memcpy(&first, bytes.data(), sizeof first);
    for (std::size_t at = 0; at + sizeof first <= bytes.size(); at += sizeof first) {
        std::memcpy(&other, &bytes[at], sizeof other);
        if (other != first) return std::nullopt;
    }
    return first;
}

class WorkloadBase : public FileWorkload {
 public:
    explicit WorkloadBase(Worker& worker) : worker_(worker) {}

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

// A worker's own directory, started anew after a call whose outcome is unknown.
class OwnDirectory : public WorkloadBase {
 public:
    using WorkloadBase::WorkloadBase;
    void take_turn(RemoteTree& tree) override {
        if (unsure_) start_anew(tree);
        unsure_ = true;  // until the turn has ended
        take_sure_turn(tree);
        unsure_ = false;
    }

 protected:
    virtual void take_sure_turn(RemoteTree& tree) = 0;
    virtual void forget() = 0;
    void start_anew(RemoteTree& tree) {
        const std::string name = worker_.name + "-" + std::to_string(worker_.random.next() % 1'000'000'000);
        expect("MKDIR", tree.make_directory(tree.root(), name, directory_));
        forget();
    }
    Handle directory_;

 private:
    bool unsure_ = true;
};

template <class Workload>
std::unique_ptr<FileWorkload> made(Worker& worker) {
    return std::make_unique<Workload>(worker);
}

// Those in which each worker has a directory of its own (own_directory_workloads.cpp).
std::unique_ptr<FileWorkload> make_directory_churn(Worker& worker);
std::unique_ptr<FileWorkload> make_retransmissions(Worker& worker);
std::unique_ptr<FileWorkload> make_small_files(Worker& worker);
std::unique_ptr<FileWorkload> make_large_files(Worker& worker);
std::unique_ptr<FileWorkload> make_metadata_mix(Worker& worker);
// Throws std::runtime_error when the recording can't be read or holds what can't be repeated.
std::unique_ptr<FileWorkload> make_recorded_run(Worker& worker);

}  // namespace lockstep::workloads
