#include "codegen/comments.hpp"

#include <algorithm>

#include "codegen/example_events.hpp"

namespace lockstep::codegen {
namespace {

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
        : picture_(picture), source_(source), gaps_(gaps), model_(model), diagnostics_(diagnostics) {}

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
        example.events = read_example_events(content, source_, gaps_, model_, diagnostics_);
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

    const Picture& picture_;
    const SourceText& source_;
    const VocabularyGaps& gaps_;
    Model& model_;
    std::vector<Diagnostic>& diagnostics_;
};

}  // namespace

void read_comments(const Picture& picture, const SourceText& source, const VocabularyGaps& gaps, Model& model,
                   std::vector<Diagnostic>& diagnostics) {
    CommentReader(picture, source, gaps, model, diagnostics).run();
}

}  // namespace lockstep::codegen
