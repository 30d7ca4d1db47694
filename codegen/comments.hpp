// The comments before the graph: what the property promises (Model::summary), and its examples.
//   // accept: grant(owner=1,mode=EX) release(owner=1)
//   // reject: grant(owner=1,mode=EX)
//   //     grant(owner=2,mode=PR)            a line indented by four blanks or more goes on
// `accept:` and `reject:` count anywhere in the file; the summary is what stands before the graph besides.
#pragma once

#include <vector>

#include "codegen/diagnostic.hpp"
#include "codegen/dot_reader.hpp"
#include "codegen/model.hpp"
#include "codegen/vocabulary.hpp"

namespace lockstep::codegen {

// Fills summary and examples. The model's events must be there; of fields of incomplete events nothing is said.
void read_comments(const Picture& picture, const SourceText& source, const VocabularyGaps& gaps, Model& model,
                   std::vector<Diagnostic>& diagnostics);

}  // namespace lockstep::codegen
