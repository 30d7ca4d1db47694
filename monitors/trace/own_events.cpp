#include "monitors/trace/own_events.hpp"

#include <dlfcn.h>

#include <filesystem>
#include <string>

#include "monitors/own_events/outside.hpp"

namespace lockstep::monitors {

// The library is never closed: LTTng-UST has threads in it.
void fire_own_events(Monitor& monitor) {
    const auto program = std::filesystem::read_symlink("/proc/self/exe");
    const auto library = program.parent_path().parent_path() / "lib" / "liblockstep_outside_events.so";
    void* const loaded = dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
    void* const found = loaded == nullptr ? nullptr : dlsym(loaded, "lockstep_fire_own_events");
    if (found == nullptr) throw MonitorError(std::string("cannot load what fires Lockstep's own events: ") + dlerror());
    reinterpret_cast<decltype(lockstep_fire_own_events)*>(found)(monitor);
}

}  // namespace lockstep::monitors
