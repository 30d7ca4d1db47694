#include "netns_harness/shim_control.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <vector>

namespace lockstep::harness {

void Shim::Unmap::operator()(void* memory) const {
    munmap(memory, size);
}

void* Shim::map_new_file(const std::string& path, std::size_t size) {
    const Fd file(require(open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600), "cannot make " + path));
    require(ftruncate(file.get(), static_cast<off_t>(size)), "cannot make " + path);
    void* memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
    if (memory == MAP_FAILED) throw_errno("cannot map " + path);
    return memory;
}

Shim::Shim(ShimOptions options)
    : options_(std::move(options)),
      control_(static_cast<shim::Control*>(map_new_file(options_.stem + ".shim", sizeof(shim::Control))),
               Unmap{sizeof(shim::Control)}),
      undo_(options_.power_cuts ? static_cast<char*>(map_new_file(options_.stem + ".undo", shim::undo_file_bytes))
                                : nullptr,
            Unmap{shim::undo_file_bytes}) {}

void Shim::add_to(Environment& environment) const {
    std::string& preloaded = environment["LD_PRELOAD"];
    if (preloaded.empty())
        if (const char* ours = std::getenv("LD_PRELOAD")) preloaded = ours;
    preloaded = options_.library.string() + (preloaded.empty() ? "" : ":" + preloaded);
    environment[shim::control_variable] = options_.stem + ".shim";
    if (!options_.disk.empty()) environment[shim::disk_variable] = options_.disk;
    if (undo_) environment[shim::undo_variable] = options_.stem + ".undo";
}

// Newest first, so that a sector that was written several times may end up as it was before any of the writes.
std::uint64_t Shim::cut_power(workloads::Random& random) {
    const Fd disk(require(open(options_.disk.c_str(), O_WRONLY | O_CLOEXEC), "cannot open " + options_.disk));
    std::vector<std::uint64_t> entries;
    const std::uint64_t used = control_->used.load();
    for (std::uint64_t place = control_->flushed.load(); place < used;) {
        shim::UndoEntry head{};
        std::memcpy(&head, undo_.get() + place, sizeof head);
        entries.push_back(place);
        place += sizeof head + head.size;
    }
    std::uint64_t lost = 0;
    for (auto place = entries.rbegin(); place != entries.rend(); ++place) {
        shim::UndoEntry head{};
        std::memcpy(&head, undo_.get() + *place, sizeof head);
        const char* former = undo_.get() + *place + sizeof head;
        for (std::uint64_t at = 0; at < head.size; at += shim::sector_bytes) {
            if (random.one_in(2)) continue;
            const std::uint64_t size = std::min(shim::sector_bytes, head.size - at);
            if (pwrite(disk.get(), former + at, size, static_cast<off_t>(head.offset + at)) !=
                static_cast<ssize_t>(size))
                throw_errno("cannot write to " + options_.disk);
            ++lost;
        }
    }
    control_->used.store(0);
    control_->flushed.store(0);
    control_->power_off.store(0);
    return lost;
}

}  // namespace lockstep::harness
