#include "preload/lock_tracker.hpp"

#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "tracepoints/lock_api.tp"

namespace lockstep::preload {
namespace {

using Hold = LockRegistry::Hold;

LockRegistry& registry() {
    return LockRegistry::get();
}

// flock's locks do not meet the others'.
File named_for(const LockRequest& request) {
    File file = request.file;
    if (request.kind == LockKind::whole_file) {
        const std::size_t length = std::strlen(file.name.data());
        std::snprintf(file.name.data() + length, file.name.size() - length, "#flock");
    }
    return file;
}

// LOCKSTEP_HOST, else the host's name; with the PID namespace where a number alone would not do.
void write_owner(HolderEntry& holder) {
    utsname system{};
    uname(&system);
    const char* told = std::getenv("LOCKSTEP_HOST");
    char space[16] = "";
    if (holder.process.pid_namespace != registry().head().pid_namespace)
        std::snprintf(space, sizeof space, "@%u", holder.process.pid_namespace);
    char number[24] = "";
    if (holder.kind == HolderKind::description)
        std::snprintf(number, sizeof number, ".%llu", static_cast<unsigned long long>(holder.number));
    std::snprintf(holder.owner.data(), holder.owner.size(), "%.64s%s/%d%s", told == nullptr ? system.nodename : told,
                  space, holder.process.pid, number);
}

// Every descriptor of this process, and of the parents from which it has them, that refers to what `descriptor` does.
void find_references(HolderEntry& holder, int descriptor) {
    const pid_t self = this_process().pid;
    bool found = true;
    for (pid_t pid = self; found && pid > 0; pid = parent_of(pid)) {
        found = false;
        const Process process = process_of(pid);
        for_each_descriptor_of(pid, holder.file.local, [&](int other) {
            if (!is_same_description(self, descriptor, pid, other)) return;
            registry().add_reference(holder, process, other);
            found = true;
        });
    }
    registry().add_reference(holder, this_process(), descriptor);
}

// A holder with a reference to the same description, which this process got by ways that nobody saw.
HolderEntry* find_same_description(const File& file, int descriptor) {
    const Process self = this_process();
    HolderEntry* found = nullptr;
    registry().for_each_reference([&](ReferenceEntry& reference) {
        HolderEntry& holder = registry().holder_of(reference);
        if (found == nullptr && holder.file.name == file.name &&
            is_same_description(self.pid, descriptor, reference.process.pid, reference.descriptor))
            found = &holder;
    });
    if (found != nullptr) registry().add_reference(*found, self, descriptor);
    return found;
}

HolderEntry* find_holder(const LockRequest& request) {
    const File file = named_for(request);
    if (request.kind == LockKind::process) return registry().find_process(file, this_process());
    HolderEntry* known = registry().find_reference(file.name.data(), this_process(), request.descriptor);
    return known != nullptr ? known : find_same_description(file, request.descriptor);
}

// Null: no room.
HolderEntry* find_or_add_holder(const LockRequest& request) {
    if (HolderEntry* known = find_holder(request)) return known;
    const bool of_process = request.kind == LockKind::process;
    HolderEntry* holder = registry().add_holder(of_process ? HolderKind::process : HolderKind::description,
                                                named_for(request), this_process());
    if (holder == nullptr) return nullptr;
    write_owner(*holder);
    if (!of_process) find_references(*holder, request.descriptor);
    return holder;
}

// First noted, then told: a process that is killed in between leaves a note, and who finds it tells the end.
void fire_acquired(const HolderEntry& holder, const ByteRange& range, std::uint8_t mode) {
    ++registry().head().fired.acquired;
    lttng_ust_tracepoint(lock_api, acquired, holder.file.name.data(), holder.owner.data(), range.first, range.last,
                         mode);
}

// First told, then forgotten.
void fire_released(const HolderEntry& holder, const ByteRange& range) {
    ++registry().head().fired.released;
    lttng_ust_tracepoint(lock_api, released, holder.file.name.data(), holder.owner.data(), range.first, range.last);
}

void release_all(HolderEntry& holder) {
    registry().for_each_range(holder, [&](RangeEntry& range) {
        fire_released(holder, {range.first, range.last});
        range.holder = 0;
    });
}

bool has_reference(const HolderEntry& holder) {
    bool has = false;
    registry().for_each_reference([&](ReferenceEntry& reference) {
        if (has || &registry().holder_of(reference) != &holder) return;
        if (may_have_open(reference.process, reference.descriptor, holder.file.local))
            has = true;
        else
            registry().remove(reference);
    });
    return has;
}

bool may_hold(const HolderEntry& holder) {
    return holder.kind == HolderKind::process ? may_have_open(holder.process, holder.file.local)
                                              : has_reference(holder);
}

void end(HolderEntry& holder) {
    release_all(holder);
    registry().remove(holder);
}

// Who was in the way of what has been granted, and can have nothing any more.
void end_those_in_the_way(const HolderEntry& granted, const ByteRange& range, std::uint8_t mode) {
    registry().for_each_holder([&](HolderEntry& other) {
        if (&other == &granted || other.file.name != granted.file.name) return;
        bool in_the_way = false;
        registry().for_each_range(other, [&](const RangeEntry& each) {
            in_the_way |= !each.suspended && range.overlaps({each.first, each.last}) &&
                          (mode == exclusive_mode || each.mode == exclusive_mode);
        });
        if (in_the_way && !may_hold(other)) end(other);
    });
}

// From the moment that the kernel has the request others may get what the holder had in a stronger mode; flock(2) gives
// an old lock up before it asks for one of another mode.
void suspend_weakened(HolderEntry& holder, const LockRequest& request) {
    const auto weakened = [&](const RangeEntry& each) {
        return request.kind == LockKind::whole_file ? each.mode != request.mode : each.mode > request.mode;
    };
    registry().for_each_range(holder, [&](RangeEntry& each) {
        if (each.suspended || !weakened(each)) return;
        const ByteRange part{std::max(each.first, request.range.first), std::min(each.last, request.range.last)};
        if (part.first > part.last) return;
        fire_released(holder, part);
        registry().suspend(holder, each, part);
    });
}

// The call changed nothing: what was suspended was held all the time. Not so with flock(2), which gave it up.
void resume_suspended(HolderEntry& holder, const LockRequest& request) {
    registry().for_each_range(holder, [&](RangeEntry& each) {
        if (!each.suspended || !request.range.overlaps({each.first, each.last})) return;
        if (request.kind == LockKind::whole_file) {
            each.holder = 0;
            return;
        }
        each.suspended = false;
        fire_acquired(holder, {each.first, each.last}, each.mode);
    });
}

void forget_if_empty(HolderEntry& holder) {
    if (holder.kind == HolderKind::process && !registry().holds_any(holder)) registry().remove(holder);
}

// A name for a request of somebody who holds nothing yet.
template <class Fire>
void with_owner(const LockRequest& request, Fire fire) {
    if (HolderEntry* holder = find_or_add_holder(request)) {
        fire(*holder);
        forget_if_empty(*holder);
    }
}

void drop(ReferenceEntry& reference) {
    HolderEntry& holder = registry().holder_of(reference);
    registry().remove(reference);
    if (!has_reference(holder)) end(holder);
}

bool is_opened_by(const Process& process, const ReferenceEntry& reference) {
    return reference.process == process;
}

}  // namespace

void lock_requested(const LockRequest& request) {
    const Hold hold(registry());
    with_owner(request, [&](HolderEntry& holder) {
        ++registry().head().fired.requested;
        lttng_ust_tracepoint(lock_api, requested, holder.file.name.data(), holder.owner.data(), request.range.first,
                             request.range.last, request.mode);
        suspend_weakened(holder, request);
    });
}

void lock_granted(const LockRequest& request) {
    const Hold hold(registry());
    HolderEntry* holder = find_or_add_holder(request);
    if (holder == nullptr) return;
    end_those_in_the_way(*holder, request.range, request.mode);
    registry().lock(*holder, request.range, request.mode);
    fire_acquired(*holder, request.range, request.mode);
}

void lock_denied(const LockRequest& request, int error) {
    const Hold hold(registry());
    with_owner(request, [&](HolderEntry& holder) {
        resume_suspended(holder, request);
        FiredEvents& fired = registry().head().fired;
        const char* file = holder.file.name.data();
        const char* owner = holder.owner.data();
        const auto [first, last] = request.range;
        if (error == EINTR) {
            ++fired.cancelled;
            lttng_ust_tracepoint(lock_api, cancelled, file, owner, first, last, request.mode);
        } else {
            ++fired.denied;
            lttng_ust_tracepoint(lock_api, denied, file, owner, first, last, request.mode,
                                 static_cast<std::uint32_t>(error));
        }
    });
}

void unlock_requested(const LockRequest& request) {
    const Hold hold(registry());
    with_owner(request, [&](HolderEntry& holder) {
        fire_released(holder, request.range);
        registry().unlock(holder, request.range);
    });
}

void lock_tested(const LockRequest& request, const ByteRange* blocking) {
    const Hold hold(registry());
    with_owner(request, [&](HolderEntry& holder) {
        ++registry().head().fired.tested;
        const ByteRange held = blocking == nullptr ? ByteRange{0, 0} : *blocking;
        lttng_ust_tracepoint(lock_api, tested, holder.file.name.data(), holder.owner.data(), request.range.first,
                             request.range.last, request.mode, blocking == nullptr, held.first, held.last);
    });
}

void descriptor_closing(int descriptor) {
    const pid_t pid = static_cast<pid_t>(getpid());
    const bool as_holder = registry().may_know(pid, -1);
    const bool as_reference = registry().may_know(pid, descriptor);
    if (!as_holder && !as_reference) return;
    const Hold hold(registry());
    LocalFile file;
    if (!look_at(descriptor, "", file)) return;
    const Process self = this_process();
    if (as_holder)
        registry().for_each_holder([&](HolderEntry& holder) {
            if (holder.kind == HolderKind::process && holder.process == self && holder.file.local == file) end(holder);
        });
    if (as_reference)
        registry().for_each_reference([&](ReferenceEntry& reference) {
            if (is_opened_by(self, reference) && reference.descriptor == descriptor) drop(reference);
        });
}

void descriptor_duplicated(int from, int to) {
    if (!registry().may_know(static_cast<pid_t>(getpid()), from)) return;
    const Hold hold(registry());
    const Process self = this_process();
    registry().for_each_reference([&](const ReferenceEntry& reference) {
        if (is_opened_by(self, reference) && reference.descriptor == from)
            registry().add_reference(registry().holder_of(reference), self, to);
    });
}

namespace {

void copy_references(const Process& from, const Process& to) {
    registry().for_each_reference([&](const ReferenceEntry& reference) {
        HolderEntry& holder = registry().holder_of(reference);
        if (is_opened_by(from, reference) && may_have_open(to, reference.descriptor, holder.file.local))
            registry().add_reference(holder, to, reference.descriptor);
    });
}

}  // namespace

void process_forked(pid_t child) {
    const Hold hold(registry());
    copy_references(this_process(), process_of(child));
}

void process_was_forked(const Process& parent) {
    const Hold hold(registry());
    copy_references(parent, this_process());
}

void program_begins() {
    const Hold hold(registry());
    const Process self = this_process();
    // Some were closed on exec.
    registry().for_each_reference([&](ReferenceEntry& reference) {
        if (is_opened_by(self, reference) &&
            !may_have_open(self, reference.descriptor, registry().holder_of(reference).file.local))
            drop(reference);
    });
    const Process parent = process_of(parent_of(self.pid));
    registry().for_each_reference([&](const ReferenceEntry& reference) {
        if (is_opened_by(parent, reference) &&
            is_same_description(self.pid, reference.descriptor, parent.pid, reference.descriptor))
            registry().add_reference(registry().holder_of(reference), self, reference.descriptor);
    });
}

void program_ends() {
    const Hold hold(registry());
    const Process self = this_process();
    registry().for_each_holder([&](HolderEntry& holder) {
        if (holder.kind == HolderKind::process && holder.process == self) end(holder);
    });
    registry().for_each_reference([&](ReferenceEntry& reference) {
        if (is_opened_by(self, reference)) drop(reference);
    });
}

}  // namespace lockstep::preload
