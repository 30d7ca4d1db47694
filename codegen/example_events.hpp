// Events as people write them, in examples and for the simulator: `[@5ms] grant(owner=1, mode=EX) release(owner=1)`.
#pragma once

#include <string>
#include <vector>

#include "codegen/diagnostic.hpp"
#include "codegen/model.hpp"
#include "codegen/source_text.hpp"
#include "codegen/vocabulary.hpp"

namespace lockstep::codegen {

// What is wrong is added to diagnostics; the events that could be read are returned. The model's events must be there;
// of fields of incomplete events nothing is said. The model is not changed.
std::vector<ExampleEvent> read_example_events(const LocatedText& content, const SourceText& source,
                                              const VocabularyGaps& gaps, Model& model,
                                              std::vector<Diagnostic>& diagnostics);

// The same of a text of its own: positions in diagnostics are in `text`.
std::vector<ExampleEvent> read_example_events(const std::string& text, Model& model,
                                              std::vector<Diagnostic>& diagnostics);

}  // namespace lockstep::codegen
