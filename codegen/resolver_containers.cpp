// The part of the resolver that reads questions to sets, maps and ranges.
#include <algorithm>

#include "codegen/parser.hpp"
#include "codegen/resolver.hpp"
#include "codegen/suggestion.hpp"

namespace lockstep::codegen {

using syntax::Term;
using Kind = Expression::Kind;

// --------------------------------------------------------------------------------------------------------

std::optional<std::uint32_t> Resolver::container(const Term& term, std::initializer_list<Register::Kind> kinds,
                                                 const std::string& wanted, const std::string& type_example) {
    const bool named = term.kind == Term::Kind::name || term.kind == Term::Kind::index || term.kind == Term::Kind::call;
    const auto index = named ? find_register(term.text) : std::nullopt;
    if (!index && named && broken_.contains(term.text)) return std::nullopt;
    if (!index) {
        std::vector<std::string> names;
        for (const Register& declared : model_.registers)
            if (std::ranges::find(kinds, declared.kind) != kinds.end()) names.push_back(declared.name);
        error(term.name_span, "undeclared-name",
              "`" + written(term.name_span) + "` is not declared; " + wanted + " is expected here",
              suggest(term.text, names,
                      "declare it in the binding note: `" + (named ? term.text : "name") + ": " + type_example + "`"));
        return std::nullopt;
    }
    if (std::ranges::find(kinds, model_.registers[*index].kind) == kinds.end()) {
        error(term.name_span, "type-mismatch",
              "`" + term.text + "` is " + describe(model_.registers[*index].kind) + ", not " + wanted);
        return std::nullopt;
    }
    return index;
}

Resolver::Resolved Resolver::membership(const Term& term, const Scope& scope) {
    const auto index = container(term.operands[1], {Register::Kind::set, Register::Kind::map, Register::Kind::ranges},
                                 "a set, a map or a ranges register", "set of int");
    if (!index) return std::nullopt;
    const Register& found = model_.registers[*index];
    Resolved member = typed(term.operands[0], scope, found.key, "what `" + found.name + "` holds");
    if (!member) return std::nullopt;
    Expression expression = make(Kind::contains, flag_type, term);
    expression.index = *index;
    expression.operands.push_back(std::move(*member));
    return expression;
}

Resolver::Resolved Resolver::element(const Term& term, const Scope& scope) {
    const auto index = container(term, {Register::Kind::map}, "a map", "map int -> int");
    if (!index) return std::nullopt;
    Resolved key = typed(term.operands[0], scope, model_.registers[*index].key, "a key of `" + term.text + "`");
    if (!key) return std::nullopt;
    Expression expression = make(Kind::element, model_.registers[*index].value, term);
    expression.index = *index;
    expression.operands.push_back(std::move(*key));
    return expression;
}

bool Resolver::argument_count(const Term& term, std::size_t least, std::size_t most, const std::string& usage) {
    if (term.operands.size() >= least && term.operands.size() <= most) return true;
    error(term.span, "argument-count",
          "`" + term.text + "` has " + std::to_string(term.operands.size()) + " arguments here",
          "write `" + usage + "`");
    return false;
}

Resolver::Resolved Resolver::call(const Term& term, const Scope& scope) {
    if (term.text == "size" || term.text == "empty") return size_or_empty(term, scope);
    if (term.text == "compatible") return compatible(term, scope);
    if (term.text == "conflicts" || term.text == "leaves_empty") return range_query(term, scope);
    if (is_action_name(term.text)) {
        error(term.span, "action-in-expression", "`" + term.text + "` is an action, not a value",
              "let it stand between `;` on its own");
        return std::nullopt;
    }
    if (free_names_) return free_parameter(term);
    error(term.name_span, "undeclared-name", "there is no function `" + term.text + "`",
          suggest(term.text,
                  {"size", "empty", "compatible", "conflicts", "leaves_empty", "reset", "erase", "insert", "clear",
                   "lock", "unlock"},
                  "functions are size, empty, compatible, conflicts and leaves_empty"));
    return std::nullopt;
}

Resolver::Resolved Resolver::size_or_empty(const Term& term, const Scope&) {
    if (!argument_count(term, 1, 1, term.text + "(register)")) return std::nullopt;
    const auto index = container(term.operands[0], {Register::Kind::set, Register::Kind::map, Register::Kind::ranges},
                                 "a set, a map or a ranges register", "set of int");
    if (!index) return std::nullopt;
    Expression expression =
        term.text == "size" ? make(Kind::size, unsigned_type, term) : make(Kind::empty, flag_type, term);
    expression.index = *index;
    return expression;
}

// compatible(mode, mode), compatible(mode, map) or compatible(mode, map, key)
Resolver::Resolved Resolver::compatible(const Term& term, const Scope& scope) {
    if (!argument_count(term, 2, 3, "compatible(mode, holders) or compatible(mode, holders, owner)"))
        return std::nullopt;
    Resolved mode = typed(term.operands[0], scope, unsigned_type, "a mode");
    if (!mode) return std::nullopt;
    const auto named = find_register(term.operands[1].text);
    const bool with_map =
        term.operands[1].kind == Term::Kind::name && named && model_.registers[*named].kind == Register::Kind::map;
    Expression expression = make(with_map ? Kind::compatible_with_all : Kind::compatible, flag_type, term);
    expression.operands.push_back(std::move(*mode));
    if (!with_map) {
        if (term.operands.size() == 3) {
            container(term.operands[1], {Register::Kind::map}, "a map of modes", "map owner -> mode");
            return std::nullopt;
        }
        Resolved other = typed(term.operands[1], scope, unsigned_type, "a mode");
        if (!other) return std::nullopt;
        expression.operands.push_back(std::move(*other));
        return expression;
    }
    const Register& holders = model_.registers[*named];
    if (holders.value.type != Type::integer) {
        error(term.operands[1].span, "type-mismatch", "the values of `" + holders.name + "` are no modes");
        return std::nullopt;
    }
    expression.index = *named;
    if (term.operands.size() == 3) {
        Resolved key = typed(term.operands[2], scope, holders.key, "a key of `" + holders.name + "`");
        if (!key) return std::nullopt;
        expression.operands.push_back(std::move(*key));
    }
    return expression;
}

Resolver::Resolved Resolver::range_query(const Term& term, const Scope& scope) {
    const bool with_mode = term.text == "conflicts";
    const std::string usage =
        term.text + (with_mode ? "(ranges, owner, first, last, mode)" : "(ranges, owner, first, last)");
    if (!argument_count(term, with_mode ? 5 : 4, with_mode ? 5 : 4, usage)) return std::nullopt;
    const auto index = container(term.operands[0], {Register::Kind::ranges}, "a ranges register", "ranges of owner");
    if (!index) return std::nullopt;
    auto arguments = range_arguments(term, scope, *index, with_mode);
    if (!arguments) return std::nullopt;
    Expression expression = make(with_mode ? Kind::conflicts : Kind::leaves_empty, flag_type, term);
    expression.index = *index;
    expression.operands = std::move(*arguments);
    return expression;
}

// What follows the register in conflicts, leaves_empty, lock and unlock: owner, first, last and, for two of them, mode.
std::optional<std::vector<Expression>> Resolver::range_arguments(const Term& term, const Scope& scope,
                                                                 std::uint32_t index, bool with_mode) {
    const std::string name = model_.registers[index].name;
    const ValueType owner_type = model_.registers[index].key;
    std::vector<Resolved> resolved;
    resolved.push_back(typed(term.operands[1], scope, owner_type, "an owner of `" + name + "`"));
    resolved.push_back(typed(term.operands[2], scope, unsigned_type, "the first byte"));
    resolved.push_back(typed(term.operands[3], scope, unsigned_type, "the last byte"));
    if (with_mode) resolved.push_back(typed(term.operands[4], scope, unsigned_type, "a mode"));
    std::vector<Expression> arguments;
    for (Resolved& argument : resolved) {
        if (!argument) return std::nullopt;
        arguments.push_back(std::move(*argument));
    }
    return arguments;
}

}  // namespace lockstep::codegen
