#include "codegen/example_events.hpp"

#include <algorithm>

#include "codegen/parser.hpp"
#include "codegen/resolver.hpp"
#include "codegen/suggestion.hpp"

namespace lockstep::codegen {
namespace {

using syntax::Term;

class EventReader {
 public:
    EventReader(const SourceText& source, const VocabularyGaps& gaps, Model& model,
                std::vector<Diagnostic>& diagnostics)
        : source_(source),
          gaps_(gaps),
          model_(model),
          diagnostics_(diagnostics),
          resolver_(model, source, diagnostics, gaps.broken_names, false) {}

    std::vector<ExampleEvent> run(const LocatedText& content) {
        for (const syntax::ExampleCall& call : parse_example(content, source_, diagnostics_)) add_event(call);
        return std::move(events_);
    }

 private:
    void add_event(const syntax::ExampleCall& call) {
        ExampleEvent occurrence;
        if (call.time) occurrence.time_ns = to_unsigned(call.time->number);
        if (call.event.text.empty()) {
            occurrence.event = no_event;
            occurrence.position = source_.position(call.time->span.begin);
            events_.push_back(std::move(occurrence));
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
        events_.push_back(std::move(occurrence));
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

    const SourceText& source_;
    const VocabularyGaps& gaps_;
    Model& model_;
    std::vector<Diagnostic>& diagnostics_;
    Resolver resolver_;
    std::vector<ExampleEvent> events_;
};

}  // namespace

std::vector<ExampleEvent> read_example_events(const LocatedText& content, const SourceText& source,
                                              const VocabularyGaps& gaps, Model& model,
                                              std::vector<Diagnostic>& diagnostics) {
    return EventReader(source, gaps, model, diagnostics).run(content);
}

std::vector<ExampleEvent> read_example_events(const std::string& text, Model& model,
                                              std::vector<Diagnostic>& diagnostics) {
    LocatedText content;
    for (std::uint32_t i = 0; i < text.size(); ++i) content.append(text[i], i);
    content.offsets.push_back(static_cast<std::uint32_t>(text.size()));
    return read_example_events(content, SourceText(text), VocabularyGaps{}, model, diagnostics);
}

}  // namespace lockstep::codegen
