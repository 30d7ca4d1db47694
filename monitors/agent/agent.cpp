#include "monitors/agent/agent.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "tracepoints/high_descriptor.hpp"

namespace lockstep::monitors {
namespace {

using nlohmann::json;

// How often the reaction thread looks at state invariants, and tells probes the time. Violations wake it at once.
constexpr int tick_ms = 10;

// The monitors of this process, where a forked child finds them without a lock.
constexpr std::size_t most_properties = 64;
std::array<std::atomic<MonitorInstance*>, most_properties> all_instances;

bool enlist(MonitorInstance* instance) {
    for (auto& slot : all_instances) {
        MonitorInstance* none = nullptr;
        if (slot.compare_exchange_strong(none, instance)) return true;
    }
    return false;
}

void delist(MonitorInstance* instance) {
    for (auto& slot : all_instances) {
        MonitorInstance* expected = instance;
        if (slot.compare_exchange_strong(expected, nullptr)) return;
    }
}

InstanceOptions options_of(const json& request, const std::atomic<std::uint64_t>& told_time_ns) {
    InstanceOptions options;
    options.told_time_ns = &told_time_ns;
    const json given = request.value("options", json::object());
    options.contexts = given.value("contexts", options.contexts);
    options.blocks = given.value("blocks", options.blocks);
    options.history_records = given.value("history_records", options.history_records);
    options.precise_time = given.value("precise_time", options.precise_time);
    constexpr std::uint64_t most = std::uint64_t{1} << 31;
    if (options.contexts == 0 || options.contexts > most || options.blocks > most || options.history_records > 1 << 24)
        throw std::invalid_argument(
            "an option is out of range: contexts and blocks up to 2^31, history_records up to 2^24");
    return options;
}

std::vector<std::string> reactors_of(const json& request) {
    return request.value("reactors", std::vector<std::string>{"log"});
}

}  // namespace

std::thread quiet_thread(const char* name, std::function<void()> body) {
    sigset_t all, former;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &former);
    std::thread thread(std::move(body));
    pthread_sigmask(SIG_SETMASK, &former, nullptr);
    pthread_setname_np(thread.native_handle(), name);
    return thread;
}

Agent::Agent(const std::filesystem::path& socket)
    : wake_(high_descriptor(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK))),
      server_(socket),
      reaction_(quiet_thread("lockstep-react", [this] { react(); })),
      control_(quiet_thread("lockstep-agent",
                            [this] { server_.serve([this](const json& request) { return answer(request); }); })) {}

Agent::~Agent() {
    server_.stop();
    control_.join();
    stopping_.store(true);
    const std::uint64_t one = 1;
    (void)!write(wake_, &one, sizeof(one));
    reaction_.join();
    for (auto& [name, property] : properties_) delist(property->instance());
    properties_.clear();
    close(wake_);
}

json Agent::summary() {
    for (const auto& property : properties()) property->handle_violations();
    return status();
}

void Agent::silence_all() noexcept {
    for (auto& slot : all_instances)
        if (MonitorInstance* instance = slot.load()) instance->pause();
}

json Agent::answer(const json& request) {
    const std::string what = request.value("do", "");
    if (what == "attach") return attach(request);
    if (what == "detach") return detach(request);
    if (what == "status") return status();
    if (what == "freeze") return freeze();
    if (what == "pause") return property(request)->pause(), json::object();
    if (what == "resume") return property(request)->resume(), json::object();
    if (what == "react") return property(request)->set_reactors(reactors_of(request)), json::object();
    throw std::invalid_argument("\"do\" is one of attach, detach, status, freeze, pause, resume, react");
}

json Agent::attach(const json& request) {
    auto attached = std::make_shared<AttachedProperty>(request.at("file").get<std::string>(),
                                                       options_of(request, time_ns_), reactors_of(request), wake_);
    attached->set_group(request.value("group", ""));
    const std::lock_guard hold(mutex_);
    if (properties_.contains(attached->name()))
        throw std::invalid_argument(fmt::format("{} is attached already", attached->name()));
    if (!enlist(attached->instance())) throw std::invalid_argument("the agent holds 64 properties and takes no more");
    properties_[attached->name()] = attached;
    return {{"property", attached->name()}};
}

json Agent::detach(const json& request) {
    const auto detached = property(request);
    detached->detach();
    delist(detached->instance());
    json summary = detached->status();
    summary["paused"] = false;  // it is gone
    const std::lock_guard hold(mutex_);
    properties_.erase(detached->name());
    return {{"summary", summary}};
}

json Agent::status() {
    json all = json::array();
    for (const auto& each : properties()) all.push_back(each->status());
    return {{"pid", getpid()}, {"properties", all}};
}

// What threads were doing inside probes is judged too: each ends at its gate, or outside.
json Agent::freeze() {
    const auto all = properties();
    for (const auto& each : all) each->add_gates();
    Probes::close_gates();
    const timespec moment{0, 200'000};
    for (int turn = 0; turn < 500; ++turn) {
        nanosleep(&moment, nullptr);
        if (std::ranges::all_of(all, [](const auto& each) { return each->is_quiet(); })) break;
    }
    return summary();
}

std::shared_ptr<AttachedProperty> Agent::property(const json& request) {
    const std::string name = request.value("property", "");
    const std::lock_guard hold(mutex_);
    const auto found = properties_.find(name);
    if (found == properties_.end())
        throw std::invalid_argument(fmt::format("no property named \"{}\" is attached", name));
    return found->second;
}

std::vector<std::shared_ptr<AttachedProperty>> Agent::properties() {
    const std::lock_guard hold(mutex_);
    std::vector<std::shared_ptr<AttachedProperty>> all;
    for (const auto& [name, property] : properties_) all.push_back(property);
    return all;
}

void Agent::react() {
    while (!stopping_.load()) {
        pollfd waiting{wake_, POLLIN, 0};
        time_ns_.store(monotonic_ns(), std::memory_order_relaxed);
        if (poll(&waiting, 1, tick_ms) > 0 && (waiting.revents & POLLNVAL) != 0) {
            const timespec tick{0, tick_ms * 1'000'000};
            nanosleep(&tick, nullptr);  // the program has closed all descriptors, ours too
        }
        time_ns_.store(0, std::memory_order_relaxed);  // handling may take longer than a tick
        std::uint64_t count = 0;
        (void)!read(wake_, &count, sizeof(count));
        for (const auto& property : properties()) property->handle_violations();
    }
}

}  // namespace lockstep::monitors
