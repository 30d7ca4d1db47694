#include "monitors/agent/probes.hpp"

#include <dlfcn.h>
#include <fmt/format.h>
#include <unistd.h>

// Without the macros of its former interface, which take the word "tracepoint".
#define LTTNG_UST_COMPAT_API_VERSION 1
#include <lttng/tracepoint.h>

#include <atomic>
#include <cerrno>
#include <cstring>

#include "monitors/runtime/instance.hpp"

namespace lockstep::monitors {
namespace {

// The tracepoint as its provider exports it; null when it is not loaded, or loaded out of sight (RTLD_LOCAL).
const lttng_ust_tracepoint* find_tracepoint(const BindingDescriptor& binding) {
    const std::string symbol = fmt::format("lttng_ust_tracepoint_{}___{}", binding.provider, binding.tracepoint);
    return static_cast<const lttng_ust_tracepoint*>(dlsym(RTLD_DEFAULT, symbol.c_str()));
}

std::atomic<bool> gates_are_closed{false};

// Takes any tracepoint's arguments, for it looks at none.
void gate() {
    while (gates_are_closed.load(std::memory_order_acquire)) ::pause();
}

void check_signatures(const Monitor& monitor) {
    for (const BindingDescriptor& binding : monitor.bindings()) {
        const lttng_ust_tracepoint* tracepoint = find_tracepoint(binding);
        if (tracepoint != nullptr && std::strcmp(tracepoint->signature, binding.signature) != 0)
            throw MonitorError(fmt::format(
                "{} was compiled for {}:{} with the arguments ({}), this process has ({}): compile it from this "
                "program's "
                "declarations",
                monitor.name(), binding.provider, binding.tracepoint, binding.signature, tracepoint->signature));
    }
}

}  // namespace

Probes::Probes(Monitor& monitor) : monitor_(monitor) {
    check_signatures(monitor_);
    std::size_t registered = 0;
    for (const BindingDescriptor& binding : monitor_.bindings()) {
        const int error = lttng_ust_tracepoint_provider_register(binding.provider, binding.tracepoint, binding.probe,
                                                                 monitor_.instance(), binding.signature);
        if (error != 0) {
            unregister(registered);
            throw MonitorError(fmt::format("LTTng-UST does not take a probe for {}:{}: {}", binding.provider,
                                           binding.tracepoint, std::strerror(-error)));
        }
        ++registered;
    }
}

Probes::~Probes() {
    unregister(monitor_.bindings().size());
}

void Probes::unregister(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
        const BindingDescriptor& binding = monitor_.bindings()[i];
        lttng_ust_tracepoint_provider_unregister(binding.provider, binding.tracepoint, binding.probe,
                                                 monitor_.instance());
    }
    tell_sanitizer_unregistered(monitor_.instance());
}

// Registering waits until no thread is inside a probe, so every gate must be there before the first one closes.
void Probes::add_gates() {
    for (const BindingDescriptor& binding : monitor_.bindings()) {
        const int error = lttng_ust_tracepoint_provider_register(binding.provider, binding.tracepoint, &gate, this,
                                                                 binding.signature);
        if (error != 0 && error != -EEXIST)
            throw MonitorError(fmt::format("LTTng-UST does not take a gate for {}:{}: {}", binding.provider,
                                           binding.tracepoint, std::strerror(-error)));
    }
}

void Probes::close_gates() {
    gates_are_closed.store(true, std::memory_order_release);
}

std::vector<std::string> Probes::absent() const {
    std::vector<std::string> names;
    for (const BindingDescriptor& binding : monitor_.bindings()) {
        const lttng_ust_tracepoint* tracepoint = find_tracepoint(binding);
        if (tracepoint == nullptr || tracepoint->state == 0)
            names.push_back(fmt::format("{}:{}", binding.provider, binding.tracepoint));
    }
    return names;
}

}  // namespace lockstep::monitors
