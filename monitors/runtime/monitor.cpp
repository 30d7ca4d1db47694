#include "monitors/runtime/monitor.hpp"

#include <dlfcn.h>
#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <iterator>

#include "monitors/runtime/report_builder.hpp"

namespace lockstep::monitors {
namespace {

// Why a run that saw no violation still proves nothing; empty when it does.
std::vector<std::string> reasons_for_doubt(const Counters& counters) {
    std::vector<std::string> reasons;
    const auto add = [&reasons](std::uint64_t count, const char* what) {
        if (count != 0) reasons.push_back(fmt::format("{} {}", count, what));
    };
    if (counters.events == 0) reasons.emplace_back("saw nothing: no event of it happened");
    add(counters.lost, "events lost by the tracer");
    add(counters.table_full, "contexts refused because the table was full");
    add(counters.register_full, "contexts given up because a register was full");
    add(counters.contended, "contexts given up because another thread held them too long");
    add(counters.reentrant, "events missed inside a probe of the same thread");
    add(counters.hash_collisions, "strings shared a hash with another");
    return reasons;
}

Verdict judge(const Counters& counters) {
    if (counters.violations != 0) return Verdict::violated;
    return reasons_for_doubt(counters).empty() ? Verdict::ok : Verdict::inconclusive;
}

// Whether the file is there and says something else than `text`.
bool says_otherwise(const std::filesystem::path& file, std::string_view text) {
    std::ifstream stream(file, std::ios::binary);
    if (!stream) return false;
    const std::string read{std::istreambuf_iterator<char>(stream), {}};
    return !stream.bad() && read != text;
}

std::filesystem::path changed_source_of(const std::filesystem::path& library, const MonitorDescriptor& descriptor) {
    const auto folder = library.parent_path();
    for (const auto& beside : {folder, folder / "../../../share/lockstep/dot"}) {
        const auto file = beside / descriptor.dot_file;
        if (says_otherwise(file, descriptor.dot_source)) return file.lexically_normal();
    }
    return {};
}

}  // namespace

std::string_view to_string(Verdict verdict) {
    switch (verdict) {
        case Verdict::ok:
            return "ok";
        case Verdict::violated:
            return "violated";
        case Verdict::inconclusive:
            return "inconclusive";
    }
    return "";
}

// The loaded shared object: closed when the last monitor made from it is gone.
struct Monitor::Library {
    explicit Library(const std::filesystem::path& given)
        // A path with a slash: dlopen then looks nowhere else.
        : file(std::filesystem::absolute(given)), handle(dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL)) {
        if (handle == nullptr)
            throw MonitorError(fmt::format("cannot load the property {}: {}", given.string(), dlerror()));
    }
    ~Library() { dlclose(handle); }
    Library(const Library&) = delete;
    Library& operator=(const Library&) = delete;

    std::filesystem::path file;
    void* handle;
};

std::unique_ptr<Monitor> Monitor::load(const std::filesystem::path& file, const InstanceOptions& options) {
    auto library = std::make_shared<Library>(file);
    const auto* descriptor = static_cast<const MonitorDescriptor*>(dlsym(library->handle, descriptor_symbol));
    if (descriptor == nullptr) throw MonitorError(fmt::format("{} is not a compiled property", file.string()));
    if (descriptor->abi != abi_version)
        throw MonitorError(
            fmt::format("{} was compiled for version {} of the monitor interface, this is {}: compile it again",
                        file.string(), descriptor->abi, abi_version));
    if (const auto changed = changed_source_of(library->file, *descriptor); !changed.empty())
        throw MonitorError(fmt::format("{} was compiled from another text than {} has now: compile it again",
                                       file.string(), changed.string()));
    return make(std::move(library), *descriptor, options);
}

std::unique_ptr<Monitor> Monitor::make(std::shared_ptr<Library> library, const MonitorDescriptor& descriptor,
                                       const InstanceOptions& options) {
    MonitorInstance* instance = descriptor.create(options);
    if (instance == nullptr)
        throw MonitorError(fmt::format("no memory for {} contexts of {}", options.contexts, descriptor.name));
    return std::unique_ptr<Monitor>(new Monitor(std::move(library), &descriptor, instance));
}

std::unique_ptr<Monitor> Monitor::another(const InstanceOptions& options) const {
    return make(library_, *descriptor_, options);
}

Monitor::Monitor(std::shared_ptr<Library> library, const MonitorDescriptor* descriptor, MonitorInstance* instance)
    : library_(std::move(library)), descriptor_(descriptor), instance_(instance) {}

Monitor::~Monitor() {
    descriptor_->destroy(instance_);
}

std::filesystem::path Monitor::changed_source() const {
    return changed_source_of(library_->file, *descriptor_);
}

std::span<const BindingDescriptor> Monitor::bindings() const {
    return {descriptor_->bindings, descriptor_->binding_count};
}

std::optional<std::uint32_t> Monitor::find_binding(std::string_view provider, std::string_view tracepoint) const {
    for (std::uint32_t i = 0; i < descriptor_->binding_count; ++i)
        if (descriptor_->bindings[i].provider == provider && descriptor_->bindings[i].tracepoint == tracepoint)
            return i;
    return std::nullopt;
}

void Monitor::lose(std::uint64_t count) {
    instance_->lose(count);
}

void Monitor::advance(std::uint64_t time_ns) {
    instance_->advance(time_ns);
}

Counters Monitor::counters() const {
    return instance_->counters();
}

Verdict Monitor::verdict() const {
    return judge(counters());
}

Summary Monitor::summary(std::size_t pending_limit) const {
    Summary summary;
    summary.name = descriptor_->name;
    summary.counters = counters();
    summary.verdict = judge(summary.counters);
    if (summary.verdict == Verdict::inconclusive) summary.reasons = reasons_for_doubt(summary.counters);

    std::vector<std::uint64_t> edges(descriptor_->edge_count), events(descriptor_->event_count);
    instance_->add_coverage(edges.data(), events.data());
    for (std::uint32_t i = 0; i < descriptor_->edge_count; ++i) {
        const EdgeDescriptor& edge = descriptor_->edges[i];
        summary.edges.push_back({descriptor_->states[edge.from_state], descriptor_->events[edge.event].name,
                                 descriptor_->states[edge.to_state], edge.line, edges[i]});
    }
    for (std::uint32_t i = 0; i < descriptor_->event_count; ++i)
        if (events[i] == 0) summary.unseen_events.emplace_back(descriptor_->events[i].name);

    for (std::uint32_t i = 0; i < descriptor_->state_count; ++i) summary.states.push_back({descriptor_->states[i]});
    const auto add_context = [&](const std::uint64_t* key, std::uint16_t state) {
        ++summary.states[state].contexts;
        if (descriptor_->final_states[state] != 0 || summary.pending.size() >= pending_limit) return;
        summary.pending.push_back({name_keys(*descriptor_, *instance_, key), descriptor_->states[state]});
    };
    instance_->visit_contexts([](void* data, const std::uint64_t* key,
                                 std::uint16_t state) { (*static_cast<decltype(&add_context)>(data))(key, state); },
                              const_cast<void*>(static_cast<const void*>(&add_context)));
    return summary;
}

std::vector<reactors::Report> Monitor::take_violations() {
    std::vector<reactors::Report> reports;
    const auto record = std::make_unique<ViolationRecord>();
    while (instance_->take_violation(*record)) reports.push_back(build_report(*descriptor_, *instance_, *record));
    return reports;
}

std::filesystem::path monitor_directory() {
    return std::filesystem::read_symlink("/proc/self/exe").parent_path().parent_path() / "lib" / "lockstep" /
           "monitors";
}

std::filesystem::path find_monitor(const std::string& property) {
    if (property.find('/') != std::string::npos || property.ends_with(".so")) {
        if (std::filesystem::exists(property)) return std::filesystem::absolute(property);
        throw MonitorError(fmt::format("no compiled property at {}", property));
    }
    const auto file = monitor_directory() / (property + ".so");
    if (std::filesystem::exists(file)) return file;
    throw MonitorError(fmt::format("no property named {} in {}", property, monitor_directory().string()));
}

}  // namespace lockstep::monitors
