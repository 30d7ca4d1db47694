// Reads .ltl files: the Linux kernel's language of properties in linear temporal logic, and, beside it, where the atoms
// come from.
//
//   file         { definition | atom | start | note line | "#" comment }
//   definition   NAME "=" formula                  one of them is RULE; the others are put in where they are named
//   formula      operand | operand binary formula | unary formula
//   operand      NAME | "true" | "false" | "(" formula ")"
//   unary        "always" | "eventually" | "next" | "not"
//   binary       "until" | "and" | "or" | "imply" | "equivalent"
//   atom         NAME "=" "at" events              true at these events, false at all others
//              | NAME "=" "from" events "to" events      true from the first on, until one of the others; false at
//              first
//   start        "start" events                    an unknown context begins with these
//   note line    as in a binding note: "per" …, name "=" provider ":" tracepoint …; a line that is indented goes on
//
// NAME: capitals, digits and _. Names of events have small letters. An atom that is not defined is true at the event of
// its name in small letters. Source: tools/verification/rvgen/rvgen/ltl2ba.py; Documentation/trace/rv/
// linear_temporal_logic.rst
#pragma once

#include <vector>

#include "codegen/diagnostic.hpp"
#include "codegen/dot_tokens.hpp"
#include "codegen/source_text.hpp"
#include "codegen/syntax.hpp"

namespace lockstep::codegen::syntax {

// Formulas are terms: names, and unary and binary operators spelled as words. `true` and `false` are names.
struct LtlDefinition {
    Name name;
    Term formula;
};

struct LtlAtom {
    Name name;
    bool stays = false;  // "from … to …"
    std::vector<Name> from;
    std::vector<Name> to;  // empty for "at"
};

struct LtlFile {
    std::vector<LtlDefinition> definitions;
    std::vector<LtlAtom> atoms;
    std::vector<Name> start;
    Note note;
    bool has_note = false;
    std::vector<CommentLine> comments;
    std::uint32_t begin = 0;  // of the first statement
};

}  // namespace lockstep::codegen::syntax

namespace lockstep::codegen {

// What is wrong is added to diagnostics; what could be read is returned.
syntax::LtlFile parse_ltl(const SourceText& source, std::vector<Diagnostic>& diagnostics);

}  // namespace lockstep::codegen
