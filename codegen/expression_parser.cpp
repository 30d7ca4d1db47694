#include "codegen/expression_parser.hpp"

namespace lockstep::codegen {

using syntax::Term;

namespace {

constexpr int deepest_expression = 100;
constexpr int longest_chain = 1000;

bool is_comparison(const LabelToken& t) {
    for (const std::string_view mark : {"==", "!=", "<", "<=", ">", ">="})
        if (t.is(mark)) return true;
    return t.is_name("in");
}

}  // namespace

// Counts how deep the recursion is, also when an exception ends it.
struct ExpressionParser::Deeper {
    explicit Deeper(ExpressionParser& parser) : depth(parser.depth_) {
        if (++depth <= deepest_expression) return;
        --depth;
        parser.fail(parser.token().span, "too-deep", "this expression is nested more than 100 deep", {});
    }
    ~Deeper() { --depth; }
    Deeper(const Deeper&) = delete;
    Deeper& operator=(const Deeper&) = delete;
    int& depth;
};

struct ExpressionParser::Parentheses {
    explicit Parentheses(ExpressionParser& parser) : open(parser.parentheses_) { ++open; }
    ~Parentheses() { --open; }
    Parentheses(const Parentheses&) = delete;
    Parentheses& operator=(const Parentheses&) = delete;
    int& open;
};

Term ExpressionParser::expression() {
    const Deeper deeper(*this);
    return disjunction();
}

template <class Operand, class IsOperator>
Term ExpressionParser::left_associative(Operand operand, IsOperator is_operator) {
    Term left = operand();
    continue_line_in_parentheses();
    for (int length = 0; is_operator(token()); ++length) {
        if (length > longest_chain) fail(token().span, "too-deep", "this expression has more than 1000 terms", {});
        left = binary(std::move(left), operand);
        continue_line_in_parentheses();
    }
    return left;
}

template <class Operand>
Term ExpressionParser::binary(Term left, Operand operand) {
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

Term ExpressionParser::disjunction() {
    return left_associative([this] { return conjunction(); }, [](const LabelToken& t) { return t.is("||"); });
}
Term ExpressionParser::conjunction() {
    return left_associative([this] { return comparison(); }, [](const LabelToken& t) { return t.is("&&"); });
}

Term ExpressionParser::comparison() {
    Term left = sum();
    if (!is_comparison(token())) return left;
    Term term = binary(std::move(left), [this] { return sum(); });
    if (is_comparison(token()))
        fail(token().span, "label-syntax", "comparisons can't be chained", "write `a < b && b < c`");
    return term;
}

Term ExpressionParser::sum() {
    return left_associative([this] { return product(); }, [](const LabelToken& t) { return t.is("+") || t.is("-"); });
}
Term ExpressionParser::product() {
    return left_associative([this] { return unary(); },
                            [](const LabelToken& t) { return t.is("*") || t.is("/") || t.is("%"); });
}

Term ExpressionParser::unary() {
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

Term ExpressionParser::primary() {
    const LabelToken& first = token();
    switch (first.kind) {
        case Kind::number:
            return literal(Term::Kind::number);
        case Kind::duration:
            return literal(Term::Kind::duration);
        case Kind::text:
            return literal(Term::Kind::text);
        case Kind::name:
            return name_or_call();
        default:
            break;
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

Term ExpressionParser::literal(Term::Kind kind) {
    Term term;
    term.kind = kind;
    term.text = token().text;
    term.number = token().number;
    term.broken = token().broken;
    term.span = term.name_span = token().span;
    advance();
    return term;
}

Term ExpressionParser::name_or_call() {
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

void ExpressionParser::list(Term& term, std::string_view close) {
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

}  // namespace lockstep::codegen
