// Runs the examples of a model on the interpreter: `accept:` must pass whole, `reject:` must be violated by its last
// event.
#pragma once

#include <string>
#include <vector>

#include "codegen/interpreter.hpp"
#include "codegen/model.hpp"

namespace lockstep::codegen {

struct ExampleResult {
    bool passed = false;
    SourcePosition position;  // of the example, or of the event at which it went wrong
    std::string explanation;  // a sentence, when it did not pass
};

// One result for each of Model::examples. Throws std::invalid_argument when a parameter has no value.
std::vector<ExampleResult> run_examples(const Model& model);

// An example's event as the interpreter takes it. time_ns: when the former happened; used where the example gives no
// time.
Occurrence occurrence_of(const Model& model, const ExampleEvent& event, std::uint64_t time_ns);

// "grant(owner=a/1, mode=5)", for messages.
std::string describe_occurrence(const Model& model, const Occurrence& occurrence);

}  // namespace lockstep::codegen
