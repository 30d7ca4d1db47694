// A reader for the part of C that .tp files use: comments, strings, words, and the TRACEPOINT_EVENT macros with nested
// parentheses. Preprocessor lines are skipped; everything else that is not an event declaration is none of our
// business.
#include "codegen/tracepoint_declarations.hpp"

#include <algorithm>
#include <cctype>
#include <fstream>
#include <iterator>
#include <optional>
#include <set>

#include "codegen/source_text.hpp"

namespace lockstep::codegen {
namespace {

std::string_view trim(std::string_view text) {
    while (!text.empty() && std::isspace(static_cast<unsigned char>(text.front()))) text.remove_prefix(1);
    while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back()))) text.remove_suffix(1);
    return text;
}

// White space of any length is one blank, as the preprocessor's # operator makes it.
std::string squeeze(std::string_view text) {
    std::string squeezed;
    for (const char c : trim(text)) {
        if (!std::isspace(static_cast<unsigned char>(c)))
            squeezed += c;
        else if (squeezed.back() != ' ')
            squeezed += ' ';
    }
    return squeezed;
}

// A macro's argument, or the text between two of them, with its place in the file.
struct Piece {
    std::string_view text;
    std::uint32_t offset = 0;
};

// Comments and preprocessor lines become blanks, so that offsets stay; /** … */ comments are kept aside.
struct Stripped {
    std::string text;
    std::vector<std::pair<std::uint32_t, std::string>> documentation;  // offset of the end of the comment, its text
};

std::string documentation_text(std::string_view comment) {
    std::string text;
    for (const char c : comment) text += c == '*' ? ' ' : c;
    return squeeze(text);
}

void blank(std::string& text, std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i)
        if (text[i] != '\n') text[i] = ' ';
}

std::size_t end_of_quoted(std::string_view text, std::size_t begin) {
    std::size_t i = begin + 1;
    while (i < text.size() && text[i] != text[begin] && text[i] != '\n') i += text[i] == '\\' ? 2 : 1;
    return std::min(i + 1, text.size());
}

std::size_t end_of_line(std::string_view text, std::size_t begin, bool continued) {
    std::size_t end = text.find('\n', begin);
    while (continued && end != std::string_view::npos && end > begin && text[end - 1] == '\\')
        end = text.find('\n', end + 1);
    return std::min(end, text.size());
}

Stripped strip(std::string_view source) {
    Stripped stripped{std::string(source), {}};
    bool line_is_blank = true;
    for (std::size_t i = 0; i < source.size();) {
        const char c = source[i];
        std::size_t end = i + 1;
        if (source.substr(i, 2) == "/*") {
            const std::size_t close = source.find("*/", i + 2);
            end = close == std::string_view::npos ? source.size() : close + 2;
            if (source.substr(i, 3) == "/**" && close > i + 3)
                stripped.documentation.emplace_back(end, documentation_text(source.substr(i + 3, close - i - 3)));
            blank(stripped.text, i, end);
        } else if (source.substr(i, 2) == "//" || (c == '#' && line_is_blank)) {
            end = end_of_line(source, i, c == '#');
            blank(stripped.text, i, end);
        } else if (c == '"' || c == '\'') {
            end = end_of_quoted(source, i);
        }
        line_is_blank = c == '\n' || (line_is_blank && std::isspace(static_cast<unsigned char>(c)));
        i = end;
    }
    return stripped;
}

// Splits "a, f(b, c), d" at the commas of the outermost level.
std::vector<Piece> split(Piece whole) {
    std::vector<Piece> pieces;
    std::size_t begin = 0;
    int depth = 0;
    const auto add = [&](std::size_t end) {
        const std::string_view raw = whole.text.substr(begin, end - begin);
        const std::string_view text = trim(raw);
        const auto skipped = text.empty() ? 0 : static_cast<std::size_t>(text.data() - raw.data());
        pieces.push_back({text, whole.offset + static_cast<std::uint32_t>(begin + skipped)});
        begin = end + 1;
    };
    for (std::size_t i = 0; i < whole.text.size(); ++i) {
        const char c = whole.text[i];
        if (c == '"' || c == '\'')
            i = end_of_quoted(whole.text, i) - 1;
        else if (c == '(')
            ++depth;
        else if (c == ')')
            --depth;
        else if (c == ',' && depth == 0)
            add(i);
    }
    add(whole.text.size());
    if (pieces.size() == 1 && pieces.front().text.empty()) pieces.clear();
    return pieces;
}

// NAME(…) at the start of `text`.
struct Call {
    std::string name;
    Piece arguments;
    std::size_t length = 0;  // of the whole call
};

std::optional<Call> parse_call(Piece piece) {
    const std::string_view text = piece.text;
    std::size_t i = 0;
    while (i < text.size() && (std::isalnum(static_cast<unsigned char>(text[i])) || text[i] == '_')) ++i;
    const std::string name(text.substr(0, i));
    while (i < text.size() && std::isspace(static_cast<unsigned char>(text[i]))) ++i;
    if (name.empty() || i >= text.size() || text[i] != '(') return std::nullopt;
    const std::size_t open = i;
    int depth = 0;
    for (; i < text.size(); ++i) {
        if (text[i] == '"' || text[i] == '\'')
            i = end_of_quoted(text, i) - 1;
        else if (text[i] == '(')
            ++depth;
        else if (text[i] == ')' && --depth == 0)
            return Call{name,
                        {text.substr(open + 1, i - open - 1), piece.offset + static_cast<std::uint32_t>(open + 1)},
                        i + 1};
    }
    return std::nullopt;
}

// LTTng-UST 2.13 and its older spelling name the same things.
std::string_view without_prefix(std::string_view name) {
    for (const std::string_view prefix : {"lttng_ust_field_", "LTTNG_UST_", "ctf_"})
        if (name.starts_with(prefix)) return name.substr(prefix.size());
    return name;
}

std::optional<ValueType> value_type(std::string_view c_type) {
    static const std::set<std::string, std::less<>> unsigned_types = {
        "uint8_t",       "uint16_t",       "uint32_t",      "uint64_t",
        "unsigned",      "unsigned int",   "unsigned long", "unsigned long long",
        "unsigned char", "unsigned short", "size_t",        "uintptr_t",
        "bool",          "_Bool",          "uid_t",         "gid_t",
        "mode_t",        "dev_t",          "ino_t"};
    static const std::set<std::string, std::less<>> signed_types = {
        "int8_t", "int16_t", "int32_t",  "int64_t", "int",   "long",   "long long", "short",        "signed char",
        "char",   "ssize_t", "intptr_t", "off_t",   "pid_t", "time_t", "long int",  "long long int"};
    if (unsigned_types.contains(c_type)) return ValueType{Type::integer, false};
    if (signed_types.contains(c_type)) return ValueType{Type::integer, true};
    return std::nullopt;
}

bool is_string_type(std::string_view c_type) {
    std::string tight;
    for (const char c : c_type)
        if (!std::isspace(static_cast<unsigned char>(c))) tight += c;
    return tight == "constchar*" || tight == "char*" || tight == "charconst*";
}

class Parser {
 public:
    Parser(std::string_view source, const std::string& path)
        : text_(std::string(source)), stripped_(strip(source)), path_(path) {}

    void run() {
        const std::string_view text = stripped_.text;
        for (std::size_t i = 0; i < text.size();) {
            if (!std::isalpha(static_cast<unsigned char>(text[i])) && text[i] != '_') {
                ++i;
                continue;
            }
            i += word({text.substr(i), static_cast<std::uint32_t>(i)});
        }
    }

    std::vector<TracepointDeclaration> declarations;
    std::vector<Diagnostic> diagnostics;

 private:
    // Returns how much of the text is done with.
    std::size_t word(Piece piece) {
        std::size_t length = 0;
        while (length < piece.text.size() &&
               (std::isalnum(static_cast<unsigned char>(piece.text[length])) || piece.text[length] == '_'))
            ++length;
        const std::string_view name = without_prefix(piece.text.substr(0, length));
        const bool event = name == "TRACEPOINT_EVENT";
        const bool event_class = name == "TRACEPOINT_EVENT_CLASS";
        const bool instance = name == "TRACEPOINT_EVENT_INSTANCE";
        if (!event && !event_class && !instance) return length;
        const auto call = parse_call(piece);
        if (!call) {
            error(piece.offset, length, "malformed-tracepoint", "the parentheses of this declaration do not close");
            return length;
        }
        const auto arguments = split(call->arguments);
        if (arguments.size() < 4) {
            error(piece.offset, length, "malformed-tracepoint",
                  "a tracepoint needs a provider, a name, LTTNG_UST_TP_ARGS(…) and LTTNG_UST_TP_FIELDS(…)");
        } else if (event) {
            declarations.push_back(declaration(arguments[0], arguments[1], arguments[2], arguments[3], piece.offset));
        } else if (event_class) {
            classes_[{std::string(arguments[0].text), std::string(arguments[1].text)}] =
                declaration(arguments[0], arguments[1], arguments[2], arguments[3], piece.offset);
        } else {
            add_instance(arguments, piece.offset);
        }
        return call->length;
    }

    // LTTNG_UST_TRACEPOINT_EVENT_INSTANCE(template provider, template, provider, name, LTTNG_UST_TP_ARGS(…)), or the
    // older TRACEPOINT_EVENT_INSTANCE(provider, template, name, TP_ARGS(…)).
    void add_instance(const std::vector<Piece>& arguments, std::uint32_t offset) {
        const bool two_providers = arguments.size() == 5;
        const auto found = classes_.find({std::string(arguments[0].text), std::string(arguments[1].text)});
        if (found == classes_.end()) {
            error(arguments[1].offset, arguments[1].text.size(), "malformed-tracepoint",
                  "no event class of this name is declared before");
            return;
        }
        TracepointDeclaration instance = found->second;
        instance.provider = arguments[two_providers ? 2 : 0].text;
        instance.name = arguments[two_providers ? 3 : 2].text;
        instance.documentation = documentation_before(offset);
        instance.position = text_.position(offset);
        declarations.push_back(std::move(instance));
    }

    TracepointDeclaration declaration(Piece provider, Piece name, Piece arguments, Piece fields, std::uint32_t offset) {
        TracepointDeclaration declaration;
        declaration.provider = provider.text;
        declaration.name = name.text;
        declaration.path = path_;
        declaration.position = text_.position(offset);
        declaration.documentation = documentation_before(offset);
        read_arguments(arguments, declaration);
        read_fields(fields, declaration);
        return declaration;
    }

    void read_arguments(Piece piece, TracepointDeclaration& declaration) {
        const auto call = parse_call(piece);
        if (!call || without_prefix(call->name) != "TP_ARGS") {
            error(piece.offset, piece.text.size(), "malformed-tracepoint", "LTTNG_UST_TP_ARGS(…) is expected here");
            return;
        }
        const auto parts = split(call->arguments);
        declaration.signature = squeeze(call->arguments.text);
        if (parts.size() == 1 && parts[0].text == "void") return;
        if (parts.size() % 2 != 0) {
            error(call->arguments.offset, call->arguments.text.size(), "malformed-tracepoint",
                  "arguments come in pairs: a type and a name");
            return;
        }
        for (std::size_t i = 0; i < parts.size(); i += 2) {
            Field argument;
            argument.name = parts[i + 1].text;
            argument.c_type = squeeze(parts[i].text);
            argument.type = value_type(argument.c_type).value_or(ValueType{Type::string, false});
            declaration.arguments.push_back(std::move(argument));
        }
    }

    void read_fields(Piece piece, TracepointDeclaration& declaration) {
        const auto list = parse_call(piece);
        if (!list || without_prefix(list->name) != "TP_FIELDS") {
            error(piece.offset, piece.text.size(), "malformed-tracepoint", "LTTNG_UST_TP_FIELDS(…) is expected here");
            return;
        }
        Piece rest = list->arguments;
        while (true) {
            const std::string_view trimmed = trim(rest.text);
            if (trimmed.empty()) return;
            rest.offset += static_cast<std::uint32_t>(trimmed.data() - rest.text.data());
            rest.text = trimmed;
            const auto call = parse_call(rest);
            if (!call) {
                error(rest.offset, 1, "malformed-tracepoint", "a field macro is expected here");
                return;
            }
            add_field(*call, declaration);
            rest = {rest.text.substr(call->length), rest.offset + static_cast<std::uint32_t>(call->length)};
        }
    }

    void add_field(const Call& call, TracepointDeclaration& declaration) {
        const std::string_view kind = without_prefix(call.name);
        const auto parts = split(call.arguments);
        Field field;
        if ((kind == "integer" || kind == "integer_hex" || kind == "integer_nowrite") && parts.size() == 3) {
            field.c_type = squeeze(parts[0].text);
            field.name = parts[1].text;
            field.c_expression = squeeze(parts[2].text);
            if (const auto type = value_type(field.c_type)) {
                field.type = *type;
                declaration.fields.push_back(std::move(field));
                return;
            }
            error(parts[0].offset, parts[0].text.size(), "unknown-c-type",
                  "this integer type is not known here; use one of <stdint.h>");
        } else if (kind == "string" && parts.size() == 2) {
            field.name = parts[0].text;
            field.c_expression = squeeze(parts[1].text);
            field.c_type = c_type_of_string(declaration, field.c_expression);
            field.type = {Type::string, false};
            declaration.fields.push_back(std::move(field));
            return;
        }
        if (parts.size() > 1) declaration.other_fields.emplace_back(parts[1].text);
    }

    static std::string c_type_of_string(const TracepointDeclaration& declaration, const std::string& expression) {
        for (const Field& argument : declaration.arguments)
            if (argument.name == expression && is_string_type(argument.c_type)) return argument.c_type;
        return "const char*";
    }

    // The /** comment that ends right before the declaration, but for white space.
    std::string documentation_before(std::uint32_t offset) const {
        for (const auto& [end, text] : stripped_.documentation)
            if (end <= offset && trim(std::string_view(stripped_.text).substr(end, offset - end)).empty()) return text;
        return {};
    }

    void error(std::uint32_t offset, std::size_t length, std::string code, std::string message) {
        diagnostics.push_back({Severity::error,
                               std::move(code),
                               text_.position(offset),
                               static_cast<std::uint32_t>(length),
                               std::move(message),
                               {}});
    }

    SourceText text_;
    Stripped stripped_;
    std::string path_;
    std::map<std::pair<std::string, std::string>, TracepointDeclaration> classes_;
};

}  // namespace

std::vector<Diagnostic> TracepointDeclarations::parse(std::string_view text, const std::string& path) {
    Parser parser(text, path);
    parser.run();
    for (TracepointDeclaration& declaration : parser.declarations) {
        const auto key = std::pair(declaration.provider, declaration.name);
        const SourcePosition position = declaration.position;
        const auto [existing, added] = declarations_.try_emplace(key, std::move(declaration));
        if (!added)
            parser.diagnostics.push_back(
                {Severity::error,
                 "duplicate-tracepoint",
                 position,
                 1,
                 key.first + ":" + key.second + " is declared already in " + existing->second.path,
                 {}});
    }
    return std::move(parser.diagnostics);
}

std::vector<Diagnostic> TracepointDeclarations::read_folder(const std::filesystem::path& folder) {
    std::error_code error;
    std::vector<std::filesystem::path> files;
    for (auto entry = std::filesystem::directory_iterator(folder, error);
         !error && entry != std::filesystem::directory_iterator(); entry.increment(error))
        if (entry->path().extension() == ".tp") files.push_back(entry->path());
    if (error)
        return {{Severity::error,
                 "unreadable",
                 {},
                 1,
                 "tracepoint folder " + folder.string() + ": " + error.message(),
                 {}}};
    std::ranges::sort(files);
    std::vector<Diagnostic> diagnostics;
    for (const auto& file : files) {
        std::ifstream stream(file, std::ios::binary);
        const std::string text{std::istreambuf_iterator<char>(stream), {}};
        if (!stream.good() && !stream.eof()) {
            diagnostics.push_back({Severity::error, "unreadable", {}, 1, file.string() + " can't be read", {}});
            continue;
        }
        for (Diagnostic& diagnostic : parse(text, file.string())) {
            diagnostic.message = file.filename().string() + ": " + diagnostic.message;
            diagnostics.push_back(std::move(diagnostic));
        }
    }
    return diagnostics;
}

const TracepointDeclaration* TracepointDeclarations::find(std::string_view provider, std::string_view name) const {
    const auto found = declarations_.find({std::string(provider), std::string(name)});
    return found == declarations_.end() ? nullptr : &found->second;
}

std::vector<const TracepointDeclaration*> TracepointDeclarations::all() const {
    std::vector<const TracepointDeclaration*> all;
    for (const auto& [name, declaration] : declarations_) all.push_back(&declaration);
    return all;
}

}  // namespace lockstep::codegen
