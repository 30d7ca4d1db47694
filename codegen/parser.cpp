#include "codegen/parser.hpp"

#include <algorithm>
#include <array>

#include "codegen/expression_parser.hpp"

namespace lockstep::codegen {
namespace {

using namespace syntax;
using TokenKind = LabelToken::Kind;

constexpr std::array<std::string_view, 6> action_names = {"reset", "erase", "insert", "clear", "lock", "unlock"};
constexpr std::array<std::string_view, 25> reserved_words = {
    "start", "per",   "when",   "parameter", "in",   "true",   "false",      "size",      "empty",
    "NL",    "CR",    "CW",     "PR",        "PW",   "EX",     "compatible", "conflicts", "leaves_empty",
    "reset", "erase", "insert", "clear",     "lock", "unlock", "else"};

class Parser : private ExpressionParser {
 public:
    Parser(const LocatedText& label, const SourceText& source, std::vector<Diagnostic>& diagnostics)
        : ExpressionParser(label, source, diagnostics), label_(label) {}

    std::vector<EventPart> edge_label() {
        std::vector<EventPart> parts;
        skip_newlines();
        while (!at_end()) {
            const std::size_t first = at_;
            EventPart part;
            try {
                part.event = name("an event");
                clauses(part);
                if (!at_end() && token().kind != TokenKind::newline)
                    unexpected("`;` or the end of the line", "clauses are separated by `;`");
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
                if (!at_end() && token().kind != TokenKind::newline)
                    unexpected("the end of the line", "one invariant a line: `clock < 30s`");
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
                if (!at_end() && token().kind != TokenKind::newline) unexpected("the end of the line", {});
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
    // The words of a state's first line become one name: "not running" is not_running.
    Name state_name() {
        Name whole = name("the state's name", "begin the label with a name of letters, digits and _");
        while (token().kind == TokenKind::name || token().kind == TokenKind::number) {
            whole.text += "_" + token().text;
            whole.span.end = token().span.end;
            advance();
        }
        return whole;
    }

    void clauses(EventPart& part) {
        while (true) {
            std::size_t ahead = 0;
            while (token(ahead).kind == TokenKind::newline) ++ahead;
            if (!token(ahead).is(";")) return;
            at_ += ahead + 1;
            skip_newlines();
            if (at_end()) return;
            try {
                part.clauses.push_back(clause());
            } catch (const Unreadable&) {
                while (!at_end() && !token().is(";") && token().kind != TokenKind::newline) advance();
            }
        }
    }

    void finish_part(EventPart& part, std::size_t first) {
        std::size_t last = at_;
        while (last > first && tokens_[last - 1].kind == TokenKind::newline) --last;
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
                fail(term.span, "label-syntax", "only a register or an element of a map can be assigned",
                     "to compare, write `==`");
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

    // --- notes -------------------------------------------------------------------------------------------------------

    void note_line(Note& note) {
        const std::size_t first = at_;
        if (token().is_name("per")) return per(note);
        if (token().is_name("parameter") && token(1).kind == TokenKind::name) return parameter(note);
        Name subject =
            name("`per`, an event or a register",
                 "lines of a note: `per KEY`, `event = provider:tracepoint`, `register: type`, `parameter name = 5ms`");
        if (accept("=")) return binding(note, std::move(subject), first);
        if (accept(":")) return register_line(note, std::move(subject));
        unexpected("`=` or `:`", "`event = provider:tracepoint` binds an event, `register: type` declares a register");
    }

    void per(Note& note) {
        const Span span = token().span;
        advance();
        if (!note.keys.empty())
            fail(span, "two-keys", "the keys are given twice", "write all keys on one line: `per a, b`");
        note.per_span = span;
        if (accept("[")) {
            note.contexts = primary();
            expect("]", "`per[100000] inode`: room for so many contexts");
        }
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
        while (token(ahead).kind == TokenKind::newline) ++ahead;
        return token(ahead).is_name(word) && !token(ahead + 1).is("=") && !token(ahead + 1).is(":");
    }

    // [","] [NEWLINE] name ":="
    bool assignment_follows() const {
        std::size_t ahead = token().is(",") ? 1 : 0;
        while (token(ahead).kind == TokenKind::newline) ++ahead;
        return token(ahead).kind == TokenKind::name && token(ahead + 1).is(":=");
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
        if (token().kind == TokenKind::name) line.type.key = name("a type or a field");
        if (accept("->")) line.type.value = name("a type or a field");
        if (accept("=")) line.initial = unary();
        note.registers.push_back(std::move(line));
    }

    // --- examples ----------------------------------------------------------------------------------------------------

    ExampleCall example_call() {
        ExampleCall call;
        if (accept("@")) {
            if (token().kind != TokenKind::duration) unexpected("a time", "`@5ms event(…)`: since the example began");
            call.time = literal(Term::Kind::duration);
            if (token().kind != TokenKind::name) return call;
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
};

}  // namespace

std::vector<EventPart> parse_edge_label(const LocatedText& label, const SourceText& source,
                                        std::vector<Diagnostic>& diagnostics) {
    return Parser(label, source, diagnostics).edge_label();
}

StateLabel parse_state_label(const LocatedText& label, const SourceText& source, std::vector<Diagnostic>& diagnostics) {
    return Parser(label, source, diagnostics).state_label();
}

void parse_note(const LocatedText& label, const SourceText& source, Note& note, std::vector<Diagnostic>& diagnostics) {
    Parser(label, source, diagnostics).note(note);
}

std::vector<ExampleCall> parse_example(const LocatedText& text, const SourceText& source,
                                       std::vector<Diagnostic>& diagnostics) {
    return Parser(text, source, diagnostics).example();
}

bool is_reserved_word(std::string_view name) {
    return std::ranges::find(reserved_words, name) != reserved_words.end();
}
bool is_action_name(std::string_view name) {
    return std::ranges::find(action_names, name) != action_names.end();
}

}  // namespace lockstep::codegen
