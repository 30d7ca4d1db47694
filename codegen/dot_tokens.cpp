#include "codegen/dot_tokens.hpp"

#include <cctype>

namespace lockstep::codegen {
namespace {

bool starts_name(char c) {
    return std::isalpha(static_cast<unsigned char>(c)) || c == '_' || (static_cast<unsigned char>(c) & 0x80U);
}
bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

class Lexer {
 public:
    Lexer(const SourceText& source, std::vector<Diagnostic>& diagnostics)
        : source_(source), text_(source.text()), diagnostics_(diagnostics) {}

    DotTokens run() {
        if (text_.size() > longest_source_bytes) {
            error(0, 1, "too-long", "the file is longer than 4 MiB; no model is", {});
        } else {
            if (text_.starts_with("\xEF\xBB\xBF")) at_ = 3;
            while (at_ < text_.size()) next();
        }
        result_.tokens.push_back({DotToken::Kind::end, {}, {size(), size()}});
        return std::move(result_);
    }

 private:
    std::uint32_t size() const { return static_cast<std::uint32_t>(text_.size()); }
    char peek(std::uint32_t ahead = 0) const { return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0'; }
    bool at_line_start() const { return at_ == 0 || text_[at_ - 1] == '\n'; }

    void next() {
        const char c = peek();
        if (c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f')
            ++at_;
        else if (c == '/' && peek(1) == '*')
            block_comment();
        else if (c == '/' && peek(1) == '/')
            line_comment(2);
        else if (c == '#' && at_line_start())
            line_comment(1);
        else if (c == '"')
            quoted();
        else if (c == '<')
            html();
        else if (starts_name(c))
            name();
        else if (is_digit(c) || c == '.' || (c == '-' && (is_digit(peek(1)) || peek(1) == '.')))
            number();
        else
            mark();
    }

    void block_comment() {
        const std::uint32_t begin = at_;
        const std::size_t close = text_.find("*/", at_ + 2);
        if (close == std::string::npos) {
            error(begin, 2, "unclosed-comment", "this comment is never closed", "add `*/` where the comment ends");
            at_ = size();
            return;
        }
        std::uint32_t line_begin = begin + 2;
        for (auto i = line_begin; i <= close; ++i) {
            if (i != close && text_[i] != '\n') continue;
            while (line_begin < i &&
                   (std::isspace(static_cast<unsigned char>(text_[line_begin])) || text_[line_begin] == '*')) {
                if (text_[line_begin++] == '*') break;  // the star that begins each line of a boxed comment
            }
            comment_line(line_begin, i);
            line_begin = i + 1;
        }
        at_ = static_cast<std::uint32_t>(close) + 2;
    }

    void line_comment(std::uint32_t marker) {
        const std::size_t end = std::min(text_.find('\n', at_), text_.size());
        comment_line(at_ + marker, static_cast<std::uint32_t>(end));
        at_ = static_cast<std::uint32_t>(end);
    }

    void comment_line(std::uint32_t begin, std::uint32_t end) {
        CommentLine line;
        for (std::uint32_t i = begin; i < end; ++i)
            if (text_[i] != '\r') line.text.append(text_[i], i);
        line.text.offsets.push_back(end);
        line.span = {begin, end};
        const std::uint32_t number = source_.position(begin).line;
        line.follows_former = last_comment_line_ != 0 && number == last_comment_line_ + 1;
        last_comment_line_ = number;
        result_.comments.push_back(std::move(line));
    }

    void quoted() {
        DotToken token{DotToken::Kind::quoted, {}, {at_, at_}};
        std::uint32_t i = at_ + 1;
        for (; i < text_.size() && text_[i] != '"'; ++i) {
            if (text_[i] == '\0') return bad_byte(i);
            if (text_[i] == '\\' && i + 1 < text_.size()) {
                const char escaped = text_[i + 1];
                if (escaped == '"')
                    token.text.append('"', i++);
                else if (escaped == '\n')
                    ++i;
                else if (escaped == '\r' && i + 2 < text_.size() && text_[i + 2] == '\n')
                    i += 2;
                else {
                    token.text.append('\\', i);
                    token.text.append(escaped, ++i);
                }
            } else if (text_[i] != '\r' || i + 1 == text_.size() || text_[i + 1] != '\n') {
                token.text.append(text_[i], i);
            }
        }
        if (i >= text_.size()) {
            error(at_, 1, "unclosed-quote", "this quoted text is never closed", "add `\"` where the text ends");
            at_ = size();
            return;
        }
        finish(std::move(token), i + 1);
    }

    void html() {
        DotToken token{DotToken::Kind::html, {}, {at_, at_}};
        int depth = 0;
        std::uint32_t i = at_;
        for (; i < text_.size(); ++i) {
            if (text_[i] == '\0') return bad_byte(i);
            if (text_[i] == '<') ++depth;
            if (text_[i] == '>' && --depth == 0) break;
            if (i != at_) token.text.append(text_[i], i);
        }
        if (i >= text_.size()) {
            error(at_, 1, "unclosed-quote", "this HTML text is never closed", "add `>` where the text ends");
            at_ = size();
            return;
        }
        finish(std::move(token), i + 1);
    }

    void finish(DotToken token, std::uint32_t end) {
        token.text.offsets.push_back(end - 1);
        token.span.end = end;
        if (token.text.text.size() > longest_text_bytes)
            error(token.span.begin, 1, "too-long", "this text is longer than 64 KiB; no label is", {});
        at_ = end;
        result_.tokens.push_back(std::move(token));
    }

    void plain(DotToken::Kind kind, std::uint32_t end) {
        DotToken token{kind, {}, {at_, end}};
        for (std::uint32_t i = at_; i < end; ++i) token.text.append(text_[i], i);
        token.text.offsets.push_back(end);
        at_ = end;
        result_.tokens.push_back(std::move(token));
    }

    void name() {
        std::uint32_t end = at_;
        while (end < text_.size() && (starts_name(text_[end]) || is_digit(text_[end]))) ++end;
        plain(DotToken::Kind::name, end);
    }

    void number() {
        std::uint32_t end = at_ + (peek() == '-' ? 1 : 0);
        while (end < text_.size() && is_digit(text_[end])) ++end;
        if (end < text_.size() && text_[end] == '.') ++end;
        while (end < text_.size() && is_digit(text_[end])) ++end;
        plain(DotToken::Kind::name, end);
    }

    void mark() {
        const char c = peek();
        if (c == '-' && (peek(1) == '>' || peek(1) == '-')) return plain(DotToken::Kind::mark, at_ + 2);
        if (c != '\0' && std::string_view("{}[];,=:+@").find(c) != std::string_view::npos)
            return plain(DotToken::Kind::mark, at_ + 1);
        bad_byte(at_);
    }

    void bad_byte(std::uint32_t offset) {
        const char c = text_[offset];
        const bool shown = c > ' ' && c < 0x7F;
        error(offset, 1, "bad-character",
              shown ? std::string("`") + c + "` has no meaning here" : "a control byte has no place in a DOT file",
              shown ? "put quotes around a name that has such characters" : "");
        at_ = offset + 1;
    }

    void error(std::uint32_t offset, std::uint32_t length, std::string code, std::string message, std::string hint) {
        if (diagnostics_.size() >= 100) return;  // a binary file is told once, not a million times
        diagnostics_.push_back(
            {Severity::error, std::move(code), source_.position(offset), length, std::move(message), std::move(hint)});
    }

    const SourceText& source_;
    const std::string& text_;
    std::vector<Diagnostic>& diagnostics_;
    DotTokens result_;
    std::uint32_t at_ = 0;
    std::uint32_t last_comment_line_ = 0;
};

}  // namespace

DotTokens tokenise_dot(const SourceText& source, std::vector<Diagnostic>& diagnostics) {
    return Lexer(source, diagnostics).run();
}

}  // namespace lockstep::codegen
