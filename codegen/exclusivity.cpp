#include "codegen/exclusivity.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string>

namespace lockstep::codegen {
namespace {

using Kind = Expression::Kind;

// An expression as a key: equal text, equal value, whatever it is.
std::string canonical(const Expression& e) {
    std::string key = std::to_string(static_cast<int>(e.kind)) + "." + std::to_string(e.index) + "." +
                      std::to_string(static_cast<int>(e.origin));
    if (e.kind == Kind::literal) {
        key += e.type.type == Type::string
                   ? "'" + e.text + "'"
                   : std::to_string(static_cast<std::int64_t>(e.integer)) + (e.integer > 0 ? "+" : "-");
    }
    key += "(";
    for (const Expression& operand : e.operands) key += canonical(operand) + ",";
    return key + ")";
}

std::string size_key(std::uint32_t index) {
    Expression size;
    size.kind = Kind::size;
    size.index = index;
    return canonical(size);
}

enum Relation : unsigned { below = 1, same = 2, above = 4 };

unsigned relations_of(Kind kind) {
    switch (kind) {
        case Kind::equal:
            return same;
        case Kind::not_equal:
            return below | above;
        case Kind::less:
            return below;
        case Kind::less_equal:
            return below | same;
        case Kind::greater:
            return above;
        case Kind::greater_equal:
            return above | same;
        default:
            return 0;
    }
}

unsigned mirrored(unsigned relations) {
    return (relations & same) | ((relations & below) ? above : 0U) | ((relations & above) ? below : 0U);
}

// An expression that is asked for its truth, or its contrary.
struct Literal {
    const Expression* atom = nullptr;
    bool holds = true;
};
using Conjunction = std::vector<Literal>;
using Disjunction = std::vector<Conjunction>;

constexpr std::size_t most_conjunctions = 512;

// nullopt: it grows too large to be worth the effort.
std::optional<Disjunction> both(const Disjunction& a, const Disjunction& b) {
    if (a.size() * b.size() > most_conjunctions) return std::nullopt;
    Disjunction product;
    for (const Conjunction& left : a)
        for (const Conjunction& right : b) {
            product.push_back(left);
            product.back().insert(product.back().end(), right.begin(), right.end());
        }
    return product;
}

std::optional<Disjunction> disjunctive(const Expression& e, bool holds) {
    if (e.kind == Kind::logical_not) return disjunctive(e.operands[0], !holds);
    if (e.kind != Kind::logical_and && e.kind != Kind::logical_or) return Disjunction{{Literal{&e, holds}}};
    auto left = disjunctive(e.operands[0], holds);
    auto right = disjunctive(e.operands[1], holds);
    if (!left || !right) return std::nullopt;
    if ((e.kind == Kind::logical_and) == holds) return both(*left, *right);
    left->insert(left->end(), right->begin(), right->end());
    if (left->size() > most_conjunctions) return std::nullopt;
    return left;
}

std::optional<Disjunction> disjunctive(const std::vector<Expression>& guards) {
    Disjunction all{{}};
    for (const Expression& guard : guards) {
        const auto one = disjunctive(guard, true);
        auto product = one ? both(all, *one) : std::nullopt;
        if (!product) return std::nullopt;
        all = std::move(*product);
    }
    return all;
}

// What is known when all literals of a conjunction hold; `contradiction` once they can't.
class Knowledge {
 public:
    void learn(const Literal& literal) {
        const Expression& e = *literal.atom;
        if (e.kind == Kind::literal) {
            if ((e.integer != 0) != literal.holds) contradiction_ = true;
        } else if (relations_of(e.kind) != 0) {
            learn_comparison(e, literal.holds);
        } else {
            learn_truth(e, literal.holds);
        }
    }

    bool contradictory() const { return contradiction_; }

 private:
    struct Bounds {
        Integer lowest = integer_lowest;
        Integer highest = integer_highest;
        std::set<Integer> excluded;
        std::optional<std::string> text;  // a string that it equals
        std::set<std::string> excluded_texts;
    };

    void learn_truth(const Expression& e, bool holds) {
        if (e.kind == Kind::empty) return limit(bounds(size_key(e.index), true), holds ? same : above, 0);
        if (holds && (e.kind == Kind::contains || e.kind == Kind::conflicts))
            limit(bounds(size_key(e.index), true), above, 0);
        const auto [known, added] = truths_.try_emplace(canonical(e), holds);
        if (!added && known->second != holds) contradiction_ = true;
    }

    void learn_comparison(const Expression& e, bool holds) {
        const Expression& left = e.operands[0];
        const Expression& right = e.operands[1];
        unsigned relations = relations_of(e.kind);
        if (!holds) relations = (below | same | above) & ~relations;
        if (left.type.type == Type::flag) return learn_flags(left, right, relations == same);
        if (left.kind == Kind::literal && right.kind == Kind::literal && left.type.type != Type::string) {
            const unsigned actual = left.integer < right.integer ? below : left.integer == right.integer ? same : above;
            if ((relations & actual) == 0) contradiction_ = true;
        } else if (right.kind == Kind::literal) {
            learn_bound(left, relations, right);
        } else if (left.kind == Kind::literal) {
            learn_bound(right, mirrored(relations), left);
        } else {
            learn_pair(left, relations, right);
        }
    }

    void learn_flags(const Expression& left, const Expression& right, bool equal) {
        const bool left_constant = left.kind == Kind::literal;
        if (!left_constant && right.kind != Kind::literal) return learn_pair(left, equal ? same : below | above, right);
        const Expression& constant = left_constant ? left : right;
        const auto implied = disjunctive(left_constant ? right : left, (constant.integer != 0) == equal);
        // One conjunction only: of a disjunction nothing can be said here.
        if (implied && implied->size() == 1)
            for (const Literal& literal : implied->front()) learn(literal);
    }

    void learn_bound(const Expression& term, unsigned relations, const Expression& constant) {
        Bounds& known = bounds(canonical(term), is_natural(term));
        if (term.type.type == Type::string) {
            learn_text(known, relations == same, constant.text);
        } else {
            limit(known, relations, constant.integer);
        }
    }

    static bool is_natural(const Expression& term) {
        return term.kind == Kind::size || term.type.type == Type::duration ||
               (term.type.type == Type::integer && !term.type.is_signed);
    }

    Bounds& bounds(const std::string& key, bool natural) {
        Bounds& known = bounds_[key];
        if (natural) known.lowest = std::max<Integer>(known.lowest, 0);
        return known;
    }

    void learn_text(Bounds& known, bool equal, const std::string& text) {
        if (!equal)
            known.excluded_texts.insert(text);
        else if (known.text && *known.text != text)
            contradiction_ = true;
        else
            known.text = text;
        if (known.text && known.excluded_texts.contains(*known.text)) contradiction_ = true;
    }

    void limit(Bounds& known, unsigned relations, Integer constant) {
        if (relations == (below | above)) {
            known.excluded.insert(constant);
        } else {
            if (!(relations & above))
                known.highest = std::min(known.highest, (relations & same) ? constant : constant - 1);
            if (!(relations & below))
                known.lowest = std::max(known.lowest, (relations & same) ? constant : constant + 1);
        }
        while (known.excluded.contains(known.lowest)) ++known.lowest;
        while (known.excluded.contains(known.highest)) --known.highest;
        if (known.lowest > known.highest) contradiction_ = true;
    }

    void learn_pair(const Expression& left, unsigned relations, const Expression& right) {
        std::string a = canonical(left);
        std::string b = canonical(right);
        if (a == b) relations &= same;
        if (b < a) {
            std::swap(a, b);
            relations = mirrored(relations);
        }
        unsigned& known = pairs_.try_emplace({a, b}, below | same | above).first->second;
        known &= relations;
        if (known == 0) contradiction_ = true;
    }

    bool contradiction_ = false;
    std::map<std::string, bool> truths_;
    std::map<std::string, Bounds> bounds_;
    std::map<std::pair<std::string, std::string>, unsigned> pairs_;
};

bool contradicts(const Conjunction& a, const Conjunction& b) {
    Knowledge knowledge;
    for (const Literal& literal : a) knowledge.learn(literal);
    for (const Literal& literal : b) knowledge.learn(literal);
    return knowledge.contradictory();
}

}  // namespace

bool exclude_each_other(const std::vector<Expression>& a, const std::vector<Expression>& b) {
    const auto left = disjunctive(a);
    const auto right = disjunctive(b);
    if (!left || !right || left->size() * right->size() > most_conjunctions * most_conjunctions / 4) return false;
    return std::ranges::all_of(*left, [&](const Conjunction& one) {
        return std::ranges::all_of(*right, [&](const Conjunction& other) { return contradicts(one, other); });
    });
}

bool never_hold(const std::vector<Expression>& guards) {
    const auto all = disjunctive(guards);
    return all && std::ranges::all_of(*all, [](const Conjunction& one) { return contradicts(one, {}); });
}

}  // namespace lockstep::codegen
