#include "codegen/ltl_tableau.hpp"

#include <algorithm>
#include <functional>

namespace lockstep::codegen::ltl {
namespace {

constexpr std::size_t most_states = 2'000;
constexpr std::size_t most_transitions = 50'000;

}  // namespace

void add_obligation(FormulaId f, const FormulaPool& pool, Obligations& into) {
    if (f == pool.literal(true)) return;
    if (pool[f].op != Op::conjunction || pool.is_propositional(f)) {
        into.insert(f);
        return;
    }
    add_obligation(pool[f].left, pool, into);
    add_obligation(pool[f].right, pool, into);
}

Tableau::Tableau(FormulaId formula, const std::vector<Letter>& letters, FormulaPool& pool)
    : letters_(letters), pool_(pool) {
    Obligations first;
    add_obligation(formula, pool, first);
    state_of(first);
    for (std::uint32_t i = 0; i < states_.size(); ++i) expand(i);
    find_live_states();
}

std::uint32_t Tableau::state_of(const Obligations& owed) {
    const auto [found, added] = ids_.try_emplace(owed, static_cast<std::uint32_t>(states_.size()));
    if (added) {
        if (states_.size() >= most_states) throw TooLarge("its tableau has more than 2000 states");
        states_.push_back({owed, {}, false});
    }
    return found->second;
}

void Tableau::expand(std::uint32_t state) {
    std::vector<Branch> open = {{states_[state].owed, {}, {}, {}}};
    std::set<std::tuple<Obligations, Obligations, Obligations>> known;
    while (!open.empty()) {
        Branch branch = std::move(open.back());
        open.pop_back();
        if (!branch.todo.empty()) {
            const FormulaId formula = *branch.todo.begin();
            branch.todo.erase(branch.todo.begin());
            take(formula, std::move(branch), open);
            if (open.size() > most_transitions) throw TooLarge("its tableau has more than 50000 transitions");
            continue;
        }
        if (!known.insert({branch.label, branch.postponed, branch.next}).second || !can_happen(branch.label)) continue;
        if (++transitions_ > most_transitions) throw TooLarge("its tableau has more than 50000 transitions");
        const std::uint32_t target = state_of(branch.next);
        states_[state].transitions.push_back({std::move(branch.label), std::move(branch.postponed), target});
    }
}

// One formula of a branch: what it asks of now, and what of later.
void Tableau::take(FormulaId formula, Branch branch, std::vector<Branch>& open) {
    const Formula f = pool_[formula];
    if (formula == pool_.literal(false)) return;
    if (pool_.is_propositional(formula)) {
        if (formula != pool_.literal(true)) branch.label.insert(formula);
        open.push_back(std::move(branch));
        return;
    }
    switch (f.op) {
        case Op::conjunction:
            branch.todo.insert({f.left, f.right});
            open.push_back(std::move(branch));
            return;
        case Op::disjunction: {
            Branch other = branch;
            other.todo.insert(f.right);
            open.push_back(std::move(other));
            branch.todo.insert(f.left);
            open.push_back(std::move(branch));
            return;
        }
        case Op::until: {
            Branch reached = branch;
            reached.todo.insert(f.right);
            open.push_back(std::move(reached));
            branch.todo.insert(f.left);
            branch.next.insert(formula);
            branch.postponed.insert(formula);
            open.push_back(std::move(branch));
            return;
        }
        case Op::release: {
            branch.todo.insert(f.right);
            Branch released = branch;
            released.todo.insert(f.left);
            open.push_back(std::move(released));
            branch.next.insert(formula);
            open.push_back(std::move(branch));
            return;
        }
        case Op::next:
            add_obligation(f.left, pool_, branch.next);
            open.push_back(std::move(branch));
            return;
        default:
            return;
    }
}

FormulaId Tableau::remainder(const Obligations& label, const Letter& letter) const {
    FormulaId all = pool_.literal(true);
    for (const FormulaId part : label) all = pool_.both(all, pool_.assume(part, letter.known));
    return all;
}

bool Tableau::can_happen(const Obligations& label) const {
    return std::ranges::any_of(letters_,
                               [&](const Letter& letter) { return pool_.is_satisfiable(remainder(label, letter)); });
}

// A state is live when it reaches a strongly connected component in which every `until` is somewhere not postponed.
void Tableau::find_live_states() {
    constexpr std::uint32_t none = UINT32_MAX;
    std::vector<std::vector<std::uint32_t>> sources(states_.size());
    for (std::uint32_t i = 0; i < states_.size(); ++i)
        for (const TableauTransition& each : states_[i].transitions) sources[each.target].push_back(i);

    // Kosaraju: the order in which states are left, then backwards from the last.
    std::vector<std::uint32_t> order;
    std::vector<bool> seen(states_.size(), false);
    const std::function<void(std::uint32_t)> visit = [&](std::uint32_t state) {
        if (seen[state]) return;
        seen[state] = true;
        for (const TableauTransition& each : states_[state].transitions) visit(each.target);
        order.push_back(state);
    };
    for (std::uint32_t i = 0; i < states_.size(); ++i) visit(i);

    std::vector<std::uint32_t> component_of(states_.size(), none);
    std::vector<std::uint32_t> open;
    for (auto root = order.rbegin(); root != order.rend(); ++root) {
        if (component_of[*root] != none) continue;
        std::vector<std::uint32_t> component = {*root};
        component_of[*root] = *root;
        for (std::size_t i = 0; i < component.size(); ++i)
            for (const std::uint32_t source : sources[component[i]])
                if (component_of[source] == none) {
                    component_of[source] = *root;
                    component.push_back(source);
                }
        if (accepts(component, component_of)) open.insert(open.end(), component.begin(), component.end());
    }
    while (!open.empty()) {
        const std::uint32_t state = open.back();
        open.pop_back();
        if (states_[state].live) continue;
        states_[state].live = true;
        open.insert(open.end(), sources[state].begin(), sources[state].end());
    }
}

bool Tableau::accepts(const std::vector<std::uint32_t>& component,
                      const std::vector<std::uint32_t>& component_of) const {
    bool has_cycle = false;
    Obligations always_postponed;
    for (const std::uint32_t state : component)
        for (const TableauTransition& each : states_[state].transitions) {
            if (component_of[each.target] != component_of[state]) continue;
            if (!has_cycle) {
                always_postponed = each.postponed;
                has_cycle = true;
            } else {
                std::erase_if(always_postponed, [&](FormulaId until) { return !each.postponed.contains(until); });
            }
        }
    return has_cycle && always_postponed.empty();
}

}  // namespace lockstep::codegen::ltl
