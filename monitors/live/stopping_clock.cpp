// A clock for LTTng-UST, for tests: the monotonic one, but a thread that reads it stops after the second reading since
// the file named by STOPPING_CLOCK was made. An event that is the first in its part of the buffer reads the clock
// twice, so a test can preempt a program where it knows the time of its event and has not yet reserved the place.
#include <lttng/ust-clock.h>
#include <signal.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <ctime>
#include <utility>

namespace {

std::uint64_t read_clock() {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    const char* file = std::getenv("STOPPING_CLOCK");
    static int readings = 0;
    if (file != nullptr && access(file, F_OK) == 0 && ++readings == 2) {
        unlink(file);
        raise(SIGSTOP);
    }
    return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(now.tv_nsec);
}

std::uint64_t frequency() {
    return 1'000'000'000;
}

// As LTTng's own.
const char* name() {
    return "monotonic";
}

const char* description() {
    return "Monotonic Clock";
}

int no_uuid(char*) {
    return -1;
}

}  // namespace

extern "C" __attribute__((visibility("default"))) void lttng_ust_clock_plugin_init() {
    // Called twice where the library that calls it is itself not yet initialised (in a sanitizer's build).
    static bool is_set = false;
    if (std::exchange(is_set, true)) return;
    if (lttng_ust_trace_clock_set_read64_cb(read_clock) != 0 || lttng_ust_trace_clock_set_freq_cb(frequency) != 0 ||
        lttng_ust_trace_clock_set_name_cb(name) != 0 || lttng_ust_trace_clock_set_description_cb(description) != 0 ||
        lttng_ust_trace_clock_set_uuid_cb(no_uuid) != 0 || lttng_ust_enable_trace_clock_override() != 0)
        std::abort();
}
