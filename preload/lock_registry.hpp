// The holders of file locks on this machine, as far as watched processes told: a view of the shared memory, with the
// rules of POSIX for ranges. It fires nothing; lock_tracker.hpp does.
#pragma once

#include <signal.h>

#include "preload/lock_registry_format.hpp"

namespace lockstep::preload {

enum Mode : std::uint8_t { shared_mode = 3, exclusive_mode = 5 };  // the DLM's numbers

struct ByteRange {
    std::uint64_t first;
    std::uint64_t last;  // inside
    bool overlaps(const ByteRange& other) const { return first <= other.last && other.first <= last; }
};

// All members but may_know() need a Hold.
class LockRegistry {
 public:
    // The process's one: at the path in LOCKSTEP_FILE_LOCKS, else the user's in /dev/shm. Made when it is missing. When
    // it can't be had, one for this process and its forks, and a line on standard error.
    static LockRegistry& get();

    // Holds the registry against all other processes; signals wait meanwhile. Must not be nested.
    class Hold {
     public:
        explicit Hold(LockRegistry& registry);
        ~Hold();
        Hold(const Hold&) = delete;
        Hold& operator=(const Hold&) = delete;

     private:
        LockRegistry& registry_;
        sigset_t signals_;
        int error_;
    };

    // False: no entry is about the process or this descriptor of it. descriptor -1: about the process as a holder.
    // Without a Hold.
    bool may_know(pid_t pid, int descriptor) const;

    RegistryHead& head() { return memory_->head; }

    HolderEntry* find_process(const File& file, const Process& process);
    HolderEntry* find_reference(const char* name, const Process& process, int descriptor);
    // Null: no room, which is counted.
    HolderEntry* add_holder(HolderKind kind, const File& file, const Process& process);
    // With its ranges and references.
    void remove(HolderEntry& holder);

    void add_reference(HolderEntry& holder, const Process& process, int descriptor);
    void remove(ReferenceEntry& reference);

    // The range replaces what the holder had of it.
    void lock(HolderEntry& holder, const ByteRange& range, std::uint8_t mode);
    void unlock(HolderEntry& holder, const ByteRange& range);
    // This part of an entry becomes one of its own, suspended.
    void suspend(HolderEntry& holder, const RangeEntry& entry, const ByteRange& part);
    bool holds_any(const HolderEntry& holder);

    // Calls visit with each entry; visit may remove any.
    template <class Visit>
    void for_each_holder(Visit visit) {
        for (std::uint32_t i = 0; i < memory_->holders_end; ++i)
            if (memory_->holders[i].kind != HolderKind::unused) visit(memory_->holders[i]);
    }
    template <class Visit>
    void for_each_range(const HolderEntry& holder, Visit visit) {
        for (std::uint32_t i = 0; i < memory_->ranges_end; ++i)
            if (memory_->ranges[i].holder == index_of(holder)) visit(memory_->ranges[i]);
    }
    template <class Visit>
    void for_each_reference(Visit visit) {
        for (std::uint32_t i = 0; i < memory_->references_end; ++i)
            if (memory_->references[i].holder != 0) visit(memory_->references[i]);
    }
    HolderEntry& holder_of(const ReferenceEntry& reference) { return memory_->holders[reference.holder - 1]; }

 private:
    LockRegistry();
    std::uint32_t index_of(const HolderEntry& holder) const {
        return static_cast<std::uint32_t>(&holder - memory_->holders.data()) + 1;
    }
    std::atomic<std::uint32_t>& about(pid_t pid, int descriptor) const;
    RangeEntry* add_range(const HolderEntry& holder, const ByteRange& range, std::uint8_t mode);

    RegistryMemory* memory_ = nullptr;
};

}  // namespace lockstep::preload
