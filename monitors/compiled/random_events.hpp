// Random tracepoint hits for a model, seeded: half of them anything, half chosen so that the interpreter goes on.
#pragma once

#include <optional>
#include <random>
#include <string>
#include <vector>

#include "codegen/model.hpp"
#include "codegen/tracepoint_hit.hpp"
#include "monitors/compiled/agreement.hpp"

namespace lockstep::monitors {

class RandomEvents {
 public:
    // The model is borrowed.
    RandomEvents(const codegen::Model& model, std::uint64_t seed) : model_(model), random_(seed) {}

    // Delivers `hits` hits. Nothing: both agreed on all; else in what they differ, and at which hit.
    std::optional<std::string> deliver_to(Agreement& agreement, int hits);

 private:
    codegen::Value random_value(const codegen::Field& field);
    codegen::Value random_value(const codegen::Binding& binding, std::uint32_t field);
    codegen::TracepointHit random_hit();
    codegen::TracepointHit next_hit(const codegen::Interpreter& interpreter);

    const codegen::Model& model_;
    std::mt19937_64 random_;
    std::uint64_t time_ns_ = 1000;
};

}  // namespace lockstep::monitors
