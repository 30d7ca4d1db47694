// A recorded trace judged by properties: what `verify` and `replay` do.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "monitors/runtime/descriptor.hpp"

namespace lockstep::cli {

struct VerifyOptions {
    std::string trace;                    // a directory that has traces in it, or below
    std::vector<std::string> properties;  // names of compiled ones, or their files
    std::string model;                    // instead of properties
    std::uint64_t contexts = monitors::InstanceOptions{}.contexts;
    bool as_json = false;
};

// Prints what was found; the exit status is the gravest verdict. Throws what loading and reading throw.
int verify_by_properties(const VerifyOptions& options);

}  // namespace lockstep::cli
