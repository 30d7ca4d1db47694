// From a property in linear temporal logic to the model of an automaton, the same as a drawing gives: atoms that stay
// become flags, what may be owed becomes states. What the interpreter, the emitter and the drawer get is a Model.
#pragma once

#include <string>
#include <vector>

#include "codegen/diagnostic.hpp"
#include "codegen/ltl_parser.hpp"
#include "codegen/model.hpp"
#include "codegen/source_text.hpp"
#include "codegen/tracepoint_declarations.hpp"

namespace lockstep::codegen {

// name: of the property. What is wrong is added to diagnostics; the model is of use only without errors among them.
//
// A file without note lines is the kernel's, whose atoms are set by code: each atom X gets the events `x` (it becomes
// true) and `not_x` (false), every event begins an unknown context with all atoms false, and a moment is one such
// event. With a note a moment is one event of the note.
Model build_ltl_model(const syntax::LtlFile& file, const std::string& name, const SourceText& source,
                      const TracepointDeclarations& tracepoints, std::vector<Diagnostic>& diagnostics);

}  // namespace lockstep::codegen
