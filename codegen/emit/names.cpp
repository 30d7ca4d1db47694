#include "codegen/emit/names.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace lockstep::codegen {
namespace {

// Keywords, and names that C headers may define as macros or that the generated file uses itself.
constexpr std::array reserved = {
    "alignas",   "alignof",  "and",       "and_eq",    "asm",          "auto",          "bitand",
    "bitor",     "bool",     "break",     "case",      "catch",        "char",          "char16_t",
    "char32_t",  "class",    "compl",     "const",     "const_cast",   "constexpr",     "continue",
    "decltype",  "default",  "delete",    "do",        "double",       "dynamic_cast",  "else",
    "enum",      "explicit", "export",    "extern",    "false",        "float",         "for",
    "friend",    "goto",     "if",        "inline",    "int",          "long",          "mutable",
    "namespace", "new",      "noexcept",  "not",       "not_eq",       "nullptr",       "operator",
    "or",        "or_eq",    "private",   "protected", "public",       "register",      "reinterpret_cast",
    "return",    "short",    "signed",    "sizeof",    "static",       "static_assert", "static_cast",
    "struct",    "switch",   "template",  "this",      "thread_local", "throw",         "true",
    "try",       "typedef",  "typeid",    "typename",  "union",        "unsigned",      "using",
    "virtual",   "void",     "volatile",  "wchar_t",   "while",        "xor",           "xor_eq",
    "errno",     "stdin",    "stdout",    "stderr",    "assert",       "linux",         "unix",
    "NULL",      "EOF",      "major",     "minor",     "makedev",      "add",           "subtract",
    "multiply",  "divide",   "remainder", "saturate",  "to_signed",    "to_unsigned",   "modes_compatible",
    "text",      "keep",     "id",        "key",       "words",        "start",         "start_state",
    "event",     "state",    "edge",      "at",        "lockstep",     "std",           "boost"};

bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

}  // namespace

std::string to_identifier(std::string_view name) {
    std::string identifier;
    for (const char c : name) {
        const char next = is_letter(c) || is_digit(c) ? c : '_';
        if (next == '_' && (identifier.empty() || identifier.back() == '_')) continue;
        identifier += next;
    }
    if (identifier.empty() || is_digit(identifier.front())) identifier = "n" + identifier;
    if (std::ranges::find(reserved, identifier) != reserved.end()) {
        if (identifier.back() != '_') identifier += '_';
    }
    return identifier;
}

std::string NameScope::add(std::string_view name) {
    const std::string identifier = to_identifier(name);
    std::string unique = identifier;
    for (int number = 2; !taken_.insert(unique).second; ++number) unique = fmt::format("{}_{}", identifier, number);
    return unique;
}

std::string string_literal(std::string_view text) {
    std::string literal = "\"";
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (c == '\n')
            literal += "\\n\"\n    \"";
        else if (c == '"' || c == '\\')
            literal += fmt::format("\\{}", c);
        else if (c == '?')
            literal += "\\?";  // no trigraphs
        else if (byte < 0x20 || byte >= 0x7f)
            literal += fmt::format("\\{:03o}", byte);
        else
            literal += c;
    }
    return literal + '"';
}

std::string comment_text(std::string_view text) {
    std::string line;
    for (const char c : text) line += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
    while (!line.empty() && (line.back() == '\\' || line.back() == ' ')) line.pop_back();
    // `??/` at the end is a backslash to a compiler that reads trigraphs.
    return line.ends_with("\?\?/") ? line + " " : line;
}

}  // namespace lockstep::codegen
