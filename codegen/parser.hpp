// The parser of labels, notes and examples (grammar: codegen/syntax.hpp). Hand-written recursive descent: every message
// names what was expected, what was found, and where; after an error it goes on with the next clause or line.
#pragma once

#include <vector>

#include "codegen/diagnostic.hpp"
#include "codegen/source_text.hpp"
#include "codegen/syntax.hpp"

namespace lockstep::codegen {

// All four add what is wrong to diagnostics and return what could be read.
std::vector<syntax::EventPart> parse_edge_label(const LocatedText& label, const SourceText& source,
                                                std::vector<Diagnostic>& diagnostics);
syntax::StateLabel parse_state_label(const LocatedText& label, const SourceText& source,
                                     std::vector<Diagnostic>& diagnostics);
// Adds to `note`, so that several notes make one.
void parse_note(const LocatedText& label, const SourceText& source, syntax::Note& note,
                std::vector<Diagnostic>& diagnostics);
// What stands after `accept:` or `reject:`.
std::vector<syntax::ExampleCall> parse_example(const LocatedText& text, const SourceText& source,
                                               std::vector<Diagnostic>& diagnostics);

// The words that can't be names of registers, parameters or computed fields.
bool is_reserved_word(std::string_view name);
// reset, erase, insert, clear, lock, unlock
bool is_action_name(std::string_view name);

}  // namespace lockstep::codegen
