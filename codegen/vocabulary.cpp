#include "codegen/vocabulary.hpp"

#include <algorithm>
#include <map>
#include <set>

#include "codegen/parser.hpp"
#include "codegen/resolver.hpp"
#include "codegen/suggestion.hpp"

namespace lockstep::codegen {
namespace {

using syntax::Name;
using syntax::Term;

constexpr std::uint32_t default_capacity = 64;
constexpr std::uint32_t largest_capacity = 65'536;
constexpr std::uint32_t most_contexts = 1 << 24;

class Builder {
 public:
    Builder(const Vocabulary& vocabulary, const TracepointDeclarations& tracepoints, const SourceText& source,
            Model& model, std::vector<Diagnostic>& diagnostics)
        : vocabulary_(vocabulary),
          note_(vocabulary.note),
          tracepoints_(tracepoints),
          model_(model),
          resolver_(model, source, diagnostics, broken_, false) {}

    VocabularyGaps run() {
        for (const auto& line : note_.parameters) add_parameter(line);
        for (const auto& line : note_.bindings) add_binding(line);
        agree_on_fields();
        for (const auto& edge : vocabulary_.edges)
            for (const auto& part : edge.parts) use_event(part.event);
        add_keys();
        for (const auto& line : note_.registers) add_register(line);
        if (!vocabulary_.has_note) infer_clocks();
        for (const std::string& name : declared_)
            if (!resolver_.find_register(name) &&
                std::ranges::find(model_.parameters, name, &Parameter::name) == model_.parameters.end())
                broken_.insert(name);
        return {std::move(broken_), std::move(unresolved_)};
    }

 private:
    void error(Span span, std::string code, std::string message, std::string hint = {}) {
        resolver_.error(span, std::move(code), std::move(message), std::move(hint));
    }

    // A name that the author chooses must be free.
    bool name_is_free(const Name& name) {
        if (is_reserved_word(name.text)) {
            error(name.span, "reserved-name", "`" + name.text + "` is a word of the language", "choose another name");
            return false;
        }
        if (!declared_.insert(name.text).second) {
            error(name.span, "duplicate-name", "`" + name.text + "` is declared twice",
                  "choose another name, or remove one");
            return false;
        }
        return true;
    }

    void add_parameter(const syntax::ParameterLine& line) {
        if (!name_is_free(line.name)) return;
        const auto value = resolver_.value(line.value, Scope{});
        if (!value) return;
        if (value->kind != Expression::Kind::literal || value->type.type == Type::string) {
            error(line.value.span, "type-mismatch", "a parameter is a number, a duration or a flag",
                  "`parameter limit = 30s`");
            return;
        }
        model_.parameters.push_back({line.name.text, value->type, value->integer, resolver_.position(line.name.span)});
    }

    // --- events and bindings -----------------------------------------------------------------------------------------

    std::uint32_t event_of(const Name& name) {
        const auto [found, added] =
            event_indices_.try_emplace(name.text, static_cast<std::uint32_t>(model_.events.size()));
        if (added) {
            Event event;
            event.name = name.text;
            event.position = resolver_.position(name.span);
            model_.events.push_back(std::move(event));
        }
        return found->second;
    }

    void add_binding(const syntax::BindingLine& line) {
        if (is_reserved_word(line.event.text) && !is_action_name(line.event.text))
            return error(line.event.span, "reserved-name", "`" + line.event.text + "` is a word of the language",
                         "choose another name for the event");
        const std::uint32_t event = event_of(line.event);
        bound_.insert(line.event.text);
        const TracepointDeclaration* declaration = find_tracepoint(line);
        if (declaration == nullptr) {
            unresolved_.insert(event);
            return;
        }
        Binding binding;
        binding.event = event;
        binding.provider = line.provider.text;
        binding.tracepoint = line.tracepoint.text;
        binding.signature = declaration->signature;
        binding.arguments = declaration->arguments;
        binding.tracepoint_fields = declaration->fields;
        binding.position = resolver_.position(line.span);
        binding.text = line.text;
        const Scope scope{&binding.tracepoint_fields, line.provider.text + ":" + line.tracepoint.text, false};
        if (line.when) {
            if (auto condition = resolver_.condition(*line.when, scope)) binding.when = std::move(*condition);
        }
        std::vector<Provided> provided = provided_fields(line, binding, scope);
        lines_.push_back(&line);
        provided_.push_back(std::move(provided));
        model_.bindings.push_back(std::move(binding));
    }

    const TracepointDeclaration* find_tracepoint(const syntax::BindingLine& line) {
        if (const auto* found = tracepoints_.find(line.provider.text, line.tracepoint.text)) return found;
        std::vector<std::string> names;
        std::set<std::string> providers;
        for (const TracepointDeclaration* declaration : tracepoints_.all()) {
            providers.insert(declaration->provider);
            if (declaration->provider == line.provider.text) names.push_back(declaration->name);
        }
        const std::string whole = line.provider.text + ":" + line.tracepoint.text;
        if (names.empty())
            error(join(line.provider.span, line.tracepoint.span), "unknown-tracepoint",
                  "no tracepoint `" + whole + "` is declared",
                  suggest(line.provider.text, {providers.begin(), providers.end()},
                          "declared providers are " + list_names({providers.begin(), providers.end()})));
        else
            error(line.tracepoint.span, "unknown-tracepoint",
                  "provider `" + line.provider.text + "` has no tracepoint `" + line.tracepoint.text + "`",
                  suggest(line.tracepoint.text, names, "it has " + list_names(names)));
        return nullptr;
    }

    // A field of the event with the value that this binding gives it.
    struct Provided {
        Field field;
        Expression value;
    };

    std::vector<Provided> provided_fields(const syntax::BindingLine& line, const Binding& binding, const Scope& scope) {
        std::vector<Provided> provided;
        for (std::uint32_t i = 0; i < binding.tracepoint_fields.size(); ++i) {
            Expression value;
            value.kind = Expression::Kind::field;
            value.type = binding.tracepoint_fields[i].type;
            value.index = i;
            value.text = binding.tracepoint_fields[i].name;
            value.position = binding.position;
            provided.push_back({binding.tracepoint_fields[i], std::move(value)});
        }
        for (const syntax::Assignment& assignment : line.assignments) {
            auto value = resolver_.value(assignment.value, scope);
            if (!value) continue;
            if (is_reserved_word(assignment.name.text)) {
                error(assignment.name.span, "reserved-name", "`" + assignment.name.text + "` is a word of the language",
                      "choose another name");
                continue;
            }
            Field field{assignment.name.text, value->type, {}, {}};
            const auto same = std::ranges::find(provided, field.name, [](const Provided& p) { return p.field.name; });
            if (same != provided.end())
                *same = {std::move(field), std::move(*value)};
            else
                provided.push_back({std::move(field), std::move(*value)});
        }
        return provided;
    }

    // An event has the fields that each of its bindings provides; their types must agree.
    void agree_on_fields() {
        for (std::uint32_t event = 0; event < model_.events.size(); ++event) {
            std::vector<std::size_t> of_event;
            for (std::size_t i = 0; i < model_.bindings.size(); ++i)
                if (model_.bindings[i].event == event) of_event.push_back(i);
            if (of_event.empty()) continue;
            for (const Provided& candidate : provided_[of_event.front()])
                if (all_provide(candidate.field, of_event)) model_.events[event].fields.push_back(candidate.field);
            for (const std::size_t i : of_event)
                for (const Field& field : model_.events[event].fields)
                    model_.bindings[i].values.push_back(find_provided(i, field.name)->value);
        }
    }

    const Provided* find_provided(std::size_t binding, const std::string& name) const {
        const auto found = std::ranges::find(provided_[binding], name,
                                             [](const Provided& p) -> const std::string& { return p.field.name; });
        return found == provided_[binding].end() ? nullptr : &*found;
    }

    bool all_provide(const Field& field, const std::vector<std::size_t>& bindings) {
        for (const std::size_t i : bindings) {
            const Provided* other = find_provided(i, field.name);
            if (other == nullptr) return false;
            if (other->field.type.type == field.type.type) continue;
            error(lines_[i]->span, "type-mismatch",
                  "field `" + field.name + "` of `" + lines_[i]->event.text + "` is " +
                      describe(other->field.type.type) + " here and " + describe(field.type.type) +
                      " in the other binding",
                  "give the event of one of them another name");
            return false;
        }
        return true;
    }

    void use_event(const Name& name) {
        const bool known = event_indices_.contains(name.text);
        event_of(name);
        if (known || note_.bindings.empty()) return;
        error(name.span, "unbound-event", "event `" + name.text + "` is bound to no tracepoint",
              suggest(name.text, {bound_.begin(), bound_.end()},
                      "add to the binding note: `" + name.text + " = provider:tracepoint`"));
    }

    // --- keys --------------------------------------------------------------------------------------------------------

    void add_keys() {
        for (const Name& name : note_.keys) {
            if (std::ranges::find(model_.keys, name.text, &Key::name) != model_.keys.end()) {
                error(name.span, "duplicate-name", "key `" + name.text + "` is given twice");
                continue;
            }
            add_key(name);
        }
        if (note_.contexts) add_contexts(*note_.contexts);
    }

    void add_contexts(const Term& term) {
        if (term.kind != Term::Kind::number || term.number < 1 || term.number > most_contexts)
            return error(term.span, "bad-type", "the contexts that there is room for are a number from 1 to 16777216",
                         "`per[100000] inode`");
        model_.contexts = static_cast<std::uint32_t>(term.number);
    }

    void add_key(const Name& name) {
        Key key{name.text, {Type::integer, false}, std::nullopt, resolver_.position(name.span)};
        const auto is_field = [&](const Event& event) {
            return std::ranges::find(event.fields, name.text, &Field::name) != event.fields.end();
        };
        const bool field_somewhere = std::ranges::any_of(model_.events, is_field);
        if (!field_somewhere) key.origin = origin_of_name(name.text);
        if (key.origin) {
            for (Event& event : model_.events) event.key_fields.push_back(0);
            model_.keys.push_back(std::move(key));
            return;
        }
        bool typed = false;
        for (std::uint32_t i = 0; i < model_.events.size(); ++i) {
            Event& event = model_.events[i];
            const auto field = std::ranges::find(event.fields, name.text, &Field::name);
            event.key_fields.push_back(
                field == event.fields.end() ? 0 : static_cast<std::uint32_t>(field - event.fields.begin()));
            if (field == event.fields.end()) {
                // An event without a binding has its own error; here it would be told twice.
                if (!unresolved_.contains(i) && bound_.contains(event.name)) missing_key(name, event);
                continue;
            }
            if (typed && key.type.type != field->type.type)
                error(name.span, "type-mismatch",
                      "key `" + name.text + "` is " + describe(field->type.type) + " in `" + event.name + "` and " +
                          describe(key.type.type) + " in another event");
            key.type = field->type;
            typed = true;
        }
        if (key.type.type != Type::integer && key.type.type != Type::string && typed)
            error(name.span, "type-mismatch",
                  "key `" + name.text + "` is " + describe(key.type.type) + "; keys are integers or strings");
        model_.keys.push_back(std::move(key));
    }

    void missing_key(const Name& name, const Event& event) {
        std::vector<std::string> fields;
        for (const Field& field : event.fields) fields.push_back(field.name);
        error(name.span, "missing-field", "key `" + name.text + "` is not a field of event `" + event.name + "`",
              fields.empty() ? "keys are fields of every event, or thread, process, cpu, net_ns"
                             : suggest(name.text, fields,
                                       "its fields are " + list_names(fields) + "; `" + name.text +
                                           " := …` in its binding gives it one"));
    }

    // --- registers ---------------------------------------------------------------------------------------------------

    void add_register(const syntax::RegisterLine& line) {
        if (!name_is_free(line.name)) return;
        for (const Event& event : model_.events)
            if (std::ranges::find(event.fields, line.name.text, &Field::name) != event.fields.end())
                return error(line.name.span, "duplicate-name",
                             "`" + line.name.text + "` is also a field of event `" + event.name + "`",
                             "choose another name for the register");
        Register declared;
        declared.name = line.name.text;
        declared.position = resolver_.position(line.name.span);
        if (!read_type(line, declared) || !read_initial(line, declared)) return;
        model_.registers.push_back(std::move(declared));
    }

    bool read_type(const syntax::RegisterLine& line, Register& declared) {
        using Kind = Register::Kind;
        static const std::map<std::string, Kind, std::less<>> kinds = {
            {"int", Kind::integer}, {"unsigned", Kind::integer}, {"flag", Kind::flag},    {"clock", Kind::clock},
            {"set", Kind::set},     {"map", Kind::map},          {"ranges", Kind::ranges}};
        const syntax::TypeName& type = line.type;
        const auto kind = kinds.find(type.name.text);
        if (kind == kinds.end()) {
            error(type.name.span, "undeclared-name", "`" + type.name.text + "` is no type",
                  suggest(type.name.text, {"int", "unsigned", "flag", "clock", "set", "map", "ranges"},
                          "types are int, unsigned, flag, clock, set, map and ranges"));
            return false;
        }
        declared.kind = kind->second;
        declared.value = {Type::integer, type.name.text == "int"};
        const bool container =
            declared.kind == Kind::set || declared.kind == Kind::map || declared.kind == Kind::ranges;
        const std::string usage = declared.kind == Kind::map
                                      ? "`" + declared.name + ": map owner -> mode`"
                                      : "`" + declared.name + ": " + type.name.text + " of owner`";
        if (container != type.key.has_value() || (declared.kind == Kind::map) != type.value.has_value()) {
            error(type.key ? type.key->span : type.name.span, "bad-type",
                  container ? "it is not said what `" + declared.name + "` holds"
                            : "`" + type.name.text + "` has no element type",
                  container ? "write " + usage : "write `" + declared.name + ": " + type.name.text + "`");
            return false;
        }
        if (!container) {
            if (type.capacity) error(type.capacity->span, "bad-type", "only sets, maps and ranges have a capacity");
            return !type.capacity;
        }
        const auto key = element_type(*type.key);
        const auto value = type.value ? element_type(*type.value) : declared.value;
        if (!key || !value) return false;
        if (key->type == Type::duration || key->type == Type::flag) {
            error(type.key->span, "bad-type", "keys and elements are integers or strings");
            return false;
        }
        declared.key = *key;
        declared.value = *value;
        return read_capacity(type, declared);
    }

    bool read_capacity(const syntax::TypeName& type, Register& declared) {
        declared.capacity = default_capacity;
        if (!type.capacity) return true;
        if (type.capacity->kind != Term::Kind::number || type.capacity->number < 1 ||
            type.capacity->number > largest_capacity) {
            error(type.capacity->span, "bad-type", "a capacity is a number from 1 to 65536");
            return false;
        }
        declared.capacity = static_cast<std::uint32_t>(type.capacity->number);
        return true;
    }

    // The name of a type, or of a field, whose type is meant.
    std::optional<ValueType> element_type(const Name& name) {
        std::optional<ValueType> type;
        for (const Event& event : model_.events) {
            const auto field = std::ranges::find(event.fields, name.text, &Field::name);
            if (field == event.fields.end()) continue;
            if (type && type->type != field->type.type) {
                error(name.span, "type-mismatch",
                      "`" + name.text + "` is " + describe(type->type) + " in one event and " +
                          describe(field->type.type) + " in another",
                      "name the type: int, unsigned or string");
                return std::nullopt;
            }
            type = field->type;
        }
        if (type) return type;
        static const std::map<std::string, ValueType, std::less<>> types = {{"int", {Type::integer, true}},
                                                                            {"unsigned", {Type::integer, false}},
                                                                            {"mode", {Type::integer, false}},
                                                                            {"string", {Type::string, false}},
                                                                            {"flag", {Type::flag, false}}};
        if (const auto found = types.find(name.text); found != types.end()) return found->second;
        if (origin_of_name(name.text)) return ValueType{Type::integer, false};
        std::vector<std::string> names = {"int", "unsigned", "string", "flag"};
        for (const Event& event : model_.events)
            for (const Field& field : event.fields) names.push_back(field.name);
        if (!unresolved_.empty())
            return std::nullopt;  // the field may be one of a tracepoint that was not found; told already
        error(name.span, "undeclared-name", "`" + name.text + "` is neither a type nor a field",
              suggest(name.text, names, "types are int, unsigned, string and flag"));
        return std::nullopt;
    }

    bool read_initial(const syntax::RegisterLine& line, Register& declared) {
        if (!line.initial) return true;
        const auto value = resolver_.value(*line.initial, Scope{});
        if (!value) return false;
        const Type wanted = declared.kind == Register::Kind::flag ? Type::flag : Type::integer;
        const bool scalar = declared.kind == Register::Kind::flag || declared.kind == Register::Kind::integer;
        if (!scalar || value->kind != Expression::Kind::literal || value->type.type != wanted) {
            error(line.initial->span, "type-mismatch",
                  scalar ? "the initial value is not " + describe(wanted)
                         : "only integers and flags have an initial value");
            return false;
        }
        declared.initial =
            declared.value.is_signed ? Integer{to_signed(value->integer)} : Integer{to_unsigned(value->integer)};
        return true;
    }

    // --- a kernel model declares no clocks: they are what is reset, bounded by an invariant, or compared with a
    // duration ----

    void infer_clocks() {
        for (const auto& state : vocabulary_.states)
            for (const Term& invariant : state.label.invariants) infer_from(invariant, true);
        for (const auto& edge : vocabulary_.edges)
            for (const auto& part : edge.parts)
                for (const auto& clause : part.clauses) {
                    if (clause.kind == syntax::Clause::Kind::action && clause.target.text == "reset" &&
                        clause.target.operands.size() == 1)
                        add_clock(clause.target.operands[0]);
                    if (clause.kind == syntax::Clause::Kind::guard) infer_from(clause.value, false);
                }
    }

    void infer_from(const Term& term, bool invariant) {
        if (term.kind != Term::Kind::binary) return;
        const bool comparison = term.text != "&&" && term.text != "||";
        if (!comparison)
            for (const Term& operand : term.operands) infer_from(operand, invariant);
        else if (invariant || term.operands[1].kind == Term::Kind::duration)
            add_clock(term.operands[0]);
    }

    void add_clock(const Term& term) {
        if (term.kind != Term::Kind::name || resolver_.find_register(term.text)) return;
        Register clock;
        clock.name = term.text;
        clock.kind = Register::Kind::clock;
        clock.position = resolver_.position(term.span);
        model_.registers.push_back(std::move(clock));
    }

    const Vocabulary& vocabulary_;
    const syntax::Note& note_;
    const TracepointDeclarations& tracepoints_;
    Model& model_;
    BrokenNames broken_;
    Resolver resolver_;
    std::set<std::string> declared_;
    std::map<std::string, std::uint32_t> event_indices_;
    std::set<std::string> bound_;
    std::set<std::uint32_t> unresolved_;             // events one of whose tracepoints was not found
    std::vector<const syntax::BindingLine*> lines_;  // of Model::bindings
    std::vector<std::vector<Provided>> provided_;    // of Model::bindings
};

}  // namespace

VocabularyGaps build_vocabulary(const Vocabulary& vocabulary, const TracepointDeclarations& tracepoints,
                                const SourceText& source, Model& model, std::vector<Diagnostic>& diagnostics) {
    return Builder(vocabulary, tracepoints, source, model, diagnostics).run();
}

}  // namespace lockstep::codegen
