#include "codegen/run_generator.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <random>
#include <set>

#include "codegen/examples.hpp"

namespace lockstep::codegen {
namespace {

constexpr int most_tries = 60'000;
constexpr int tries_after_progress = 20'000;  // with nothing new for so long, the search ends
constexpr std::size_t moments_of_a_kind = 4;
constexpr std::size_t longest_run = 40;

// Values that are worth trying, taken from what the model compares.
class Values {
 public:
    explicit Values(const Model& model) : model_(model), of_field_(model.bindings.size()) {
        for (const Parameter& parameter : model.parameters)
            if (parameter.value) add_literal(parameter.type, *parameter.value, {});
        for (std::size_t i = 0; i < model.bindings.size(); ++i) add_binding(i);
        for (const Edge& edge : model.edges) {
            for (const Expression& guard : edge.guards) add_guard(guard, edge.event);
            for (const Action& action : edge.actions)
                for (const Expression& operand : action.operands) add_literals(operand);
        }
        for (const State& state : model.states)
            for (const Invariant& invariant : state.invariants) add_literals(invariant.bound);
    }

    Value draw(std::mt19937_64& random, std::size_t binding, std::uint32_t field) const {
        const Field& declared = model_.bindings[binding].tracepoint_fields[field];
        if (const auto key = key_of(binding, field))
            return declared.type.type == Type::string ? Value{0, "k" + std::to_string(*key)} : Value{*key + 1, {}};
        const auto own = of_field_[binding].find(field);
        const bool use_own = own != of_field_[binding].end() && random() % 4 != 0;
        if (declared.type.type == Type::string) {
            const std::vector<std::string>& pool = texts_;
            if (use_own && !own->second.texts.empty()) return {0, pick(own->second.texts, random)};
            return {0, pick(pool, random)};
        }
        const Integer drawn = use_own && !own->second.integers.empty() ? pick(own->second.integers, random)
                              : random() % 8 == 0                      ? pick(integers_, random)
                                                                       : Integer(random() % 4);
        return {in_range(drawn, declared), {}};
    }

    std::uint64_t time_step(std::mt19937_64& random) const {
        if (durations_.empty() || random() % 3 == 0) return random() % 3;
        const Integer duration = pick(durations_, random);
        const Integer candidates[] = {duration, duration - 1, duration + 1, duration / 2};
        return to_unsigned(candidates[random() % std::size(candidates)]);
    }

 private:
    struct Constants {
        std::vector<Integer> integers;
        std::vector<std::string> texts;
    };

    template <class Thing>
    static const Thing& pick(const std::vector<Thing>& things, std::mt19937_64& random) {
        return things[random() % things.size()];
    }

    // What the C type of the field can hold.
    static Integer in_range(Integer value, const Field& field) {
        const std::string& type = field.c_type;
        const unsigned bits = type.find("8") != std::string::npos    ? 8
                              : type.find("16") != std::string::npos ? 16
                              : type.find("64") != std::string::npos ? 64
                                                                     : 32;
        if (field.type.is_signed) return saturate(value, -(Integer{1} << (bits - 1)), (Integer{1} << (bits - 1)) - 1);
        return saturate(value, 0, (Integer{1} << bits) - 1);
    }

    // All events are of one context: a field that is a part of the key has one value.
    std::optional<std::size_t> key_of(std::size_t binding, std::uint32_t field) const {
        const Binding& bound = model_.bindings[binding];
        const Event& event = model_.events[bound.event];
        for (std::size_t key = 0; key < model_.keys.size(); ++key) {
            if (model_.keys[key].origin) continue;
            const Expression& value = bound.values[event.key_fields[key]];
            if (value.kind == Expression::Kind::field && value.index == field) return key;
        }
        return std::nullopt;
    }

    void add_literal(ValueType type, Integer integer, const std::string& text) {
        if (type.type == Type::string)
            texts_.push_back(text);
        else if (type.type == Type::duration)
            durations_.push_back(integer);
        else
            for (const Integer near : {integer - 1, integer, integer + 1}) integers_.push_back(saturate(near));
    }

    void add_literals(const Expression& expression) {
        if (expression.kind == Expression::Kind::literal)
            add_literal(expression.type, expression.integer, expression.text);
        for (const Expression& operand : expression.operands) add_literals(operand);
    }

    void add_binding(std::size_t index) {
        const Binding& binding = model_.bindings[index];
        if (binding.when) {
            add_literals(*binding.when);
            add_compared(*binding.when, index, [](std::uint32_t field) { return std::optional(field); });
        }
        for (const Expression& value : binding.values) add_literals(value);
    }

    void add_guard(const Expression& guard, std::uint32_t event) {
        add_literals(guard);
        for (std::size_t i = 0; i < model_.bindings.size(); ++i) {
            const Binding& binding = model_.bindings[i];
            if (binding.event != event) continue;
            add_compared(guard, i, [&](std::uint32_t field) {
                const Expression& value = binding.values[field];
                return value.kind == Expression::Kind::field ? std::optional(value.index) : std::nullopt;
            });
        }
    }

    // Constants that a field is compared with: chance alone would never meet them.
    template <class FieldOf>
    void add_compared(const Expression& condition, std::size_t binding, FieldOf field_of) {
        for (const Expression& operand : condition.operands) add_compared(operand, binding, field_of);
        if (condition.operands.size() != 2 || condition.operands[0].kind != Expression::Kind::field) return;
        const Expression& constant = condition.operands[1];
        const auto field = field_of(condition.operands[0].index);
        if (constant.kind != Expression::Kind::literal || !field) return;
        Constants& constants = of_field_[binding][*field];
        if (constant.type.type == Type::string)
            constants.texts.push_back(constant.text);
        else
            for (const Integer near : {constant.integer, constant.integer, constant.integer - 1, constant.integer + 1})
                constants.integers.push_back(near);
    }

    const Model& model_;
    std::vector<std::map<std::uint32_t, Constants>> of_field_;  // of Model::bindings
    std::vector<Integer> integers_ = {0, 1, integer_highest};
    std::vector<std::string> texts_ = {"", "a", "b", "c"};
    std::vector<Integer> durations_;
};

class Generator {
 public:
    Generator(const Model& model, std::uint64_t seed) : model_(model), values_(model), random_(seed) {
        for (const Parameter& parameter : model.parameters)
            if (!parameter.value) throw std::invalid_argument("parameter " + parameter.name + " has no value");
        edges_from_.resize(model.states.size());
        open_edges_from_.resize(model.states.size());
        for (std::uint32_t i = 0; i < model.edges.size(); ++i) {
            open_edges_.insert(i);
            edges_from_[model.edges[i].source].push_back(i);
            ++open_edges_from_[model.edges[i].source];
        }
        for (std::uint32_t state = 0; state < model.states.size(); ++state) {
            if (!is_waited_in(state)) continue;
            for (std::uint32_t event = 0; event < model.events.size(); ++event)
                if (!has_edge(state, event) && !model.states[state].ends)
                    open_forbidden_.insert({state, event});
                else if (may_be_refused(state, event))
                    open_refused_.insert({state, event});
            if (!model.states[state].invariants.empty()) open_forbidden_.insert({state, no_event});
        }
    }

    GeneratedRuns run() {
        result_.forbidden = open_forbidden_.size();
        keep({Interpreter(model_), {}, 1000});
        int since_progress = 0;
        for (int i = 0; i < most_tries && since_progress < tries_after_progress; ++i) {
            if (open_edges_.empty() && open_forbidden_.empty() && open_refused_.empty()) break;
            since_progress = try_something() ? 0 : since_progress + 1;
        }
        result_.missed_edges.assign(open_edges_.begin(), open_edges_.end());
        result_.missed_forbidden.assign(open_forbidden_.begin(), open_forbidden_.end());
        return std::move(result_);
    }

 private:
    // Where a run has come to.
    struct Moment {
        Interpreter interpreter;
        std::vector<TracepointHit> hits;
        std::uint64_t time_ns = 0;
    };

    bool has_edge(std::uint32_t state, std::uint32_t event) const {
        return std::ranges::any_of(edges_from_[state],
                                   [&](std::uint32_t edge) { return model_.edges[edge].event == event; });
    }

    // Every edge has guards: perhaps none of them holds.
    bool may_be_refused(std::uint32_t state, std::uint32_t event) const {
        return std::ranges::none_of(edges_from_[state], [&](std::uint32_t edge) {
            return model_.edges[edge].event == event && model_.edges[edge].guards.empty();
        });
    }

    // A start event that is processed leaves the state in which it begins at once.
    bool is_waited_in(std::uint32_t state) const {
        return std::ranges::any_of(model_.edges, [&](const Edge& edge) { return edge.target == state; }) ||
               std::ranges::any_of(model_.events, [&](const Event& event) {
                   return event.start == StartRule::enter && event.start_state == state;
               });
    }

    // Mostly one in a state that something is still wanted of.
    const Moment& choose_moment() {
        constexpr int most_draws = 8;
        std::size_t drawn = random_() % moments_.size();
        for (int i = 0; i < most_draws && !is_wanted(moments_[drawn]); ++i) drawn = random_() % moments_.size();
        return moments_[drawn];
    }

    bool is_wanted(const Moment& moment) const {
        return std::ranges::any_of(moment.interpreter.contexts(), [&](const auto& each) {
            const std::uint32_t state = each.second.state;
            const auto forbidden = open_forbidden_.lower_bound({state, 0});
            return (forbidden != open_forbidden_.end() && forbidden->state == state) || open_edges_from_[state] > 0;
        });
    }

    // Whether it led to something new.
    bool try_something() {
        const Moment& from = choose_moment();
        Moment moment{from.interpreter, from.hits, from.time_ns};
        const TracepointHit hit = random_hit(moment.time_ns);
        moment.time_ns = hit.where.time_ns;
        const std::size_t violations_before = moment.interpreter.violations().size();
        const auto outcome = deliver(model_, hit, moment.interpreter);
        moment.hits.push_back(hit);
        const auto& violations = moment.interpreter.violations();
        if (violations.size() > violations_before) return note_violation(moment, violations.back());
        if (hit.binding == no_event || !outcome || *outcome == Outcome::ignored || *outcome == Outcome::inconclusive)
            return false;
        bool progress = false;
        if (*outcome == Outcome::moved && open_edges_.erase(*moment.interpreter.last_edge()) > 0) {
            --open_edges_from_[model_.edges[*moment.interpreter.last_edge()].source];
            add_run(moment, false);
            progress = true;
        }
        return keep(std::move(moment)) || progress;
    }

    bool note_violation(const Moment& moment, const Violation& violation) {
        const ForbiddenEvent what{violation.state, violation.event};
        if (open_forbidden_.erase(what) == 0 && open_refused_.erase(what) == 0) return false;
        add_run(moment, true);
        return true;
    }

    void add_run(const Moment& moment, bool violated) {
        std::string text;
        for (const TracepointHit& hit : moment.hits) text += (text.empty() ? "" : " ") + text_of(hit);
        result_.runs.push_back({moment.hits, violated, std::move(text)});
    }

    TracepointHit random_hit(std::uint64_t time_ns) {
        TracepointHit hit;
        hit.where = {time_ns + values_.time_step(random_), 100, 200 + random_() % 2, random_() % 2, 4026531840};
        for (const Key& key : model_.keys) {
            if (key.origin == Origin::thread) hit.where.thread = 200;
            if (key.origin == Origin::cpu) hit.where.cpu = 0;
        }
        if (model_.bindings.empty() || random_() % 16 == 0) return hit;
        hit.binding = static_cast<std::uint32_t>(random_() % model_.bindings.size());
        const Binding& binding = model_.bindings[hit.binding];
        for (std::uint32_t field = 0; field < binding.tracepoint_fields.size(); ++field)
            hit.fields.push_back(values_.draw(random_, hit.binding, field));
        return hit;
    }

    // A moment is worth going on from when few like it are known: the same states, with about as much in the registers.
    bool keep(Moment moment) {
        if (moment.hits.size() >= longest_run) return false;
        std::vector<std::int64_t> kind;
        for (const auto& [key, context] : moment.interpreter.contexts()) {
            kind.push_back(context.state);
            for (const RegisterValue& value : context.registers) {
                kind.push_back(static_cast<std::int64_t>(std::min<std::size_t>(3, value.entries.size())));
                kind.push_back(static_cast<std::int64_t>(std::min<std::size_t>(3, value.ranges.ranges().size())));
                kind.push_back(static_cast<std::int64_t>(saturate(value.scalar.integer, -2, 4)));
                kind.push_back(value.reset_ns ? 1 : 0);
                for (const auto& [unused, content] : value.entries)
                    kind.push_back(static_cast<std::int64_t>(saturate(content.integer, -2, 4)));
            }
        }
        std::size_t& known = kinds_[std::move(kind)];
        if (known >= moments_of_a_kind) return false;
        ++known;
        moments_.push_back(std::move(moment));
        return true;
    }

    std::string text_of(const TracepointHit& hit) const {
        if (hit.binding == no_event) return "@" + std::to_string(hit.where.time_ns - 1000) + "ns";
        const Binding& fired = model_.bindings[hit.binding];
        std::string text = fired.provider + ":" + fired.tracepoint + "(";
        for (std::size_t i = 0; i < hit.fields.size(); ++i) {
            const Field& field = fired.tracepoint_fields[i];
            const Integer value = hit.fields[i].integer;
            text += (i == 0 ? "" : ", ") + field.name + "=";
            text += field.type.type == Type::string ? "'" + hit.fields[i].text + "'"
                    : value < 0                     ? std::to_string(static_cast<std::int64_t>(value))
                                                    : std::to_string(static_cast<std::uint64_t>(value));
        }
        return text + ")";
    }

    const Model& model_;
    Values values_;
    std::mt19937_64 random_;
    std::vector<std::vector<std::uint32_t>> edges_from_;  // of each state
    std::vector<std::size_t> open_edges_from_;            // how many of these are still to be taken
    std::set<std::uint32_t> open_edges_;
    std::set<ForbiddenEvent> open_forbidden_;
    std::set<ForbiddenEvent> open_refused_;  // by guards, if that can be
    std::vector<Moment> moments_;
    std::map<std::vector<std::int64_t>, std::size_t> kinds_;
    GeneratedRuns result_;
};

}  // namespace

GeneratedRuns generate_runs(const Model& model, std::uint64_t seed) {
    return Generator(model, seed).run();
}

Model with_made_up_bindings(Model model) {
    if (!model.bindings.empty()) return model;
    for (std::uint32_t i = 0; i < model.events.size(); ++i) {
        Binding binding;
        binding.event = i;
        binding.provider = "bare";
        binding.tracepoint = model.events[i].name;
        binding.signature = "void";
        binding.position = model.events[i].position;
        model.bindings.push_back(std::move(binding));
    }
    if (std::ranges::any_of(model.events, [](const Event& event) { return event.start != StartRule::none; }))
        return model;
    for (const Edge& edge : model.edges) {
        if (edge.source != model.initial) continue;
        model.events[edge.event].start = StartRule::process;
        model.events[edge.event].start_state = model.initial;
    }
    return model;
}

}  // namespace lockstep::codegen
