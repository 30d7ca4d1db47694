#include "codegen/label_tokens.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <optional>
#include <utility>

namespace lockstep::codegen {
namespace {

bool starts_name(char c) {
    return std::isalpha(static_cast<unsigned char>(c)) || c == '_';
}
bool in_name(char c) {
    return std::isalnum(static_cast<unsigned char>(c)) || c == '_';
}
bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

std::optional<Integer> nanoseconds_of(std::string_view unit) {
    struct Unit {
        std::string_view name;
        std::int64_t ns;
    };
    static constexpr std::array<Unit, 7> units = {{{"ns", 1},
                                                   {"us", 1'000},
                                                   {"ms", 1'000'000},
                                                   {"s", 1'000'000'000},
                                                   {"min", 60'000'000'000},
                                                   {"h", 3'600'000'000'000},
                                                   {"j", 4'000'000}}};
    for (const Unit& candidate : units)
        if (candidate.name == unit) return candidate.ns;
    return std::nullopt;
}

class Lexer {
 public:
    Lexer(const LocatedText& label, const SourceText& source, std::vector<Diagnostic>& diagnostics)
        : label_(label), text_(label.text), source_(source), diagnostics_(diagnostics) {}

    std::vector<LabelToken> run() {
        while (at_ < text_.size()) next();
        push(LabelToken::Kind::end, at_);
        return std::move(tokens_);
    }

 private:
    char peek(std::size_t ahead = 0) const { return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0'; }

    void next() {
        const char c = peek();
        if (c == '\n')
            push(LabelToken::Kind::newline, at_ + 1);
        else if (std::isspace(static_cast<unsigned char>(c)))
            ++at_;
        else if (starts_name(c))
            name();
        else if (is_digit(c))
            number();
        else if (c == '\'' || c == '"')
            quoted(c);
        else
            mark();
    }

    LabelToken& push(LabelToken::Kind kind, std::size_t end) {
        LabelToken token;
        token.kind = kind;
        token.text = text_.substr(at_, end - at_);
        token.begin = at_;
        token.finish = end;
        token.span = {label_.offset_of(at_), label_.offset_of(end)};
        if (end > at_) token.span.end = std::max(token.span.begin + 1, label_.offset_of(end - 1) + 1);
        at_ = end;
        tokens_.push_back(std::move(token));
        return tokens_.back();
    }

    void name() {
        std::size_t end = at_;
        while (end < text_.size() && in_name(text_[end])) ++end;
        push(LabelToken::Kind::name, end);
    }

    void number() {
        std::size_t end = at_;
        const bool hexadecimal = peek() == '0' && (peek(1) == 'x' || peek(1) == 'X');
        if (hexadecimal) end += 2;
        Integer value = 0;
        const std::size_t first_digit = end;
        for (; end < text_.size(); ++end) {
            const char c = static_cast<char>(std::tolower(static_cast<unsigned char>(text_[end])));
            if (is_digit(c))
                value = value * (hexadecimal ? 16 : 10) + (c - '0');
            else if (hexadecimal && c >= 'a' && c <= 'f')
                value = value * 16 + (c - 'a' + 10);
            else
                break;
            value = std::min<Integer>(value, integer_highest + 1);
        }
        const std::size_t digits_end = end;
        while (end < text_.size() && in_name(text_[end])) ++end;
        const std::string unit = text_.substr(digits_end, end - digits_end);
        LabelToken& token = push(unit.empty() ? LabelToken::Kind::number : LabelToken::Kind::duration, end);
        token.number = value;
        token.broken = value > integer_highest || first_digit == digits_end;
        if (token.broken) error(token.span, "bad-number", "this number is not between 0 and 2^64-1", {});
        if (unit.empty()) return;
        const auto ns = nanoseconds_of(unit);
        if (!ns) {
            token.broken = true;
            error(token.span, "bad-number", "`" + unit + "` is no unit of time",
                  "units are ns, us, ms, s, min, h and j (a jiffy)");
        }
        token.number = multiply(std::min(value, integer_highest), ns.value_or(1));
    }

    void quoted(char quote) {
        std::string content;
        std::size_t end = at_ + 1;
        while (end < text_.size() && text_[end] != quote && text_[end] != '\n') content += text_[end++];
        const bool closed = end < text_.size() && text_[end] == quote;
        LabelToken& token = push(LabelToken::Kind::text, closed ? end + 1 : end);
        token.text = std::move(content);
        token.broken = !closed;
        if (!closed)
            error(token.span, "unclosed-quote", "this text is never closed",
                  std::string("add `") + quote + "` where it ends");
    }

    void mark() {
        static constexpr std::array<std::string_view, 11> long_marks = {
            "&&", "||", "==", "!=", "<=", ">=", ":=", "->", "+=", "-=", "=>"};
        for (const std::string_view mark : long_marks)
            if (text_.compare(at_, mark.size(), mark) == 0)
                return void(push(LabelToken::Kind::mark, at_ + mark.size()));
        static constexpr std::string_view short_marks = ";,()[]:=<>!+-*/%@";
        if (short_marks.find(peek()) != std::string_view::npos) return void(push(LabelToken::Kind::mark, at_ + 1));
        std::size_t end = at_ + 1;
        while (end < text_.size() && (static_cast<unsigned char>(text_[end]) & 0xC0U) == 0x80U) ++end;
        const std::string shown = text_.substr(at_, end - at_);
        const Span span{label_.offset_of(at_), label_.offset_of(end - 1) + 1};
        const std::string_view meant = probably_meant(shown);
        error(span, "bad-character", "`" + shown + "` has no meaning here",
              meant.empty() ? "" : "write `" + std::string(meant) + "`");
        // Read on as if the right one stood there, so that this is the only message.
        if (!meant.empty()) push(LabelToken::Kind::mark, end).text = meant;
        at_ = end;
    }

    static std::string_view probably_meant(std::string_view shown) {
        static constexpr std::array<std::pair<std::string_view, std::string_view>, 8> meanings = {
            {{"&", "&&"}, {"|", "||"}, {"≤", "<="}, {"≥", ">="}, {"≠", "!="}, {"∧", "&&"}, {"∨", "||"}, {"¬", "!"}}};
        for (const auto& [odd, right] : meanings)
            if (odd == shown) return right;
        return {};
    }

    void error(Span span, std::string code, std::string message, std::string hint) {
        diagnostics_.push_back({Severity::error, std::move(code), source_.position(span.begin), span.end - span.begin,
                                std::move(message), std::move(hint)});
    }

    const LocatedText& label_;
    const std::string& text_;
    const SourceText& source_;
    std::vector<Diagnostic>& diagnostics_;
    std::vector<LabelToken> tokens_;
    std::size_t at_ = 0;
};

}  // namespace

std::vector<LabelToken> tokenise_label(const LocatedText& label, const SourceText& source,
                                       std::vector<Diagnostic>& diagnostics) {
    return Lexer(label, source, diagnostics).run();
}

}  // namespace lockstep::codegen
