// The model's vocabulary: what the binding note declares (events and where they come from, keys, registers,
// parameters), resolved against the tracepoint declarations. Built before the edges, whose labels use it.
#pragma once

#include <set>
#include <vector>

#include "codegen/diagnostic.hpp"
#include "codegen/model.hpp"
#include "codegen/resolver.hpp"
#include "codegen/source_text.hpp"
#include "codegen/syntax.hpp"
#include "codegen/tracepoint_declarations.hpp"

namespace lockstep::codegen {

// An edge of the picture with its label parsed.
struct LabelledEdge {
    std::uint32_t source = 0;
    std::uint32_t target = 0;
    std::vector<syntax::EventPart> parts;
    Span span;
};

// A state of the picture with its label parsed.
struct LabelledState {
    syntax::StateLabel label;
    bool final = false;
    Span span;
};

struct Vocabulary {
    const syntax::Note& note;
    bool has_note = false;
    const std::vector<LabelledState>& states;
    const std::vector<LabelledEdge>& edges;
};

// What could not be built, so that nothing that hangs on it is reported again.
struct VocabularyGaps {
    BrokenNames broken_names;
    std::set<std::uint32_t> incomplete_events;  // a tracepoint of theirs was not found
};

// Fills parameters, bindings, events, keys and registers of the model. What is wrong is added to diagnostics.
VocabularyGaps build_vocabulary(const Vocabulary& vocabulary, const TracepointDeclarations& tracepoints,
                                const SourceText& source, Model& model, std::vector<Diagnostic>& diagnostics);

}  // namespace lockstep::codegen
