// From a formula to the deterministic automaton that says, after each event, whether the run so far can still fulfil
// it. "No" is final and told at the earliest event after which no continuation fulfils the formula.
//
//   formula ─► tableau: what is owed from here on ─► states from which nothing can fulfil it are removed
//           ─► deterministic: the sets of what may be owed ─► edges per event, with guards over the atoms that stay
//
// Source: Gerth, Peled, Vardi, Wolper: Simple on-the-fly automatic verification of linear temporal logic, 1996 (the
// tableau, which the kernel's rvgen uses too); Bauer, Leucker, Schallhart: Runtime verification for LTL and TLTL, 2011
// (bad prefixes: what is monitored is the language's safety closure).
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include "codegen/ltl_formula.hpp"

namespace lockstep::codegen::ltl {

// A kind of moment: an event, and the atoms that are known when it happens. All other atoms keep their value.
struct Letter {
    Valuation known;
};

struct AutomatonEdge {
    std::uint32_t source = 0;
    std::uint32_t letter = 0;
    std::uint32_t target = 0;
    // All hold: propositional formulas over the atoms that the letter leaves as they were. The guards of the edges of
    // one state and letter exclude each other.
    std::vector<FormulaId> guards;
};

struct AutomatonState {
    // Alternatives, in each what is owed besides: formulas that must hold of what comes. {{}}: nothing is owed.
    std::vector<std::vector<FormulaId>> owed;
    // In some alternative nothing is owed that a run may not end with (an `until` not yet reached, a `next`).
    bool may_end = false;
};

struct Automaton {
    std::vector<AutomatonState> states;  // the first is the initial one; none: nothing fulfils the formula
    std::vector<AutomatonEdge> edges;    // where there is none, the formula is violated
};

// The formula's automaton would be larger than is sensible (2,000 states of the tableau, 1,000 states, 20,000 edges).
struct TooLarge : std::runtime_error {
    using std::runtime_error::runtime_error;
};

// Throws TooLarge.
Automaton automaton_of(FormulaId formula, const std::vector<Letter>& letters, FormulaPool& pool);

}  // namespace lockstep::codegen::ltl
