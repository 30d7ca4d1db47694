// lockstep events: the tracepoints that properties may be bound to: as .tp files declare them, of running programs, of
// a recording session, or of a trace.
#include <fmt/format.h>
#include <fnmatch.h>

#include <algorithm>
#include <array>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "cli/command.hpp"
#include "cli/models.hpp"
#include "cli/running_programs.hpp"
#include "monitors/trace/babeltrace_source.hpp"

namespace lockstep::cli {
namespace {

struct Options {
    std::vector<std::string> tracepoints;
    std::string provider;
    std::vector<int> pids;
    bool running = false;
    std::string session;
    std::string trace;
    bool json = false;
};

// A tracepoint, wherever it was found.
struct Event {
    std::string provider;
    std::string name;
    std::string documentation;
    std::vector<std::pair<std::string, std::string>> fields;  // name and type
    std::vector<std::string> other_fields;                    // that no property can use
    std::vector<std::uint32_t> pids;                          // of programs that have it, as they see themselves
    std::optional<std::uint64_t> count;                       // in a trace
};

std::pair<std::string, std::string> split(const std::string& name) {
    const std::size_t colon = name.find(':');
    if (colon == std::string::npos) return {"", name};
    return {name.substr(0, colon), name.substr(colon + 1)};
}

std::vector<Event> declared(const Options& options) {
    std::vector<Event> events;
    const auto declarations = load_tracepoints(options.tracepoints);
    for (const codegen::TracepointDeclaration* tracepoint : declarations.all()) {
        Event event{
            tracepoint->provider, tracepoint->name, tracepoint->documentation, {}, tracepoint->other_fields, {}, {}};
        for (const codegen::Field& field : tracepoint->fields) event.fields.emplace_back(field.name, field.c_type);
        events.push_back(std::move(event));
    }
    return events;
}

// One of each name and fields, with the programs that have it.
std::vector<Event> merged(const std::vector<monitors::ProgramTracepoint>& tracepoints) {
    std::map<std::pair<std::string, std::vector<std::pair<std::string, std::string>>>, std::vector<std::uint32_t>> all;
    for (const auto& tracepoint : tracepoints) {
        std::vector<std::pair<std::string, std::string>> fields;
        for (const auto& field : tracepoint.fields) fields.emplace_back(field.name, field.type);
        all[{tracepoint.name, std::move(fields)}].push_back(tracepoint.vpid);
    }
    std::vector<Event> events;
    for (const auto& [key, pids] : all) {
        const auto [provider, name] = split(key.first);
        events.push_back({provider, name, "", key.second, {}, pids, {}});
    }
    return events;
}

std::vector<Event> of_running_programs(const Options& options) {
    std::vector<std::unique_ptr<WatchedProcess>> processes;
    std::vector<const WatchedProcess*> borrowed;
    for (const int pid : options.pids) {
        processes.push_back(std::make_unique<WatchedProcess>(pid));
        borrowed.push_back(processes.back().get());
    }
    const LttngDaemons daemons;
    auto tracepoints = tracepoints_when_registered(borrowed);
    if (!borrowed.empty())
        std::erase_if(tracepoints, [&](const auto& tracepoint) {
            return std::ranges::none_of(borrowed, [&](const auto* each) { return each->vpid() == tracepoint.vpid; });
        });
    return merged(tracepoints);
}

// What the session records of the programs that run.
std::vector<Event> of_session(const Options& options) {
    const std::vector<std::string> patterns = monitors::session_tracepoints(options.session);
    auto tracepoints = monitors::program_tracepoints();
    std::erase_if(tracepoints, [&](const auto& tracepoint) {
        return std::ranges::none_of(
            patterns, [&](const auto& pattern) { return fnmatch(pattern.c_str(), tracepoint.name.c_str(), 0) == 0; });
    });
    return merged(tracepoints);
}

class NoEvents final : public monitors::EventHandler {
 public:
    void on_event(std::size_t, const monitors::Slot*, const monitors::Origin&) override {}
    void on_loss(const monitors::Loss&) override {}
    void on_mismatch(std::size_t, const std::string&) override {}
};

// A trace that is damaged tells what it has up to there.
std::vector<Event> of_trace(const Options& options) {
    NoEvents handler;
    const auto source = monitors::BabeltraceSource::open_directory(options.trace, {});
    source->note_declarations();
    try {
        while (source->read(handler) != monitors::EventSource::Status::end) {
        }
    } catch (const monitors::TraceError& error) {
        fmt::print(stderr, "lockstep: {}; what follows is what came before\n", error.what());
    }
    std::vector<Event> events;
    for (const monitors::DeclaredEvent& declaration : source->declarations()) {
        const auto [provider, name] = split(declaration.name);
        events.push_back({provider, name, "", declaration.fields, {}, {}, declaration.count});
    }
    return events;
}

std::vector<Event> find_events(const Options& options) {
    if (!options.trace.empty()) return of_trace(options);
    if (!options.session.empty()) return of_session(options);
    if (options.running || !options.pids.empty()) return of_running_programs(options);
    return declared(options);
}

nlohmann::ordered_json to_json(const Event& event) {
    nlohmann::ordered_json fields = nlohmann::ordered_json::array();
    for (const auto& [name, type] : event.fields) fields.push_back({{"name", name}, {"type", type}});
    nlohmann::ordered_json json = {{"provider", event.provider},
                                   {"name", event.name},
                                   {"documentation", event.documentation},
                                   {"fields", fields},
                                   {"other_fields", event.other_fields}};
    if (!event.pids.empty()) json["pids"] = event.pids;
    if (event.count) json["count"] = *event.count;
    return json;
}

void print(const Event& event) {
    fmt::print("{}:{}", event.provider, event.name);
    if (event.count) fmt::print("  {} times", *event.count);
    for (std::size_t i = 0; i < event.pids.size(); ++i) fmt::print("{}{}", i == 0 ? "  process " : ", ", event.pids[i]);
    fmt::print("\n");
    if (!event.documentation.empty()) fmt::print("    {}\n", event.documentation);
    std::string fields;
    for (const auto& [name, type] : event.fields)
        fields += fmt::format("{}{} {}", fields.empty() ? "" : ", ", type, name);
    fmt::print("    ({})\n", fields);
}

int run(const Options& options) {
    auto array = nlohmann::ordered_json::array();
    bool found = false;
    for (const Event& event : find_events(options)) {
        if (!options.provider.empty() && event.provider != options.provider) continue;
        found = true;
        if (options.json)
            array.push_back(to_json(event));
        else
            print(event);
    }
    if (options.json) fmt::print("{}\n", array.dump(2));
    if (!found)
        fmt::print(stderr, "lockstep: there is no tracepoint{}\n",
                   options.provider.empty() ? "" : " of " + options.provider);
    return found ? exit_ok : exit_could_not_run;
}

Command::Run declare(CommandLine& command_line) {
    auto options = std::make_shared<Options>();
    command_line.add_option("provider", options->provider, "Only this provider's");
    const Option folders = add_tracepoints_option(command_line, options->tracepoints);
    const Option pid =
        command_line.add_option("--pid", options->pids, "Of a running LTTng-UST program (repeatable)").repeatable();
    const Option running =
        command_line.add_flag("--running", options->running, "Of every running LTTng-UST program of this user");
    const Option session =
        command_line.add_option("--session", options->session,
                                "Of the running programs, those that a recording session of this user has enabled");
    const Option trace =
        command_line.add_option("--trace", options->trace,
                                "Of a recorded trace (CTF), or of all below a directory, with how often each happened");
    const std::array sources{folders, pid, running, session, trace};
    for (Option one : sources)
        for (const Option& other : sources)
            if (one != other && !(one == pid && other == running) && !(one == running && other == pid))
                one.excludes(other);
    command_line.add_flag("--json", options->json, "A JSON array");
    command_line.footer("Exit status: 0 some were found, 2 none, or it could not be looked.");
    return [options] { return run(*options); };
}

const Command command{"events", "List tracepoints with their fields: declared, of programs, of a session, of a trace",
                      declare};

}  // namespace
}  // namespace lockstep::cli
