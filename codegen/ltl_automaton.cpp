#include "codegen/ltl_automaton.hpp"

#include <algorithm>
#include <map>
#include <memory>
#include <optional>

#include "codegen/ltl_tableau.hpp"

namespace lockstep::codegen::ltl {
namespace {

constexpr std::size_t most_states = 1'000;
constexpr std::size_t most_edges = 20'000;

// Tableau states that may be the case: a state of the deterministic automaton.
using Alternatives = std::set<std::uint32_t>;

// A run may end where this is still owed.
bool is_weak(FormulaId id, const FormulaPool& pool) {
    const Formula f = pool[id];
    switch (f.op) {
        case Op::yes:
        case Op::release:
            return true;
        case Op::conjunction:
            return is_weak(f.left, pool) && is_weak(f.right, pool);
        case Op::disjunction:
            return is_weak(f.left, pool) || is_weak(f.right, pool);
        default:
            return false;
    }
}

class Determiniser {
 public:
    Determiniser(FormulaId formula, const std::vector<Letter>& letters, FormulaPool& pool)
        : letters_(letters), pool_(pool), tableau_(formula, letters, pool) {}

    Automaton run() {
        if (!tableau_.states()[tableau_.initial()].live) return {};
        state_of({tableau_.initial()});
        for (std::uint32_t i = 0; i < automaton_.states.size(); ++i)
            for (std::uint32_t letter = 0; letter < letters_.size(); ++letter) add_edges(i, letter);
        return std::move(automaton_);
    }

 private:
    // What may come: a condition that is still open, and the tableau state to which it leads.
    struct Candidate {
        FormulaId condition = 0;
        std::uint32_t target = 0;
    };

    // A tree of decisions: an outcome, or a question with both answers.
    struct Decision {
        Alternatives outcome;
        FormulaId question = 0;
        std::unique_ptr<Decision> holds, fails;

        friend bool operator==(const Decision& a, const Decision& b) {
            if (!a.holds || !b.holds) return !a.holds && !b.holds && a.outcome == b.outcome;
            return a.question == b.question && *a.holds == *b.holds && *a.fails == *b.fails;
        }
    };

    std::uint32_t state_of(const Alternatives& alternatives) {
        const auto [found, added] =
            ids_.try_emplace(alternatives, static_cast<std::uint32_t>(automaton_.states.size()));
        if (!added) return found->second;
        if (automaton_.states.size() >= most_states) throw TooLarge("its automaton has more than 1000 states");
        AutomatonState state;
        for (const std::uint32_t each : alternatives) {
            const Obligations& owed = tableau_.states()[each].owed;
            state.owed.emplace_back(owed.begin(), owed.end());
            state.may_end |= std::ranges::all_of(owed, [&](FormulaId f) { return is_weak(f, pool_); });
        }
        automaton_.states.push_back(std::move(state));
        members_.push_back(alternatives);
        return found->second;
    }

    void add_edges(std::uint32_t state, std::uint32_t letter) {
        std::vector<Candidate> candidates;
        for (const std::uint32_t member : members_[state])
            for (const TableauTransition& each : tableau_.states()[member].transitions) {
                if (!tableau_.states()[each.target].live) continue;
                const FormulaId condition = tableau_.remainder(each.label, letters_[letter]);
                if (pool_.is_satisfiable(condition)) candidates.push_back({condition, each.target});
            }
        const std::unique_ptr<Decision> decision = decide(std::move(candidates), pool_.literal(true));
        std::vector<FormulaId> guards;
        flatten(*decision, state, letter, guards);
    }

    // What an alternative owes, another owes too: the other adds nothing.
    bool covers(std::uint32_t a, std::uint32_t b) const {
        return std::ranges::includes(tableau_.states()[b].owed, tableau_.states()[a].owed);
    }

    // path: what has been decided on the way here.
    std::unique_ptr<Decision> decide(std::vector<Candidate> candidates, FormulaId path) {
        drop_covered(candidates);
        const auto open = std::ranges::find_if(
            candidates, [&](const Candidate& each) { return each.condition != pool_.literal(true); });
        auto decision = std::make_unique<Decision>();
        if (open == candidates.end()) {
            for (const Candidate& each : candidates) decision->outcome.insert(each.target);
            return decision;
        }
        decision->question = question_of(open->condition);
        decision->holds = answer(candidates, path, decision->question);
        decision->fails = answer(candidates, path, pool_.negation(decision->question));
        // An answer that can't be, or that makes no difference, is not asked for.
        if (decision->holds && decision->fails && !(*decision->holds == *decision->fails)) return decision;
        return std::move(decision->holds ? decision->holds : decision->fails);
    }

    // nullptr: after what was decided before, this is impossible.
    std::unique_ptr<Decision> answer(const std::vector<Candidate>& candidates, FormulaId path, FormulaId truth) {
        const FormulaId now = pool_.both(path, truth);
        if (!pool_.is_satisfiable(now)) return nullptr;
        std::vector<Candidate> left;
        for (const Candidate& each : candidates) {
            const FormulaId condition = simplify(each.condition, truth);
            if (pool_.is_satisfiable(pool_.both(condition, now))) left.push_back({condition, each.target});
        }
        return decide(std::move(left), now);
    }

    // The first part of a conjunction, without its negation: an atom, or a disjunction as a whole.
    FormulaId question_of(FormulaId condition) {
        while (pool_[condition].op == Op::conjunction) condition = pool_[condition].left;
        return pool_[condition].op == Op::not_atom ? pool_.negation(condition) : condition;
    }

    // A condition, knowing that `truth` holds.
    FormulaId simplify(FormulaId condition, FormulaId truth) {
        if (condition == truth) return pool_.literal(true);
        const Formula t = pool_[truth];
        if (t.op == Op::atom || t.op == Op::not_atom) return pool_.assume(condition, {{t.atom, t.op == Op::atom}});
        if (t.op == Op::conjunction) return simplify(simplify(condition, t.left), t.right);
        if (pool_[condition].op != Op::conjunction) return condition;
        const Formula c = pool_[condition];
        return pool_.both(simplify(c.left, truth), simplify(c.right, truth));
    }

    void drop_covered(std::vector<Candidate>& candidates) const {
        std::vector<Candidate> kept;
        for (const Candidate& each : candidates) {
            const auto better = [&](const Candidate& other) {
                const bool always = other.condition == pool_.literal(true) || other.condition == each.condition;
                return always && covers(other.target, each.target);
            };
            if (std::ranges::any_of(kept, better)) continue;
            std::erase_if(kept, [&](const Candidate& other) {
                const bool always = each.condition == pool_.literal(true) || other.condition == each.condition;
                return always && covers(each.target, other.target);
            });
            kept.push_back(each);
        }
        candidates = std::move(kept);
    }

    void flatten(const Decision& decision, std::uint32_t state, std::uint32_t letter, std::vector<FormulaId>& guards) {
        if (!decision.holds) {
            if (decision.outcome.empty()) return;
            if (automaton_.edges.size() >= most_edges) throw TooLarge("its automaton has more than 20000 edges");
            automaton_.edges.push_back({state, letter, state_of(decision.outcome), guards});
            return;
        }
        guards.push_back(decision.question);
        flatten(*decision.holds, state, letter, guards);
        guards.back() = pool_.negation(decision.question);
        flatten(*decision.fails, state, letter, guards);
        guards.pop_back();
    }

    const std::vector<Letter>& letters_;
    FormulaPool& pool_;
    Tableau tableau_;
    Automaton automaton_;
    std::vector<Alternatives> members_;  // of Automaton::states
    std::map<Alternatives, std::uint32_t> ids_;
};

}  // namespace

Automaton automaton_of(FormulaId formula, const std::vector<Letter>& letters, FormulaPool& pool) {
    return Determiniser(formula, letters, pool).run();
}

}  // namespace lockstep::codegen::ltl
