#include "codegen/comments.hpp"

#include <algorithm>
#include <limits>

#include "codegen/parser.hpp"
#include "codegen/resolver.hpp"
#include "codegen/suggestion.hpp"

namespace lockstep::codegen {
namespace {

using syntax::Term;

constexpr std::string_view accept_word = "accept:";
constexpr std::string_view reject_word = "reject:";
constexpr std::size_t continuation_indent = 4;

std::size_t indent_of(const std::string& text) {
    return std::min(text.find_first_not_of(" \t"), text.size());
}

class CommentReader {
 public:
    CommentReader(const Picture& picture, const SourceText& source, const VocabularyGaps& gaps, Model& model,
                  std::vector<Diagnostic>& diagnostics)
        : picture_(picture),
          source_(source),
          gaps_(gaps),
          model_(model),
          diagnostics_(diagnostics),
          resolver_(model, source, diagnostics, gaps.broken_names, false) {}

    void run() {
        const auto& lines = picture_.comments;
        for (std::size_t i = 0; i < lines.size(); ++i) {
            const std::string& text = lines[i].text.text;
            const std::size_t begin = indent_of(text);
            const bool accept = text.compare(begin, accept_word.size(), accept_word) == 0;
            const bool reject = text.compare(begin, reject_word.size(), reject_word) == 0;
            if (!accept && !reject) {
                if (lines[i].span.begin < picture_.begin) add_to_summary(text.substr(begin));
                continue;
            }
            LocatedText content = tail(lines[i].text, begin + accept_word.size());
            while (i + 1 < lines.size() && continues(lines[i + 1])) append_line(content, lines[++i].text);
            add_example(accept, lines[i].span, content);
        }
        while (model_.summary.ends_with('\n')) model_.summary.pop_back();
    }

 private:
    static bool continues(const CommentLine& line) {
        const std::size_t indent = indent_of(line.text.text);
        return line.follows_former && indent >= continuation_indent && indent < line.text.text.size();
    }

    static LocatedText tail(const LocatedText& text, std::size_t begin) {
        return {text.text.substr(begin),
                {text.offsets.begin() + static_cast<std::ptrdiff_t>(begin), text.offsets.end()}};
    }

    static void append_line(LocatedText& text, const LocatedText& line) {
        text.offsets.pop_back();
        text.append('\n', line.offsets.front());
        text.text += line.text;
        text.offsets.insert(text.offsets.end(), line.offsets.begin(), line.offsets.end());
    }

    void add_to_summary(const std::string& text) {
        if (text.empty() && model_.summary.empty()) return;
        model_.summary += text + "\n";
    }

    void add_example(bool accept, Span line, const LocatedText& content) {
        Example example;
        example.accept = accept;
        example.position = source_.position(content.offset_of(indent_of(content.text)));
        example.text = one_line(content.text);
        for (const syntax::ExampleCall& call : parse_example(content, source_, diagnostics_)) add_event(call, example);
        if (example.events.empty() && !has_errors(diagnostics_))
            diagnostics_.push_back({Severity::error, "empty-example", source_.position(line.begin), 1,
                                    "this example has no events", "`accept: event(field=value) …`"});
        model_.examples.push_back(std::move(example));
    }

    static std::string one_line(const std::string& text) {
        std::string line;
        for (const char c : text) {
            const bool blank = c == ' ' || c == '\n' || c == '\t';
            if (!blank)
                line += c;
            else if (!line.empty() && line.back() != ' ')
                line += ' ';
        }
        while (line.ends_with(' ')) line.pop_back();
        return line;
    }

    void add_event(const syntax::ExampleCall& call, Example& example) {
        ExampleEvent occurrence;
        if (call.time) occurrence.time_ns = to_unsigned(call.time->number);
        if (call.event.text.empty()) {
            occurrence.event = no_event;
            occurrence.position = source_.position(call.time->span.begin);
            example.events.push_back(std::move(occurrence));
            return;
        }
        occurrence.position = source_.position(call.event.span.begin);
        const auto event = std::ranges::find(model_.events, call.event.text, &Event::name);
        if (event == model_.events.end()) {
            std::vector<std::string> names;
            for (const Event& known : model_.events) names.push_back(known.name);
            return resolver_.error(
                call.event.span, "undeclared-name", "there is no event `" + call.event.text + "`",
                suggest(call.event.text, names, names.empty() ? "" : "events are " + list_names(names)));
        }
        occurrence.event = static_cast<std::uint32_t>(event - model_.events.begin());
        for (const syntax::Assignment& assignment : call.fields) add_field(assignment, *event, occurrence);
        example.events.push_back(std::move(occurrence));
    }

    void add_field(const syntax::Assignment& assignment, const Event& event, ExampleEvent& occurrence) {
        ExampleField given;
        given.name = assignment.name.text;
        const auto field = std::ranges::find(event.fields, given.name, &Field::name);
        if (field != event.fields.end()) {
            given.type = field->type;
        } else if (const auto origin = origin_of_name(given.name)) {
            given.origin = origin;
            given.type = {Type::integer, false};
        } else if (!gaps_.incomplete_events.contains(occurrence.event)) {
            std::vector<std::string> names;
            for (const Field& known : event.fields) names.push_back(known.name);
            return resolver_.error(
                assignment.name.span, "missing-field", "event `" + event.name + "` has no field `" + given.name + "`",
                suggest(given.name, names, names.empty() ? "" : "its fields are " + list_names(names)));
        } else {
            return;
        }
        if (read_value(assignment.value, given)) occurrence.fields.push_back(std::move(given));
    }

    // Strings may be written as a quoted text, a bare word or a number.
    bool read_value(const Term& term, ExampleField& given) {
        if (given.type.type == Type::string &&
            (term.kind == Term::Kind::text || term.kind == Term::Kind::number || term.kind == Term::Kind::name)) {
            given.text = term.text;
            return true;
        }
        const auto value = resolver_.value(term, Scope{});
        if (!value) return false;
        if (value->kind != Expression::Kind::literal || value->type.type != given.type.type) {
            resolver_.error(
                term.span, "type-mismatch",
                "`" + given.name + "` is " + describe(given.type.type) + ", this is " + describe(value->type.type));
            return false;
        }
        given.integer = value->integer;
        return true;
    }

    const Picture& picture_;
    const SourceText& source_;
    const VocabularyGaps& gaps_;
    Model& model_;
    std::vector<Diagnostic>& diagnostics_;
    Resolver resolver_;
};

}  // namespace

void read_comments(const Picture& picture, const SourceText& source, const VocabularyGaps& gaps, Model& model,
                   std::vector<Diagnostic>& diagnostics) {
    CommentReader(picture, source, gaps, model, diagnostics).run();
}

}  // namespace lockstep::codegen
