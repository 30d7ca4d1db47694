#include "codegen/emit/monitor_names.hpp"

#include <algorithm>

#include "codegen/emit/names.hpp"

namespace lockstep::codegen {
namespace {

// One scope for things with a `name`.
template <class Things>
std::vector<std::string> name_all(const Things& things) {
    NameScope scope;
    std::vector<std::string> names;
    for (const auto& thing : things) names.push_back(scope.add(thing.name));
    return names;
}

std::vector<TracepointGroup> group_by_tracepoint(const Model& model) {
    NameScope scope;
    std::vector<TracepointGroup> groups;
    for (std::uint32_t i = 0; i < model.bindings.size(); ++i) {
        const Binding& binding = model.bindings[i];
        const auto same = std::ranges::find_if(groups, [&](const TracepointGroup& group) {
            const Binding& first = model.bindings[group.bindings.front()];
            return first.provider == binding.provider && first.tracepoint == binding.tracepoint;
        });
        if (same != groups.end())
            same->bindings.push_back(i);
        else
            groups.push_back({scope.add(binding.provider + "_" + binding.tracepoint),
                              {i},
                              name_all(binding.tracepoint_fields),
                              name_all(binding.arguments)});
    }
    return groups;
}

std::vector<std::string> name_edges(const Model& model) {
    NameScope scope;
    std::vector<std::string> names;
    for (const Edge& edge : model.edges)
        names.push_back(scope.add(model.states[edge.source].name + "_" + model.events[edge.event].name));
    return names;
}

}  // namespace

MonitorNames::MonitorNames(const Model& model)
    : states(name_all(model.states)),
      events(name_all(model.events)),
      registers(name_all(model.registers)),
      parameters(name_all(model.parameters)),
      edges(name_edges(model)),
      groups(group_by_tracepoint(model)) {
    for (const Event& event : model.events) event_fields.push_back(name_all(event.fields));
}

}  // namespace lockstep::codegen
