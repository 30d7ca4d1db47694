// The part of the parser that reads expressions, and the cursor over the words of one label. Recursive descent, a
// function for each level of precedence; how deep and how long an expression may be is bounded.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "codegen/label_tokens.hpp"
#include "codegen/syntax.hpp"

namespace lockstep::codegen {

// A clause or line that can't be read; the message is in the diagnostics already. Thrown within the parser only.
struct Unreadable {};

class ExpressionParser {
 protected:
    using Kind = LabelToken::Kind;

    ExpressionParser(const LocatedText& label, const SourceText& source, std::vector<Diagnostic>& diagnostics)
        : tokens_(tokenise_label(label, source, diagnostics)), source_(source), diagnostics_(diagnostics) {}

    // Throw Unreadable.
    syntax::Term expression();
    syntax::Term unary();
    syntax::Term primary();
    syntax::Term literal(syntax::Term::Kind kind);

    // --- the cursor
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
    // A line break within an expression: allowed where the expression can't have ended, and anywhere within
    // parentheses.
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
        diagnostics_.push_back({Severity::error, std::move(code), source_.position(span.begin), length,
                                std::move(message), std::move(hint)});
    }

    syntax::Name name(const std::string& wanted, std::string hint = {}) {
        if (token().kind != Kind::name) unexpected(wanted, std::move(hint));
        syntax::Name name{token().text, token().span};
        advance();
        return name;
    }

    void expect(std::string_view mark, std::string hint = {}) {
        if (!accept(mark)) unexpected("`" + std::string(mark) + "`", std::move(hint));
    }

    std::vector<LabelToken> tokens_;
    std::size_t at_ = 0;

 private:
    struct Deeper;
    struct Parentheses;

    template <class Operand, class IsOperator>
    syntax::Term left_associative(Operand operand, IsOperator is_operator);
    template <class Operand>
    syntax::Term binary(syntax::Term left, Operand operand);
    syntax::Term disjunction();
    syntax::Term conjunction();
    syntax::Term comparison();
    syntax::Term sum();
    syntax::Term product();
    syntax::Term name_or_call();
    void list(syntax::Term& term, std::string_view close);

    const SourceText& source_;
    std::vector<Diagnostic>& diagnostics_;
    int depth_ = 0;
    int parentheses_ = 0;
};

}  // namespace lockstep::codegen
