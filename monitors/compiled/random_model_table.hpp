// What a shared object of many random models exports: `lockstep_random_models`. C++17.
#pragma once

#include <cstdint>

#include "monitors/runtime/descriptor.hpp"

namespace lockstep::monitors {

struct RandomModel {
    std::uint64_t seed;                   // of random_model()
    const MonitorDescriptor* descriptor;  // null ends the array
};

}  // namespace lockstep::monitors
