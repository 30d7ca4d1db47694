#include "monitors/lttng/program_tracepoints.hpp"

#include <lttng/lttng.h>

#include <cstdlib>
#include <memory>

#include "monitors/lttng/deadline_thread.hpp"

namespace lockstep::monitors {
namespace {

struct Released {
    void operator()(lttng_handle* handle) const { lttng_destroy_handle(handle); }
    void operator()(void* list) const { std::free(list); }
};

std::string type_name(lttng_event_field_type type) {
    switch (type) {
        case LTTNG_EVENT_FIELD_INTEGER:
            return "integer";
        case LTTNG_EVENT_FIELD_ENUM:
            return "enumeration";
        case LTTNG_EVENT_FIELD_FLOAT:
            return "float";
        case LTTNG_EVENT_FIELD_STRING:
            return "string";
        default:
            return "other";
    }
}

int counted(int count) {
    if (count < 0) throw LttngError(lttng_strerror(count));
    return count;
}

// A tracepoint without fields is in the list of tracepoints only.
std::vector<ProgramTracepoint> ask() {
    lttng_domain domain{};
    domain.type = LTTNG_DOMAIN_UST;
    const std::unique_ptr<lttng_handle, Released> handle(lttng_create_handle("", &domain));
    if (handle == nullptr) throw LttngError("memory is short");

    lttng_event* events = nullptr;
    const int event_count = counted(lttng_list_tracepoints(handle.get(), &events));
    const std::unique_ptr<lttng_event, Released> owned_events(events);
    std::vector<ProgramTracepoint> all;
    for (int i = 0; i < event_count; ++i)
        all.push_back({static_cast<std::uint32_t>(events[i].pid), events[i].name, {}});

    lttng_event_field* fields = nullptr;
    const int field_count = counted(lttng_list_tracepoint_fields(handle.get(), &fields));
    const std::unique_ptr<lttng_event_field, Released> owned_fields(fields);
    for (int i = 0; i < field_count; ++i)
        for (ProgramTracepoint& tracepoint : all)
            if (static_cast<int>(tracepoint.vpid) == fields[i].event.pid && tracepoint.name == fields[i].event.name &&
                fields[i].field_name[0] != 0)
                tracepoint.fields.push_back({fields[i].field_name, type_name(fields[i].type)});
    return all;
}

}  // namespace

namespace {

std::vector<std::string> ask_session(const std::string& session) {
    lttng_domain domain{};
    domain.type = LTTNG_DOMAIN_UST;
    const std::unique_ptr<lttng_handle, Released> handle(lttng_create_handle(session.c_str(), &domain));
    if (handle == nullptr) throw LttngError("memory is short");
    lttng_channel* channels = nullptr;
    const int channel_count = counted(lttng_list_channels(handle.get(), &channels));
    const std::unique_ptr<lttng_channel, Released> owned_channels(channels);
    std::vector<std::string> names;
    for (int i = 0; i < channel_count; ++i) {
        lttng_event* events = nullptr;
        const int event_count = counted(lttng_list_events(handle.get(), channels[i].name, &events));
        const std::unique_ptr<lttng_event, Released> owned_events(events);
        for (int k = 0; k < event_count; ++k)
            if (events[k].enabled != 0) names.emplace_back(events[k].name);
    }
    return names;
}

}  // namespace

std::vector<std::string> session_tracepoints(const std::string& session, std::chrono::milliseconds limit) {
    const auto names = std::make_shared<std::vector<std::string>>();
    DeadlineThread().run("LTTng: the session " + session, limit, [=] { *names = ask_session(session); });
    return std::move(*names);
}

std::vector<ProgramTracepoint> program_tracepoints(std::chrono::milliseconds limit) {
    const auto all = std::make_shared<std::vector<ProgramTracepoint>>();
    DeadlineThread().run("LTTng: listing the programs' tracepoints", limit, [all] { *all = ask(); });
    return std::move(*all);
}

}  // namespace lockstep::monitors
