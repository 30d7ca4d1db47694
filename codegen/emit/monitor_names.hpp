// Every name that the generated file of one model uses, chosen once.
#pragma once

#include <string>
#include <vector>

#include "codegen/model.hpp"

namespace lockstep::codegen {

// A tracepoint with the bindings that listen to it, in source order: what the descriptor calls a binding.
struct TracepointGroup {
    std::string identifier;               // "lock_api_acquired"
    std::vector<std::uint32_t> bindings;  // into Model::bindings; at least one
    std::vector<std::string> fields;      // identifiers of the payload's fields
    std::vector<std::string> arguments;   // identifiers of the probe's parameters
};

// Vectors are indexed as the model's are.
struct MonitorNames {
    explicit MonitorNames(const Model& model);

    std::vector<std::string> states;
    std::vector<std::string> events;
    std::vector<std::vector<std::string>> event_fields;
    std::vector<std::string> registers;
    std::vector<std::string> parameters;
    std::vector<std::string> edges;  // SOURCE_EVENT, numbered where there are several
    std::vector<TracepointGroup> groups;
};

}  // namespace lockstep::codegen
