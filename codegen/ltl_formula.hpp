// Formulas of linear temporal logic in negation normal form (negations stand at atoms only), each kept once, so that
// equal formulas are equal numbers. Derived operators are gone: `eventually f` is `true until f`, `always f` is
// `false release f`, `imply` and `equivalent` are `or` and `and`.
// Source: Baier, Katoen: Principles of Model Checking, 5.1 (release and the positive normal form).
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <tuple>
#include <vector>

namespace lockstep::codegen::ltl {

using FormulaId = std::uint32_t;
using AtomId = std::uint32_t;

enum class Op : std::uint8_t { no, yes, atom, not_atom, conjunction, disjunction, until, release, next };

struct Formula {
    Op op = Op::no;
    AtomId atom = 0;      // atom, not_atom
    FormulaId left = 0;   // conjunction, disjunction, until, release, next
    FormulaId right = 0;  // conjunction, disjunction, until, release
};

// What is known of atoms at one moment.
using Valuation = std::map<AtomId, bool>;

// Owns the formulas. What is trivially so is simplified when it is made (`f and true` is f).
class FormulaPool {
 public:
    FormulaPool();

    FormulaId literal(bool value) const { return value ? 1 : 0; }
    FormulaId atom(AtomId atom, bool positive);
    FormulaId both(FormulaId a, FormulaId b);
    FormulaId either(FormulaId a, FormulaId b);
    FormulaId until(FormulaId a, FormulaId b);
    FormulaId release(FormulaId a, FormulaId b);
    FormulaId next(FormulaId a);
    FormulaId negation(FormulaId a);

    Formula operator[](FormulaId id) const { return formulas_[id]; }
    std::size_t size() const { return formulas_.size(); }

    // No temporal operator occurs in it: it is decided by the present moment.
    bool is_propositional(FormulaId id) const { return propositional_[id]; }

    // A propositional formula with some of its atoms known.
    FormulaId assume(FormulaId id, const Valuation& known);

    // Whether some valuation makes a propositional formula true.
    bool is_satisfiable(FormulaId id);

    // In the kernel's words, with parentheses; cut off after some 200 characters.
    std::string text(FormulaId id, const std::vector<std::string>& atom_names) const;

 private:
    FormulaId make(Op op, AtomId atom, FormulaId left, FormulaId right);
    void print(FormulaId id, const std::vector<std::string>& atom_names, bool nested, std::string& into) const;

    std::vector<Formula> formulas_;
    std::vector<bool> propositional_;
    std::map<std::tuple<Op, AtomId, FormulaId, FormulaId>, FormulaId> ids_;
    std::map<FormulaId, FormulaId> negations_;
};

}  // namespace lockstep::codegen::ltl
