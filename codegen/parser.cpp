#include "codegen/parser.hpp"

#include <algorithm>
#include <array>

#include "codegen/label_tokens.hpp"

namespace lockstep::codegen {
namespace {

using namespace syntax;
using Kind = LabelToken::Kind;

constexpr std::array<std::string_view, 6> action_names = {"reset", "erase", "insert", "clear", "lock", "unlock"};
constexpr std::array<std::string_view, 25> reserved_words = {
    "start", "per",   "when",  "parameter", "in",         "true",      "false",        "size", "empty",
    "NL",    "CR",    "CW",    "PR",        "PW",         "EX",        "compatible",   "conflicts", "leaves_empty",
    "reset", "erase", "insert", "clear",    "lock",       "unlock",    "else"};

constexpr int deepest_expression = 100;

// A clause or line that can't be read; the message is in the diagnostics already.
struct Unreadable {};

class Parser {
 public:
    Parser(const LocatedText& label, const SourceText& source, std::vector<Diagnostic>& diagnostics)
        : label_(label), source_(source), diagnostics_(diagnostics), tokens_(tokenise_label(label, source, diagnostics)) {}

    std::vector<EventPart> edge_label() {
        std::vector<EventPart> parts;
        skip_newlines();
        while (!at_end()) {
            const std::size_t first = at_;
            EventPart part;
            try {
                part.event = name("an event");
                clauses(part);
                if (!at_end() && token().kind != Kind::newline) unexpected("`;` or the end of the line", "clauses are separated by `;`");
            } catch (const Unreadable&) {
                skip_line();
            }
            finish_part(part, first);
            if (!part.event.text.empty()) parts.push_back(std::move(part));
            skip_newlines();
        }
        return parts;
    }

    StateLabel state_label() {
        StateLabel label;
        skip_newlines();
        try {
            label.name = state_name();
            skip_newlines();
            while (!at_end()) {
                label.invariants.push_back(expression());
                if (!at_end() && token().kind != Kind::newline) unexpected("the end of the line", "one invariant a line: `clock < 30s`");
                skip_newlines();
            }
        } catch (const Unreadable&) {
        }
        return label;
    }

    void note(Note& note) {
        skip_newlines();
        while (!at_end()) {
            try {
                note_line(note);
                if (!at_end() && token().kind != Kind::newline) unexpected("the end of the line", {});
            } catch (const Unreadable&) {
                skip_line();
            }
            skip_newlines();
        }
    }

    std::vector<ExampleCall> example() {
        std::vector<ExampleCall> calls;
        skip_newlines();
        try {
            while (!at_end()) {
                calls.push_back(example_call());
                skip_newlines();
            }
        } catch (const Unreadable&) {
        }
        return calls;
    }

 private:
    const LabelToken& token(std::size_t ahead = 0) const { return tokens_[std::min(at_ + ahead, tokens_.size() - 1)]; }
    bool at_end() const { return token().kind == Kind::end; }
    void advance() {
        if (!at_end()) ++at_;
    }
    bool accept(std::string_view mark) {
        if (!token().is(mark)) return false;
        advance();
        return true;
    }
    void skip_newlines() {
        while (token().kind == Kind::newline) advance();
    }
    void skip_line() {
        while (!at_end() && token().kind != Kind::newline) advance();
    }
    // A line break within an expression: allowed where the expression can't have ended, and anywhere within parentheses.
    void continue_line() { skip_newlines(); }
    void continue_line_in_parentheses() {
        if (parentheses_ > 0) skip_newlines();
    }

    [[noreturn]] void unexpected(const std::string& wanted, std::string hint) {
        const LabelToken& found = token();
        const std::string what = found.kind == Kind::end       ? "the end of the label"
                                 : found.kind == Kind::newline ? "the end of the line"
                                                               : "`" + found.text + "`";
        fail(found.span, "label-syntax", wanted + " is expected here, not " + what, std::move(hint));
    }
    [[noreturn]] void fail(Span span, std::string code, std::string message, std::string hint) {
        error(span, std::move(code), std::move(message), std::move(hint));
        throw Unreadable{};
    }
    void error(Span span, std::string code, std::string message, std::string hint) {
        const std::uint32_t length = span.end > span.begin ? span.end - span.begin : 1;
        diagnostics_.push_back({Severity::error, std::move(code), source_.position(span.begin), length, std::move(message), std::move(hint)});
    }

    Name name(const std::string& wanted, std::string hint = {}) {
        if (token().kind != Kind::name) unexpected(wanted, std::move(hint));
        Name name{token().text, token().span};
        advance();
        return name;
    }

    void expect(std::string_view mark, std::string hint = {}) {
        if (!accept(mark)) unexpected("`" + std::string(mark) + "`", std::move(hint));
    }

    // The words of a state's first line become one name: "not running" is not_running.
    Name state_name() {
        Name whole = name("the state's name", "begin the label with a name of letters, digits and _");
        while (token().kind == Kind::name || token().kind == Kind::number) {
            whole.text += "_" + token().text;
            whole.span.end = token().span.end;
            advance();
        }
        return whole;
    }

    void clauses(EventPart& part) {
        while (true) {
            std::size_t ahead = 0;
            while (token(ahead).kind == Kind::newline) ++ahead;
            if (!token(ahead).is(";")) return;
            at_ += ahead + 1;
            skip_newlines();
            if (at_end()) return;
            try {
                part.clauses.push_back(clause());
            } catch (const Unreadable&) {
                while (!at_end() && !token().is(";") && token().kind != Kind::newline) advance();
            }
        }
    }

    void finish_part(EventPart& part, std::size_t first) {
        std::size_t last = at_;
        while (last > first && tokens_[last - 1].kind == Kind::newline) --last;
        if (last == first) return;
        part.span = {tokens_[first].span.begin, tokens_[last - 1].span.end};
        part.text = on_one_line(tokens_[first].begin, tokens_[last - 1].finish);
    }

    std::string on_one_line(std::size_t begin, std::size_t end) const {
        std::string text = label_.text.substr(begin, end - begin);
        std::ranges::replace(text, '\n', ' ');
        return text;
    }

    Clause clause() {
        Clause clause;
        if (token().is_name("start") && !token(1).is("(")) {
            clause.kind = Clause::Kind::start;
            clause.span = token().span;
            advance();
            return clause;
        }
        Term term = expression();
        clause.span = term.span;
        if (token().is("=") || token().is("+=") || token().is("-=")) {
            clause.kind = Clause::Kind::assignment;
            clause.operation = token().text;
            if (term.kind != Term::Kind::name && term.kind != Term::Kind::index)
                fail(term.span, "label-syntax", "only a register or an element of a map can be assigned", "to compare, write `==`");
            advance();
            clause.target = std::move(term);
            clause.value = expression();
            clause.span = join(clause.target.span, clause.value.span);
        } else if (term.kind == Term::Kind::call && is_action_name(term.text)) {
            clause.kind = Clause::Kind::action;
            clause.target = std::move(term);
        } else {
            clause.value = std::move(term);
        }
        return clause;
    }

    // --- expressions -------------------------------------------------------------------------------------------------

    // Counts how deep the recursion is, also when an exception ends it.
    struct Deeper {
        explicit Deeper(Parser& parser) : depth(parser.depth_) {
            if (++depth <= deepest_expression) return;
            --depth;
            parser.fail(parser.token().span, "too-deep", "this expression is nested more than 100 deep", {});
        }
        ~Deeper() { --depth; }
        Deeper(const Deeper&) = delete;
        Deeper& operator=(const Deeper&) = delete;
        int& depth;
    };

    struct Parentheses {
        explicit Parentheses(Parser& parser) : open(parser.parentheses_) { ++open; }
        ~Parentheses() { --open; }
        Parentheses(const Parentheses&) = delete;
        Parentheses& operator=(const Parentheses&) = delete;
        int& open;
    };

    Term expression() {
        const Deeper deeper(*this);
        return disjunction();
    }

    template <class Operand, class IsOperator>
    Term left_associative(Operand operand, IsOperator is_operator) {
        Term left = operand();
        continue_line_in_parentheses();
        for (int length = 0; is_operator(token()); ++length) {
            if (length > 1000) fail(token().span, "too-deep", "this expression has more than 1000 terms", {});
            left = binary(std::move(left), operand);
            continue_line_in_parentheses();
        }
        return left;
    }

    template <class Operand>
    Term binary(Term left, Operand operand) {
        Term term;
        term.kind = Term::Kind::binary;
        term.text = token().text;
        term.name_span = token().span;
        advance();
        continue_line();
        Term right = operand();
        term.span = join(left.span, right.span);
        term.operands.push_back(std::move(left));
        term.operands.push_back(std::move(right));
        return term;
    }

    Term disjunction() {
        return left_associative([this] { return conjunction(); }, [](const LabelToken& t) { return t.is("||"); });
    }
    Term conjunction() {
        return left_associative([this] { return comparison(); }, [](const LabelToken& t) { return t.is("&&"); });
    }

    static bool is_comparison(const LabelToken& t) {
        for (const std::string_view mark : {"==", "!=", "<", "<=", ">", ">="})
            if (t.is(mark)) return true;
        return t.is_name("in");
    }

    Term comparison() {
        Term left = sum();
        if (!is_comparison(token())) return left;
        Term term = binary(std::move(left), [this] { return sum(); });
        if (is_comparison(token()))
            fail(token().span, "label-syntax", "comparisons can't be chained", "write `a < b && b < c`");
        return term;
    }

    Term sum() {
        return left_associative([this] { return product(); }, [](const LabelToken& t) { return t.is("+") || t.is("-"); });
    }
    Term product() {
        return left_associative([this] { return unary(); },
                                [](const LabelToken& t) { return t.is("*") || t.is("/") || t.is("%"); });
    }

    Term unary() {
        if (!token().is("!") && !token().is("-")) return primary();
        Term term;
        term.kind = Term::Kind::unary;
        term.text = token().text;
        term.name_span = token().span;
        advance();
        const Deeper deeper(*this);
        Term operand = unary();
        term.span = join(term.name_span, operand.span);
        term.operands.push_back(std::move(operand));
        return term;
    }

    Term primary() {
        const LabelToken& first = token();
        switch (first.kind) {
            case Kind::number: return literal(Term::Kind::number);
            case Kind::duration: return literal(Term::Kind::duration);
            case Kind::text: return literal(Term::Kind::text);
            case Kind::name: return name_or_call();
            default: break;
        }
        if (!accept("(")) unexpected("an expression", {});
        const Span open = first.span;
        Parentheses inside(*this);
        continue_line();
        Term inner = expression();
        inner.span = {open.begin, token().span.end};
        expect(")", "close the parenthesis");
        return inner;
    }

    Term literal(Term::Kind kind) {
        Term term;
        term.kind = kind;
        term.text = token().text;
        term.number = token().number;
        term.broken = token().broken;
        term.span = term.name_span = token().span;
        advance();
        return term;
    }

    Term name_or_call() {
        Term term = literal(Term::Kind::name);
        if (token().is("(")) {
            term.kind = Term::Kind::call;
            list(term, ")");
        } else if (token().is("[")) {
            term.kind = Term::Kind::index;
            list(term, "]");
            if (term.operands.size() != 1) fail(term.span, "label-syntax", "one key stands between the brackets", {});
        }
        return term;
    }

    void list(Term& term, std::string_view close) {
        Parentheses inside(*this);
        advance();
        continue_line();
        if (!token().is(close)) {
            do {
                continue_line();
                term.operands.push_back(expression());
            } while (accept(","));
        }
        term.span.end = token().span.end;
        expect(close, "close the list");
    }

    // --- notes -------------------------------------------------------------------------------------------------------

    void note_line(Note& note) {
        const std::size_t first = at_;
        if (token().is_name("per")) return per(note);
        if (token().is_name("parameter") && token(1).kind == Kind::name) return parameter(note);
        Name subject = name("`per`, an event or a register",
                            "lines of a note: `per KEY`, `event = provider:tracepoint`, `register: type`, `parameter name = 5ms`");
        if (accept("=")) return binding(note, std::move(subject), first);
        if (accept(":")) return register_line(note, std::move(subject));
        unexpected("`=` or `:`", "`event = provider:tracepoint` binds an event, `register: type` declares a register");
    }

    void per(Note& note) {
        const Span span = token().span;
        advance();
        if (!note.keys.empty()) fail(span, "two-keys", "the keys are given twice", "write all keys on one line: `per a, b`");
        note.per_span = span;
        do note.keys.push_back(name("a key", "`per lock_id, owner`: fields, or thread, process, cpu, net_ns"));
        while (accept(","));
    }

    void parameter(Note& note) {
        advance();
        ParameterLine line;
        line.name = name("the parameter's name");
        expect("=", "`parameter limit = 30s`");
        line.value = unary();
        note.parameters.push_back(std::move(line));
    }

    void binding(Note& note, Name event, std::size_t first) {
        BindingLine line;
        line.event = std::move(event);
        line.provider = name("a provider", "`event = provider:tracepoint`");
        expect(":", "`event = provider:tracepoint`");
        line.tracepoint = name("a tracepoint", "`event = provider:tracepoint`");
        if (next_line_begins_with("when")) skip_newlines();
        if (token().is_name("when")) {
            advance();
            continue_line();
            line.when = expression();
        }
        while (assignment_follows()) {
            accept(",");
            skip_newlines();
            Assignment assignment;
            assignment.name = name("a field");
            expect(":=");
            continue_line();
            assignment.value = expression();
            line.assignments.push_back(std::move(assignment));
        }
        line.span = {tokens_[first].span.begin, tokens_[at_ - 1].span.end};
        line.text = on_one_line(tokens_[first].begin, tokens_[at_ - 1].finish);
        note.bindings.push_back(std::move(line));
    }

    bool next_line_begins_with(std::string_view word) const {
        std::size_t ahead = 0;
        while (token(ahead).kind == Kind::newline) ++ahead;
        return token(ahead).is_name(word) && !token(ahead + 1).is("=") && !token(ahead + 1).is(":");
    }

    // [","] [NEWLINE] name ":="
    bool assignment_follows() const {
        std::size_t ahead = token().is(",") ? 1 : 0;
        while (token(ahead).kind == Kind::newline) ++ahead;
        return token(ahead).kind == Kind::name && token(ahead + 1).is(":=");
    }

    void register_line(Note& note, Name subject) {
        RegisterLine line;
        line.name = std::move(subject);
        line.type.name = name("a type", "types are int, unsigned, flag, clock, set, map and ranges");
        if (accept("[")) {
            line.type.capacity = primary();
            expect("]");
        }
        if (token().is_name("of")) advance();
        if (token().kind == Kind::name) line.type.key = name("a type or a field");
        if (accept("->")) line.type.value = name("a type or a field");
        if (accept("=")) line.initial = unary();
        note.registers.push_back(std::move(line));
    }

    // --- examples ----------------------------------------------------------------------------------------------------

    ExampleCall example_call() {
        ExampleCall call;
        if (accept("@")) {
            if (token().kind != Kind::duration) unexpected("a time", "`@5ms event(…)`: since the example began");
            call.time = literal(Term::Kind::duration);
            if (token().kind != Kind::name) return call;
        }
        call.event = name("an event", "`accept: grant(owner=1,mode=EX) release(owner=1)`");
        if (!accept("(")) return call;
        while (!token().is(")")) {
            Assignment field;
            field.name = name("a field", "`event(field=value, …)`");
            expect("=", "`field=value`");
            field.value = unary();
            call.fields.push_back(std::move(field));
            if (!accept(",")) break;
            skip_newlines();
        }
        expect(")", "`event(field=value, …)`");
        return call;
    }

    const LocatedText& label_;
    const SourceText& source_;
    std::vector<Diagnostic>& diagnostics_;
    std::vector<LabelToken> tokens_;
    std::size_t at_ = 0;
    int depth_ = 0;
    int parentheses_ = 0;
};

}  // namespace

std::vector<EventPart> parse_edge_label(const LocatedText& label, const SourceText& source, std::vector<Diagnostic>& diagnostics) {
    return Parser(label, source, diagnostics).edge_label();
}

StateLabel parse_state_label(const LocatedText& label, const SourceText& source, std::vector<Diagnostic>& diagnostics) {
    return Parser(label, source, diagnostics).state_label();
}

void parse_note(const LocatedText& label, const SourceText& source, Note& note, std::vector<Diagnostic>& diagnostics) {
    Parser(label, source, diagnostics).note(note);
}

std::vector<ExampleCall> parse_example(const LocatedText& text, const SourceText& source, std::vector<Diagnostic>& diagnostics) {
    return Parser(text, source, diagnostics).example();
}

bool is_reserved_word(std::string_view name) { return std::ranges::find(reserved_words, name) != reserved_words.end(); }
bool is_action_name(std::string_view name) { return std::ranges::find(action_names, name) != action_names.end(); }

}  // namespace lockstep::codegen
