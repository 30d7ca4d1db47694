#include "monitors/lttng/session_control.hpp"

#include <lttng/lttng.h>

#include <cstdlib>
#include <cstring>

namespace lockstep::monitors {
namespace {

constexpr char channel_name[] = "lockstep";

// liblttng-ctl answers negative codes of its own.
void check(int result) {
    if (result < 0) throw LttngError(lttng_strerror(result));
}

struct Freed {
    void operator()(lttng_channel* channel) const { lttng_channel_destroy(channel); }
    void operator()(lttng_event* event) const { lttng_event_destroy(event); }
    void operator()(lttng_handle* handle) const { lttng_destroy_handle(handle); }
    void operator()(lttng_session_descriptor* descriptor) const { lttng_session_descriptor_destroy(descriptor); }
};

template <class T>
using Owned = std::unique_ptr<T, Freed>;

template <class T>
Owned<T> own(T* object) {
    if (object == nullptr) throw LttngError("liblttng-ctl refuses the arguments, or memory is short");
    return Owned<T>(object);
}

lttng_domain ust_domain() {
    lttng_domain domain{};
    domain.type = LTTNG_DOMAIN_UST;
    domain.buf_type = LTTNG_BUFFER_PER_UID;
    return domain;
}

}  // namespace

struct SessionControl::State {
    SessionOptions options;
    bool created = false;
    Owned<lttng_handle> handle;
    Owned<lttng_channel> channel;

    void create();
    void make_channel();
    void add_context(lttng_event_context_type type);
    void enable_event(const std::string& name);
    void track(const std::vector<std::uint32_t>& vpids);
    std::uint64_t discarded_events();
    void destroy();
};

void SessionControl::State::create() {
    const auto timer_us = static_cast<unsigned long long>(options.live_timer.count());
    const auto descriptor = own(lttng_session_descriptor_live_network_create(
        options.name.c_str(), options.relay_url.c_str(), nullptr, timer_us));
    const int result = lttng_create_session_ext(descriptor.get());
    if (result != LTTNG_OK) throw LttngError(lttng_strerror(-result));  // this function alone answers positive codes
    created = true;
    lttng_domain domain = ust_domain();
    handle = own(lttng_create_handle(options.name.c_str(), &domain));
}

void SessionControl::State::make_channel() {
    lttng_domain domain = ust_domain();
    channel = own(lttng_channel_create(&domain));
    std::strncpy(channel->name, channel_name, sizeof channel->name - 1);
    channel->attr.overwrite = 0;
    channel->attr.subbuf_size = options.buffer_bytes;
    channel->attr.num_subbuf = options.buffer_count;
    channel->attr.live_timer_interval = static_cast<unsigned>(options.live_timer.count());
    if (options.no_loss) check(lttng_channel_set_blocking_timeout(channel.get(), -1));  // -1: as long as it takes
    check(lttng_enable_channel(handle.get(), channel.get()));
}

void SessionControl::State::add_context(lttng_event_context_type type) {
    lttng_event_context context{};
    context.ctx = type;
    check(lttng_add_context(handle.get(), &context, nullptr, channel_name));
}

void SessionControl::State::enable_event(const std::string& name) {
    const auto event = own(lttng_event_create());
    event->type = LTTNG_EVENT_TRACEPOINT;
    if (name.size() >= sizeof event->name) throw LttngError("the name is too long");
    std::strncpy(event->name, name.c_str(), sizeof event->name - 1);
    event->loglevel_type = LTTNG_EVENT_LOGLEVEL_ALL;
    event->loglevel = -1;
    check(lttng_enable_event(handle.get(), event.get(), channel_name));
}

void SessionControl::State::track(const std::vector<std::uint32_t>& vpids) {
    lttng_process_attr_tracker_handle* tracker = nullptr;
    const auto result = lttng_session_get_tracker_handle(options.name.c_str(), LTTNG_DOMAIN_UST,
                                                         LTTNG_PROCESS_ATTR_VIRTUAL_PROCESS_ID, &tracker);
    if (result != LTTNG_OK) throw LttngError(lttng_strerror(-result));
    const std::unique_ptr<lttng_process_attr_tracker_handle, void (*)(lttng_process_attr_tracker_handle*)> owned(
        tracker, lttng_process_attr_tracker_handle_destroy);
    constexpr auto ok = LTTNG_PROCESS_ATTR_TRACKER_HANDLE_STATUS_OK;
    if (lttng_process_attr_tracker_handle_set_tracking_policy(tracker, LTTNG_TRACKING_POLICY_INCLUDE_SET) != ok)
        throw LttngError("LTTng does not track by process");
    for (const std::uint32_t vpid : vpids)
        if (lttng_process_attr_process_id_tracker_handle_add_pid(tracker, static_cast<pid_t>(vpid)) != ok)
            throw LttngError("LTTng refuses to track process " + std::to_string(vpid));
}

std::uint64_t SessionControl::State::discarded_events() {
    lttng_channel* channels = nullptr;
    const int count = lttng_list_channels(handle.get(), &channels);
    check(count);
    std::uint64_t total = 0;
    for (int i = 0; i < count; ++i) {
        std::uint64_t discarded = 0;
        if (lttng_channel_get_discarded_event_count(&channels[i], &discarded) == 0) total += discarded;
    }
    std::free(channels);
    // The daemon takes a counter that goes back (which happens, see trace/babeltrace_source.cpp) for one of 63 bits
    // that wrapped around, and adds 2^63 each time.
    return total & ~(std::uint64_t{1} << 63);
}

void SessionControl::State::destroy() {
    if (!created) return;
    created = false;
    const int stopped = lttng_stop_tracing_no_wait(options.name.c_str());
    check(lttng_destroy_session_no_wait(options.name.c_str()));
    if (stopped < 0 && stopped != -LTTNG_ERR_TRACE_ALREADY_STOPPED) check(stopped);
}

SessionControl::SessionControl(const SessionOptions& options) : state_(std::make_shared<State>()) {
    state_->options = options;
    step("LTTng: making the session", [](State& state) { state.create(); });
    step("LTTng: making the channel", [](State& state) { state.make_channel(); });
    step("LTTng: adding contexts", [](State& state) {
        for (const auto type : {LTTNG_EVENT_CONTEXT_VPID, LTTNG_EVENT_CONTEXT_VTID, LTTNG_EVENT_CONTEXT_NET_NS})
            state.add_context(type);
    });
}

SessionControl::~SessionControl() {
    try {
        destroy();
    } catch (const LttngError&) {
    }
}

void SessionControl::enable_event(const std::string& name) {
    step("LTTng: enabling " + name, [name](State& state) { state.enable_event(name); });
}

void SessionControl::track(const std::vector<std::uint32_t>& vpids) {
    step("LTTng: tracking processes", [vpids](State& state) { state.track(vpids); });
}

void SessionControl::start() {
    step("LTTng: starting the session", [](State& state) { check(lttng_start_tracing(state.options.name.c_str())); });
}

std::uint64_t SessionControl::discarded_events() {
    const auto count = std::make_shared<std::uint64_t>(0);
    step("LTTng: counting discarded events", [count](State& state) { *count = state.discarded_events(); });
    return *count;
}

void SessionControl::stop() {
    step("LTTng: stopping the session", [](State& state) { check(lttng_stop_tracing(state.options.name.c_str())); });
}

void SessionControl::destroy() {
    step("LTTng: destroying the session", [](State& state) { state.destroy(); });
}

const std::string& SessionControl::name() const {
    return state_->options.name;
}

void SessionControl::step(const std::string& what, std::function<void(State&)> call) {
    thread_.run(what, state_->options.limit, [what, call = std::move(call), state = state_] {
        try {
            call(*state);
        } catch (const LttngError& error) {
            throw LttngError(what + ": " + error.what());
        }
    });
}

}  // namespace lockstep::monitors
