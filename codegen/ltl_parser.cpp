#include "codegen/ltl_parser.hpp"

#include <algorithm>
#include <array>
#include <cctype>

#include "codegen/expression_parser.hpp"
#include "codegen/parser.hpp"

namespace lockstep::codegen {
namespace {

using namespace syntax;

constexpr std::size_t longest_ltl_bytes = 64 << 10;
constexpr int deepest_formula = 200;
constexpr std::array<std::string_view, 4> unary_operators = {"always", "eventually", "next", "not"};
// From the loosest to the tightest, as mathematics has them; the grammar itself knows no precedence.
constexpr std::array<std::string_view, 5> binary_operators = {"equivalent", "imply", "or", "and", "until"};

constexpr const char* operators_hint =
    "operators are always, eventually, next, not, until, and, or, imply and equivalent";

bool is_unary(const LabelToken& token) {
    return token.kind == LabelToken::Kind::name && std::ranges::count(unary_operators, token.text) != 0;
}
bool is_binary(const LabelToken& token) {
    return token.kind == LabelToken::Kind::name && std::ranges::count(binary_operators, token.text) != 0;
}
bool is_atom_name(const LabelToken& token) {
    return token.kind == LabelToken::Kind::name &&
           std::ranges::none_of(token.text, [](unsigned char c) { return std::islower(c) != 0; });
}

std::ptrdiff_t tightness(const std::string& operation) {
    return std::ranges::find(binary_operators, operation) - binary_operators.begin();
}

// Comments become blanks, so that every other byte keeps its place.
struct WithoutComments {
    LocatedText text;
    std::vector<CommentLine> comments;
};

WithoutComments without_comments(const std::string& source) {
    WithoutComments result;
    std::uint32_t last_line = 0, line = 1;
    for (std::uint32_t i = 0; i < source.size();) {
        if (source[i] == '#') {
            CommentLine comment;
            comment.span.begin = i;
            comment.follows_former = !result.comments.empty() && last_line + 1 == line;
            last_line = line;
            for (std::uint32_t j = i; j < source.size() && source[j] != '\n'; ++j) {
                if (j > i && source[j] != '\r') comment.text.append(source[j], j);
                result.text.append(' ', j);
            }
            i = static_cast<std::uint32_t>(result.text.text.size());
            comment.span.end = i;
            comment.text.offsets.push_back(i);
            result.comments.push_back(std::move(comment));
            continue;
        }
        if (source[i] == '\n') ++line;
        result.text.append(source[i], i);
        ++i;
    }
    result.text.offsets.push_back(static_cast<std::uint32_t>(source.size()));
    return result;
}

class LtlParser : private ExpressionParser {
 public:
    LtlParser(WithoutComments prepared, const SourceText& source, std::vector<Diagnostic>& diagnostics)
        : ExpressionParser(prepared.text, source, diagnostics),
          text_(prepared.text),
          source_(source),
          diagnostics_(diagnostics) {
        file_.comments = std::move(prepared.comments);
        file_.begin = static_cast<std::uint32_t>(source.text().size());
    }

    LtlFile run() {
        skip_newlines();
        file_.begin = token().span.begin;
        while (!at_end()) {
            try {
                statement();
            } catch (const Unreadable&) {
                skip_statement();
            }
            skip_newlines();
        }
        note_lines_.offsets.push_back(static_cast<std::uint32_t>(source_.text().size()));
        parse_note(note_lines_, source_, file_.note, diagnostics_);
        return std::move(file_);
    }

 private:
    void statement() {
        if (is_atom_name(token()) && token(1).is("=")) return definition();
        if (token().is_name("start") && !token(1).is("=") && !token(1).is(":")) {
            advance();
            for (Name& event : events()) file_.start.push_back(std::move(event));
            return end_of_line();
        }
        if (token().kind != Kind::name)
            unexpected("a definition", "`RULE = always (…)`; `event = provider:tracepoint` binds an event");
        note_line();
    }

    void definition() {
        Name defined = name("a name");
        advance();
        if (token().is_name("at") || token().is_name("from")) return atom(std::move(defined));
        skip_newlines();
        Term term = formula(0);
        file_.definitions.push_back({std::move(defined), std::move(term)});
        skip_newlines();
        // A formula ends where no operator goes on; what follows must begin a statement.
        if (at_end() || starts_statement()) return;
        unexpected("an operator or the next definition", operators_hint);
    }

    bool starts_statement() const {
        if (is_atom_name(token()) && token(1).is("=")) return true;
        return token().kind == Kind::name && column_of(token()) == 1 &&
               (token(1).is("=") || token(1).is(":") || token(1).kind == Kind::name);
    }

    std::uint32_t column_of(const LabelToken& token) const { return source_.position(token.span.begin).column; }

    void atom(Name defined) {
        LtlAtom atom;
        atom.name = std::move(defined);
        atom.stays = token().is_name("from");
        advance();
        atom.from = events();
        if (atom.stays) {
            if (!token().is_name("to")) unexpected("`to`", "`NAME = from event, event to event`");
            advance();
            atom.to = events();
        }
        file_.atoms.push_back(std::move(atom));
        end_of_line();
    }

    std::vector<Name> events() {
        std::vector<Name> names;
        do {
            skip_newlines();
            names.push_back(name("an event"));
        } while (accept(","));
        return names;
    }

    void end_of_line() {
        if (!at_end() && token().kind != Kind::newline) unexpected("the end of the line", "one statement a line");
    }

    // Kept for the parser of notes, with the indented lines that belong to it.
    void note_line() {
        file_.has_note = true;
        const std::size_t begin = token().begin;
        skip_statement();
        const std::size_t end = at_end() ? text_.text.size() : token().begin;
        for (std::size_t i = begin; i < end; ++i) note_lines_.append(text_.text[i], text_.offsets[i]);
        if (end > begin && text_.text[end - 1] != '\n') note_lines_.append('\n', text_.offset_of(end));
    }

    // To the next line that is not indented.
    void skip_statement() {
        do {
            skip_line();
            skip_newlines();
        } while (!at_end() && column_of(token()) != 1);
    }

    // --- formulas ----------------------------------------------------------------------------------------------------

    Term formula(int depth) {
        skip_newlines();
        if (depth > deepest_formula) fail(token().span, "too-deep", "this formula is nested more than 200 deep", {});
        if (is_unary(token())) return unary_formula(depth);
        Term left = operand(depth);
        if (!binary_follows()) return left;
        skip_newlines();
        Term term = operation(Term::Kind::binary);
        Term right = formula(depth + 1);
        warn_of_grouping(term, right);
        term.span = join(left.span, right.span);
        term.operands.push_back(std::move(left));
        term.operands.push_back(std::move(right));
        return term;
    }

    Term unary_formula(int depth) {
        Term term = operation(Term::Kind::unary);
        Term inner = formula(depth + 1);
        warn_of_grouping(term, inner);
        term.span = join(term.name_span, inner.span);
        term.operands.push_back(std::move(inner));
        return term;
    }

    Term operation(Term::Kind kind) {
        Term term;
        term.kind = kind;
        term.text = token().text;
        term.name_span = token().span;
        advance();
        return term;
    }

    bool binary_follows() const {
        std::size_t ahead = 0;
        while (token(ahead).kind == Kind::newline) ++ahead;
        return is_binary(token(ahead));
    }

    Term operand(int depth) {
        if (accept("(")) {
            const Span open = tokens_[at_ - 1].span;
            Term inner = formula(depth + 1);
            skip_newlines();
            inner.span = {open.begin, token().span.end};
            if (!accept(")")) unexpected("an operator or `)`", operators_hint);
            return inner;
        }
        const bool constant = token().is_name("true") || token().is_name("false");
        if (!constant && !is_atom_name(token()))
            unexpected("a formula", "atoms and definitions are written in capitals; true and false are known");
        Term term = operation(Term::Kind::name);
        term.span = term.name_span;
        return term;
    }

    // The grammar takes everything to the right as one operand, whatever the operators. Where readers would group
    // otherwise, they are told.
    void warn_of_grouping(const Term& outer, const Term& inner) {
        const bool parenthesised = inner.kind != Term::Kind::binary || inner.span.begin < inner.operands[0].span.begin;
        if (parenthesised) return;
        const bool unary = outer.kind == Term::Kind::unary;
        if (!unary && tightness(outer.text) <= tightness(inner.text)) return;
        diagnostics_.push_back({Severity::warning, "ltl-grouping", source_.position(outer.name_span.begin),
                                outer.name_span.end - outer.name_span.begin,
                                "`" + outer.text + "` takes all that follows here, the `" + inner.text +
                                    "` included; operators have no precedence",
                                "write the parentheses that you mean"});
    }

    LtlFile file_;
    const LocatedText text_;
    LocatedText note_lines_;
    const SourceText& source_;
    std::vector<Diagnostic>& diagnostics_;
};

}  // namespace

LtlFile parse_ltl(const SourceText& source, std::vector<Diagnostic>& diagnostics) {
    if (source.text().size() > longest_ltl_bytes) {
        diagnostics.push_back({Severity::error, "too-long", {1, 1}, 1, "this file is longer than 64 KiB", {}});
        return {};
    }
    return LtlParser(without_comments(source.text()), source, diagnostics).run();
}

}  // namespace lockstep::codegen
