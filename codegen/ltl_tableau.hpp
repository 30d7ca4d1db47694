// The tableau of a formula: its states are sets of formulas that must hold from here on, its transitions say what must
// be true now and what is owed afterwards. A run is accepted when no `until` is postponed for ever. Internal to
// codegen/ltl_automaton.cpp, and its tests.
#pragma once

#include <map>
#include <set>
#include <vector>

#include "codegen/ltl_automaton.hpp"
#include "codegen/ltl_formula.hpp"

namespace lockstep::codegen::ltl {

using Obligations = std::set<FormulaId>;

struct TableauTransition {
    Obligations label;      // propositional: must hold now
    Obligations postponed;  // `until`s whose right side is put off
    std::uint32_t target = 0;
};

struct TableauState {
    Obligations owed;
    std::vector<TableauTransition> transitions;
    bool live = false;  // some run from here is accepted
};

class Tableau {
 public:
    // Throws TooLarge.
    Tableau(FormulaId formula, const std::vector<Letter>& letters, FormulaPool& pool);

    const std::vector<TableauState>& states() const { return states_; }
    std::uint32_t initial() const { return 0; }

    // Conjunction of what the letter leaves open of a label; literal(false): it can't hold at this letter.
    FormulaId remainder(const Obligations& label, const Letter& letter) const;

 private:
    struct Branch {
        Obligations todo, label, postponed, next;
    };

    std::uint32_t state_of(const Obligations& owed);
    void expand(std::uint32_t state);
    void take(FormulaId formula, Branch branch, std::vector<Branch>& open);
    bool can_happen(const Obligations& label) const;
    void find_live_states();
    bool accepts(const std::vector<std::uint32_t>& component, const std::vector<std::uint32_t>& component_of) const;

    const std::vector<Letter>& letters_;
    FormulaPool& pool_;
    std::vector<TableauState> states_;
    std::map<Obligations, std::uint32_t> ids_;
    std::size_t transitions_ = 0;
};

// f is a conjunction: its parts are added, not f itself.
void add_obligation(FormulaId f, const FormulaPool& pool, Obligations& into);

}  // namespace lockstep::codegen::ltl
