#include "codegen/ltl_model.hpp"

#include <algorithm>
#include <cctype>
#include <map>
#include <optional>
#include <set>

#include "codegen/comments.hpp"
#include "codegen/ltl_automaton.hpp"
#include "codegen/start_rules.hpp"
#include "codegen/suggestion.hpp"
#include "codegen/vocabulary.hpp"

namespace lockstep::codegen {
namespace {

using ltl::AtomId;
using ltl::FormulaId;
using syntax::LtlAtom;
using syntax::Name;
using syntax::Term;

constexpr std::string_view rule_name = "RULE";
constexpr std::size_t longest_state_name = 48;

std::string small_letters(std::string text) {
    for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    return text;
}

// An atom of the rule, with its events.
struct Atom {
    LtlAtom source;
    std::optional<std::uint32_t> flag;  // of an atom that stays: into Model::registers
};

class LtlBuilder {
 public:
    LtlBuilder(const syntax::LtlFile& file, const SourceText& source, const TracepointDeclarations& tracepoints,
               std::vector<Diagnostic>& diagnostics)
        : file_(file), source_(source), tracepoints_(tracepoints), diagnostics_(diagnostics) {}

    Model run(const std::string& name) {
        model_.name = name;
        model_.source = source_.text();
        const auto rule = read_rule();
        if (!rule) return std::move(model_);
        bind_atoms();
        add_flags();
        const VocabularyGaps gaps =
            build_vocabulary({file_.note, true, {}, used_events()}, tracepoints_, source_, model_, diagnostics_);
        find_events();
        if (!has_errors(diagnostics_)) {
            add_automaton(*rule);
            add_start_rules(*rule);
            if (!has_errors(diagnostics_)) infer_reclamation(model_);
        }
        Picture comments;
        comments.begin = file_.begin;
        comments.comments = file_.comments;
        read_comments(comments, source_, gaps, model_, diagnostics_);
        return std::move(model_);
    }

 private:
    void report(Severity severity, Span span, std::string code, std::string message, std::string hint) {
        diagnostics_.push_back({severity, std::move(code), source_.position(span.begin),
                                std::max<std::uint32_t>(1, span.end - span.begin), std::move(message),
                                std::move(hint)});
    }
    void error(Span span, std::string code, std::string message, std::string hint = {}) {
        report(Severity::error, span, std::move(code), std::move(message), std::move(hint));
    }

    // --- formulas ----------------------------------------------------------------------------------------------------

    std::optional<FormulaId> read_rule() {
        for (const LtlAtom& atom : file_.atoms) declare(atom.name);
        for (const auto& definition : file_.definitions)
            if (declare(definition.name)) definitions_[definition.name.text] = &definition;
        const auto rule = definitions_.find(rule_name);
        if (rule == definitions_.end()) {
            if (!has_errors(diagnostics_))
                error({0, 1}, "ltl-no-rule", "there is no rule",
                      "define it: `RULE = always (REQUEST imply eventually REPLY)`");
            return std::nullopt;
        }
        rule_span_ = rule->second->name.span;
        FormulaId formula = 0;
        try {
            formula = defined(rule->second->name);
        } catch (const ltl::TooLarge& too_large) {
            error(rule_span_, "ltl-too-large", std::string("this rule is too large: ") + too_large.what(), {});
        }
        for (const auto& [name, definition] : definitions_)
            if (name != rule_name && !used_.contains(name))
                report(Severity::warning, definition->name.span, "ltl-unused", "`" + name + "` is not used by RULE",
                       "name it in RULE, or remove it");
        for (const LtlAtom& atom : file_.atoms)
            if (!used_.contains(atom.name.text))
                report(Severity::warning, atom.name.span, "ltl-unused", "`" + atom.name.text + "` is not used by RULE",
                       "name it in RULE, or remove it");
        return formula;
    }

    bool declare(const Name& name) {
        if (declared_.insert(name.text).second) return true;
        error(name.span, "duplicate-name", "`" + name.text + "` is defined twice",
              "choose another name, or remove one");
        return false;
    }

    // The formula of a definition; each is read once.
    FormulaId defined(const Name& name) {
        if (const auto known = formulas_.find(name.text); known != formulas_.end()) {
            if (known->second) return *known->second;
            error(name.span, "ltl-recursion", "`" + name.text + "` is defined by itself",
                  "a definition stands for a formula, it can't contain itself");
            return pool_.literal(true);
        }
        formulas_[name.text] = std::nullopt;
        const FormulaId formula = convert(definitions_.at(name.text)->formula);
        formulas_[name.text] = formula;
        return formula;
    }

    FormulaId convert(const Term& term) {
        if (pool_.size() > most_formulas) throw ltl::TooLarge("it has more than 5000 different parts");
        if (term.kind == Term::Kind::name) return named({term.text, term.span});
        const FormulaId left = convert(term.operands[0]);
        const std::string& op = term.text;
        if (op == "not") return pool_.negation(left);
        if (op == "always") return pool_.release(pool_.literal(false), left);
        if (op == "eventually") return pool_.until(pool_.literal(true), left);
        if (op == "next") return pool_.next(left);
        const FormulaId right = convert(term.operands[1]);
        if (op == "and") return pool_.both(left, right);
        if (op == "or") return pool_.either(left, right);
        if (op == "imply") return pool_.either(pool_.negation(left), right);
        if (op == "until") return pool_.until(left, right);
        return pool_.either(pool_.both(left, right), pool_.both(pool_.negation(left), pool_.negation(right)));
    }

    FormulaId named(const Name& name) {
        if (name.text == "true" || name.text == "false") return pool_.literal(name.text == "true");
        used_.insert(name.text);
        if (definitions_.contains(name.text)) return defined(name);
        const auto [found, added] = atom_ids_.try_emplace(name.text, static_cast<AtomId>(atoms_.size()));
        if (added) {
            atoms_.push_back({{name, false, {}, {}}, std::nullopt});
            atom_names_.push_back(name.text);
        }
        return pool_.atom(found->second, true);
    }

    // --- atoms and events --------------------------------------------------------------------------------------------

    void bind_atoms() {
        for (Atom& atom : atoms_) {
            const auto given =
                std::ranges::find(file_.atoms, atom.source.name.text, [](const LtlAtom& a) { return a.name.text; });
            const Name event{small_letters(atom.source.name.text), atom.source.name.span};
            if (given != file_.atoms.end())
                atom.source = *given;
            else if (file_.has_note)
                bind_by_name(atom, event);
            else
                atom.source = {atom.source.name, true, {event}, {{"not_" + event.text, event.span}}};
            for (const Name& up : atom.source.from)
                for (const Name& down : atom.source.to)
                    if (up.text == down.text)
                        error(down.span, "ltl-both-ways",
                              "`" + down.text + "` would make `" + atom.source.name.text + "` both true and false",
                              "name it on one side");
        }
    }

    void bind_by_name(Atom& atom, const Name& event) {
        const auto is_bound = [&](const syntax::BindingLine& line) { return line.event.text == event.text; };
        if (std::ranges::any_of(file_.note.bindings, is_bound)) {
            atom.source.from = {event};
            return;
        }
        std::vector<std::string> names;
        for (const auto& line : file_.note.bindings) names.push_back(line.event.text);
        const std::string& name = atom.source.name.text;
        error(event.span, "ltl-unbound-atom", "`" + name + "` is neither defined nor the name of an event in capitals",
              suggest(event.text, names, "`" + name + " = at event` or `" + name + " = from event to event`"));
    }

    void add_flags() {
        for (Atom& atom : atoms_) {
            if (!atom.source.stays) continue;
            atom.flag = static_cast<std::uint32_t>(model_.registers.size());
            Register flag;
            flag.name = small_letters(atom.source.name.text);
            flag.kind = Register::Kind::flag;
            flag.value = {Type::flag, false};
            flag.position = source_.position(atom.source.name.span.begin);
            model_.registers.push_back(std::move(flag));
        }
    }

    // Every event that an atom or `start` names, as edges of a drawing would.
    std::vector<LabelledEdge> used_events() const {
        LabelledEdge edge;
        const auto use = [&edge](const std::vector<Name>& events) {
            for (const Name& event : events) edge.parts.push_back({event, {}, event.span, event.text});
        };
        for (const Atom& atom : atoms_) {
            use(atom.source.from);
            use(atom.source.to);
        }
        use(file_.start);
        return {edge};
    }

    void find_events() {
        for (std::uint32_t i = 0; i < model_.events.size(); ++i) {
            ltl::Letter letter;
            const auto names_it = [&](const Name& name) { return name.text == model_.events[i].name; };
            for (AtomId id = 0; id < atoms_.size(); ++id) {
                const bool rises = std::ranges::any_of(atoms_[id].source.from, names_it);
                const bool falls = std::ranges::any_of(atoms_[id].source.to, names_it);
                if (rises || falls || !atoms_[id].source.stays) letter.known[id] = rises;
            }
            letters_.push_back(std::move(letter));
        }
    }

    // --- the automaton -----------------------------------------------------------------------------------------------

    void add_automaton(FormulaId rule) {
        ltl::Automaton automaton;
        try {
            automaton = automaton_of(rule, letters_, pool_);
        } catch (const ltl::TooLarge& too_large) {
            error(rule_span_, "ltl-too-large", std::string("this rule is too large: ") + too_large.what(),
                  "split it into several properties");
            return;
        }
        if (automaton.states.empty()) {
            error(rule_span_, "ltl-impossible", "nothing that can happen fulfils this rule", {});
            return;
        }
        for (const auto& state : automaton.states) add_state(state, rule);
        for (const auto& edge : automaton.edges) add_edge(edge);
        warn_if_never_violated(automaton);
    }

    void add_state(const ltl::AutomatonState& owed, FormulaId rule) {
        State state;
        state.name = model_.states.empty() ? "initial" : state_name(owed, rule);
        state.final = owed.may_end;
        state.position = source_.position(rule_span_.begin);
        model_.states.push_back(std::move(state));
        const bool nothing = owed.owed.size() == 1 && owed.owed[0].empty();
        fulfilled_.push_back(nothing);
    }

    // What is owed besides the rule itself, in words: `not_close_until_reply`.
    std::string state_name(const ltl::AutomatonState& state, FormulaId rule) {
        std::string text;
        for (const auto& alternative : state.owed) {
            std::string all;
            for (const FormulaId each : alternative)
                if (each != rule) all += (all.empty() ? "" : " and ") + pool_.text(each, atom_names_);
            if (all.empty()) all = alternative.empty() ? "fulfilled" : "initial";
            text += (text.empty() ? "" : " or ") + all;
        }
        std::string name;
        for (const char c : small_letters(text)) {
            const bool letter = std::isalnum(static_cast<unsigned char>(c)) != 0;
            if (letter || (!name.empty() && name.back() != '_')) name += letter ? c : '_';
        }
        if (name.size() > longest_state_name) name.resize(longest_state_name);
        while (name.ends_with('_')) name.pop_back();
        std::string unique = name;
        for (int number = 2; std::ranges::find(model_.states, unique, &State::name) != model_.states.end(); ++number)
            unique = name + "_" + std::to_string(number);
        return unique;
    }

    void add_edge(const ltl::AutomatonEdge& from) {
        // With keys the context ends where nothing is owed any more; without, everything may happen there.
        if (fulfilled_[from.source] && !model_.keys.empty()) return;
        Edge edge;
        edge.source = from.source;
        edge.target = from.target;
        edge.event = from.letter;
        edge.position = source_.position(rule_span_.begin);
        edge.text = model_.events[from.letter].name;
        for (const FormulaId guard : from.guards) {
            edge.guards.push_back(expression(guard));
            edge.text += "; " + edge.guards.back().text;
        }
        for (AtomId id = 0; id < atoms_.size(); ++id) {
            const auto known = letters_[from.letter].known.find(id);
            if (!atoms_[id].flag || known == letters_[from.letter].known.end()) continue;
            edge.actions.push_back(set_flag(*atoms_[id].flag, known->second));
            edge.text += "; " + edge.actions.back().text;
        }
        model_.edges.push_back(std::move(edge));
    }

    Expression make(Expression::Kind kind, std::string text) const {
        Expression expression;
        expression.kind = kind;
        expression.type = {Type::flag, false};
        expression.text = std::move(text);
        expression.position = source_.position(rule_span_.begin);
        return expression;
    }

    Action set_flag(std::uint32_t flag, bool value) const {
        Action action;
        action.kind = Action::Kind::assign;
        action.index = flag;
        Expression literal = make(Expression::Kind::literal, value ? "true" : "false");
        literal.integer = value ? 1 : 0;
        action.text = model_.registers[flag].name + " = " + literal.text;
        action.position = literal.position;
        action.operands.push_back(std::move(literal));
        return action;
    }

    // A guard: flags, and, or, not.
    Expression expression(FormulaId id) const {
        const ltl::Formula f = pool_[id];
        if (f.op == ltl::Op::atom || f.op == ltl::Op::not_atom) {
            const std::uint32_t flag = atoms_[f.atom].flag.value();
            Expression variable = make(Expression::Kind::variable, model_.registers[flag].name);
            variable.index = flag;
            if (f.op == ltl::Op::atom) return variable;
            Expression negated = make(Expression::Kind::logical_not, "!" + variable.text);
            negated.operands.push_back(std::move(variable));
            return negated;
        }
        const bool both = f.op == ltl::Op::conjunction;
        Expression left = expression(f.left);
        Expression right = expression(f.right);
        Expression joined = make(both ? Expression::Kind::logical_and : Expression::Kind::logical_or,
                                 "(" + left.text + (both ? " && " : " || ") + right.text + ")");
        joined.operands.push_back(std::move(left));
        joined.operands.push_back(std::move(right));
        return joined;
    }

    // Every moment has a continuation: this is no safety property, and a monitor can only tell what is pending.
    void warn_if_never_violated(const ltl::Automaton& automaton) {
        if (std::ranges::any_of(letters_, [&](const ltl::Letter& letter) { return may_stop(automaton, letter); }))
            return;
        report(Severity::warning, rule_span_, "ltl-never-violated",
               "no run can be seen to violate this rule, for what it asks may always come later; a run that ends "
               "before that is `pending`",
               "say until when it must have come, for example `(not CLOSE) until REPLY`");
    }

    // In some state, some values of the flags leave no edge for the letter.
    bool may_stop(const ltl::Automaton& automaton, const ltl::Letter& letter) {
        const auto index = static_cast<std::uint32_t>(&letter - letters_.data());
        for (std::uint32_t state = 0; state < automaton.states.size(); ++state) {
            FormulaId uncovered = pool_.literal(true);
            for (const auto& edge : automaton.edges) {
                if (edge.source != state || edge.letter != index) continue;
                FormulaId taken = pool_.literal(true);
                for (const FormulaId guard : edge.guards) taken = pool_.both(taken, guard);
                uncovered = pool_.both(uncovered, pool_.negation(taken));
            }
            if (pool_.is_satisfiable(uncovered)) return true;
        }
        return false;
    }

    // --- start -------------------------------------------------------------------------------------------------------

    // `always` of anything: what holds of a run holds of its every rest.
    bool holds_of_rests(FormulaId id) const {
        const ltl::Formula f = pool_[id];
        if (f.op == ltl::Op::conjunction) return holds_of_rests(f.left) && holds_of_rests(f.right);
        return f.op == ltl::Op::yes || (f.op == ltl::Op::release && f.left == pool_.literal(false));
    }

    void add_start_rules(FormulaId rule) {
        const bool anywhere = !file_.has_note || (model_.registers.empty() && holds_of_rests(rule));
        if (file_.start.empty() && !anywhere)
            error(rule_span_, "ltl-no-start",
                  model_.registers.empty()
                      ? "this rule speaks of a beginning, but nothing says with which event a context begins"
                      : "atoms that stay are false at first, but nothing says with which event a context begins",
                  "add a line `start EVENT`");
        for (Event& event : model_.events) {
            const bool named =
                std::ranges::any_of(file_.start, [&](const Name& name) { return name.text == event.name; });
            if (named || (file_.start.empty() && anywhere)) event.start = StartRule::process;
        }
    }

    static constexpr std::size_t most_formulas = 5'000;

    const syntax::LtlFile& file_;
    const SourceText& source_;
    const TracepointDeclarations& tracepoints_;
    std::vector<Diagnostic>& diagnostics_;
    Model model_;
    ltl::FormulaPool pool_;
    Span rule_span_;
    std::set<std::string, std::less<>> declared_;
    std::set<std::string, std::less<>> used_;
    std::map<std::string, const syntax::LtlDefinition*, std::less<>> definitions_;
    std::map<std::string, std::optional<FormulaId>> formulas_;  // of definitions; empty: being read
    std::map<std::string, AtomId> atom_ids_;
    std::vector<Atom> atoms_;
    std::vector<std::string> atom_names_;
    std::vector<ltl::Letter> letters_;  // of Model::events
    std::vector<bool> fulfilled_;       // of Model::states: nothing is owed
};

}  // namespace

Model build_ltl_model(const syntax::LtlFile& file, const std::string& name, const SourceText& source,
                      const TracepointDeclarations& tracepoints, std::vector<Diagnostic>& diagnostics) {
    return LtlBuilder(file, source, tracepoints, diagnostics).run(name);
}

}  // namespace lockstep::codegen
