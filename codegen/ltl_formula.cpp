#include "codegen/ltl_formula.hpp"

#include <optional>
#include <utility>

namespace lockstep::codegen::ltl {
namespace {

constexpr std::size_t longest_text = 200;

}  // namespace

FormulaPool::FormulaPool() {
    make(Op::no, 0, 0, 0);
    make(Op::yes, 0, 0, 0);
}

FormulaId FormulaPool::make(Op op, AtomId atom, FormulaId left, FormulaId right) {
    const auto [found, added] = ids_.try_emplace({op, atom, left, right}, static_cast<FormulaId>(formulas_.size()));
    if (!added) return found->second;
    const bool joins = op == Op::conjunction || op == Op::disjunction;
    const bool plain = op == Op::no || op == Op::yes || op == Op::atom || op == Op::not_atom;
    propositional_.push_back(plain || (joins && propositional_[left] && propositional_[right]));
    formulas_.push_back({op, atom, left, right});
    return found->second;
}

FormulaId FormulaPool::atom(AtomId atom, bool positive) {
    return make(positive ? Op::atom : Op::not_atom, atom, 0, 0);
}

FormulaId FormulaPool::both(FormulaId a, FormulaId b) {
    if (a > b) std::swap(a, b);
    if (a == literal(false)) return a;
    if (a == literal(true) || a == b) return b;
    const bool opposite =
        formulas_[a].atom == formulas_[b].atom && ((formulas_[a].op == Op::atom && formulas_[b].op == Op::not_atom) ||
                                                   (formulas_[a].op == Op::not_atom && formulas_[b].op == Op::atom));
    return opposite ? literal(false) : make(Op::conjunction, 0, a, b);
}

FormulaId FormulaPool::either(FormulaId a, FormulaId b) {
    return negation(both(negation(a), negation(b)));
}

FormulaId FormulaPool::until(FormulaId a, FormulaId b) {
    if (b == literal(true) || b == literal(false) || a == literal(false)) return b;
    if (formulas_[b].op == Op::until && formulas_[b].left == a) return b;
    return make(Op::until, 0, a, b);
}

FormulaId FormulaPool::release(FormulaId a, FormulaId b) {
    if (b == literal(true) || b == literal(false) || a == literal(true)) return b;
    if (formulas_[b].op == Op::release && formulas_[b].left == a) return b;
    return make(Op::release, 0, a, b);
}

FormulaId FormulaPool::next(FormulaId a) {
    return a == literal(true) || a == literal(false) ? a : make(Op::next, 0, a, 0);
}

FormulaId FormulaPool::negation(FormulaId a) {
    if (const auto known = negations_.find(a); known != negations_.end()) return known->second;
    const Formula f = formulas_[a];
    FormulaId result = 0;
    switch (f.op) {
        case Op::no:
        case Op::yes:
            result = literal(f.op == Op::no);
            break;
        case Op::atom:
        case Op::not_atom:
            result = atom(f.atom, f.op == Op::not_atom);
            break;
        case Op::conjunction: {
            FormulaId left = negation(f.left), right = negation(f.right);
            if (left > right) std::swap(left, right);
            result = make(Op::disjunction, 0, left, right);
            break;
        }
        case Op::disjunction:
            result = both(negation(f.left), negation(f.right));
            break;
        case Op::until:
            result = release(negation(f.left), negation(f.right));
            break;
        case Op::release:
            result = until(negation(f.left), negation(f.right));
            break;
        case Op::next:
            result = next(negation(f.left));
            break;
    }
    negations_[a] = result;
    negations_[result] = a;
    return result;
}

FormulaId FormulaPool::assume(FormulaId id, const Valuation& known) {
    const Formula f = formulas_[id];
    switch (f.op) {
        case Op::atom:
        case Op::not_atom: {
            const auto value = known.find(f.atom);
            return value == known.end() ? id : literal(value->second == (f.op == Op::atom));
        }
        case Op::conjunction: {
            const FormulaId left = assume(f.left, known);
            return left == literal(false) ? left : both(left, assume(f.right, known));
        }
        case Op::disjunction: {
            const FormulaId left = assume(f.left, known);
            return left == literal(true) ? left : either(left, assume(f.right, known));
        }
        default:
            return id;
    }
}

bool FormulaPool::is_satisfiable(FormulaId id) {
    if (id == literal(true) || id == literal(false)) return id == literal(true);
    Formula f = formulas_[id];
    while (f.op == Op::conjunction || f.op == Op::disjunction) f = formulas_[f.left];
    return is_satisfiable(assume(id, {{f.atom, true}})) || is_satisfiable(assume(id, {{f.atom, false}}));
}

std::string FormulaPool::text(FormulaId id, const std::vector<std::string>& atom_names) const {
    std::string text;
    print(id, atom_names, false, text);
    if (text.size() > longest_text) text = text.substr(0, longest_text) + "...";
    return text;
}

void FormulaPool::print(FormulaId id, const std::vector<std::string>& atom_names, bool nested,
                        std::string& into) const {
    if (into.size() > longest_text) return;
    const Formula& f = formulas_[id];
    const auto join = [&](const char* word) {
        if (nested) into += '(';
        print(f.left, atom_names, true, into);
        into += word;
        print(f.right, atom_names, true, into);
        if (nested) into += ')';
    };
    switch (f.op) {
        case Op::no:
        case Op::yes:
            into += f.op == Op::yes ? "true" : "false";
            return;
        case Op::atom:
            into += atom_names[f.atom];
            return;
        case Op::not_atom:
            into += (nested ? "(not " : "not ") + atom_names[f.atom] + (nested ? ")" : "");
            return;
        case Op::conjunction:
            return join(" and ");
        case Op::disjunction:
            return join(" or ");
        case Op::until:
            if (f.left != literal(true)) return join(" until ");
            break;
        case Op::release:
            if (f.left != literal(false)) return join(" release ");
            break;
        case Op::next:
            break;
    }
    into += nested ? "(" : "";
    into += f.op == Op::until ? "eventually " : f.op == Op::release ? "always " : "next ";
    print(f.op == Op::next ? f.left : f.right, atom_names, true, into);
    into += nested ? ")" : "";
}

}  // namespace lockstep::codegen::ltl
