#include "codegen/diagnostic.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

#include "codegen/source_text.hpp"

namespace lockstep::codegen {
namespace {

auto sort_key(const Diagnostic& d) {
    return std::tie(d.position.line, d.position.column);
}

bool same(const Diagnostic& a, const Diagnostic& b) {
    return a.position == b.position && a.code == b.code && a.message == b.message;
}

bool continues_character(char byte) {
    return (static_cast<unsigned char>(byte) & 0xC0U) == 0x80U;
}

// Blanks that take as much room as the text does: tabs stay tabs, a UTF-8 character is one blank.
std::string blanks_for(std::string_view text) {
    std::string blanks;
    for (const char byte : text) {
        if (byte == '\t')
            blanks += '\t';
        else if (!continues_character(byte))
            blanks += ' ';
    }
    return blanks;
}

// The part of a line that is shown, and the mark's place in it.
struct Excerpt {
    std::string_view line;
    std::size_t begin = 0;
    bool cut_before = false;
    bool cut_after = false;
};

constexpr std::size_t longest_line_shown = 200;

Excerpt excerpt(std::string_view line, std::uint32_t column) {
    Excerpt shown{line, std::min<std::size_t>(column - 1, line.size())};
    if (line.size() <= longest_line_shown) return shown;
    std::size_t first = shown.begin > longest_line_shown / 2 ? shown.begin - longest_line_shown / 2 : 0;
    // No character is cut; in bytes that are no UTF-8 none continues for longer than one can be.
    for (int i = 0; i < 3 && first > 0 && continues_character(line[first]); ++i) --first;
    std::size_t end = std::min(line.size(), first + longest_line_shown);
    for (int i = 0; i < 3 && end < line.size() && continues_character(line[end]); ++i) ++end;
    return {line.substr(first, end - first), shown.begin - first, first > 0, end < line.size()};
}

std::string underline(std::string_view line, std::size_t begin, std::uint32_t length) {
    const std::string_view marked = line.substr(begin, std::max<std::uint32_t>(length, 1));
    const auto width = std::count_if(marked.begin(), marked.end(), [](char c) { return !continues_character(c); });
    return blanks_for(line.substr(0, begin)) + '^' + std::string(std::max<std::ptrdiff_t>(width, 1) - 1, '~');
}

// Control characters of a hostile file must not reach the terminal.
std::string printable(std::string_view line) {
    std::string shown;
    for (const char byte : line)
        shown += (static_cast<unsigned char>(byte) < 0x20 && byte != '\t') || byte == 0x7F ? '?' : byte;
    return shown;
}

}  // namespace

void sort_diagnostics(std::vector<Diagnostic>& diagnostics) {
    std::ranges::stable_sort(diagnostics, {}, sort_key);
    const auto repeated = std::ranges::unique(diagnostics, same);
    diagnostics.erase(repeated.begin(), repeated.end());
}

bool has_errors(const std::vector<Diagnostic>& diagnostics) {
    return std::ranges::any_of(diagnostics, [](const Diagnostic& d) { return d.severity == Severity::error; });
}

std::string format_diagnostic(const Diagnostic& diagnostic, std::string_view path, std::string_view source,
                              bool colour) {
    const bool is_error = diagnostic.severity == Severity::error;
    const std::string_view bold = colour ? "\033[1m" : "";
    const std::string_view tint = !colour ? "" : is_error ? "\033[1;31m" : "\033[1;35m";
    const std::string_view green = colour ? "\033[1;32m" : "";
    const std::string_view plain = colour ? "\033[0m" : "";
    const bool placed = diagnostic.position.line > 0;

    std::string text = fmt::format("{}{}:", bold, printable(path));
    if (placed) text += fmt::format("{}:{}:", diagnostic.position.line, diagnostic.position.column);
    text += fmt::format("{} {}{}:{} {} [{}]\n", plain, tint, is_error ? "error" : "warning", plain,
                        printable(diagnostic.message), diagnostic.code);
    if (placed) {
        const std::string line = printable(line_of(source, diagnostic.position.line));
        const Excerpt shown = excerpt(line, diagnostic.position.column);
        const std::string_view before = shown.cut_before ? "… " : "";
        text += fmt::format("{:5} | {}{}{}\n      | {}{}{}{}\n", diagnostic.position.line, before, shown.line,
                            shown.cut_after ? " …" : "", shown.cut_before ? "  " : "", green,
                            underline(shown.line, shown.begin, diagnostic.length), plain);
    }
    if (!diagnostic.hint.empty()) text += fmt::format("      = hint: {}\n", printable(diagnostic.hint));
    return text;
}

}  // namespace lockstep::codegen
