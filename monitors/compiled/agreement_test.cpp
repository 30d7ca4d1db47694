// The compiled monitor and the reference interpreter see the same random tracepoint hits and must agree after every
// one: on what the event did, on the contexts that are alive and their states, and on what the report of a violation
// says.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <random>
#include <sstream>

#include "codegen/front_end.hpp"
#include "codegen/interpreter.hpp"
#include "monitors/runtime/instance.hpp"
#include "monitors/runtime/monitor.hpp"
#include "monitors/runtime/string_table.hpp"

namespace lockstep::monitors {
namespace {

using codegen::Model;
using codegen::Value;

struct Case {
    std::filesystem::path model;
    std::string encoding;
};

std::vector<Case> cases() {
    std::vector<Case> all;
    std::istringstream models(TESTED_MODELS);
    for (std::string model; std::getline(models, model, ':');)
        for (const char* encoding : {"boost_msm", "branches"}) all.push_back({model, encoding});
    return all;
}

class Agreement : public ::testing::TestWithParam<Case> {
 protected:
    void SetUp() override {
        codegen::TracepointDeclarations tracepoints;
        ASSERT_TRUE(tracepoints.read_folder(TRACEPOINT_FOLDER).empty());
        auto reading = codegen::read_model_file(GetParam().model, tracepoints);
        ASSERT_TRUE(reading.model);
        model_ = std::move(*reading.model);
        interpreter_ = std::make_unique<codegen::Interpreter>(model_);
        InstanceOptions options;
        options.contexts = 64;
        const auto file = std::filesystem::path(TESTED_MONITORS) / GetParam().encoding / GetParam().model.stem();
        monitor_ = Monitor::load(file.string() + ".so", options);
    }

    // Few values, so that contexts, owners and ranges meet; a few large ones, so that the ends of the integers are met
    // too.
    Value random_value(const codegen::Field& field) {
        if (field.type.type == codegen::Type::string) {
            const char* texts[] = {"", "alice", "bob", "carol"};
            return {0, texts[random_() % std::size(texts)]};
        }
        constexpr std::uint64_t rare[] = {UINT64_MAX, UINT64_MAX - 1, std::uint64_t{1} << 63, 1000};
        const std::uint64_t narrow = field.c_type == "uint8_t"    ? 0xff
                                     : field.c_type == "uint32_t" ? 0xffffffff
                                                                  : UINT64_MAX;
        if (field.name == "mode" && random_() % 2 == 0) return {random_() % 6, {}};
        return {(random_() % 40 == 0 ? rare[random_() % std::size(rare)] : random_() % 3) & narrow, {}};
    }

    // What `condition` compares the field with: chance alone would never meet it.
    static void add_compared(const codegen::Expression& condition, std::uint32_t field,
                             std::vector<std::uint64_t>& constants) {
        using Kind = codegen::Expression::Kind;
        for (const codegen::Expression& operand : condition.operands) add_compared(operand, field, constants);
        if (condition.operands.size() != 2 || condition.operands[0].kind != Kind::field) return;
        if (condition.operands[0].index == field && condition.operands[1].kind == Kind::literal)
            constants.push_back(static_cast<std::uint64_t>(condition.operands[1].integer));
    }

    Value random_value(const codegen::Binding& binding, std::uint32_t field) {
        std::vector<std::uint64_t> constants;
        if (binding.when) add_compared(*binding.when, field, constants);
        if (constants.empty() || random_() % 8 == 0) return random_value(binding.tracepoint_fields[field]);
        const std::uint64_t constant = constants[random_() % constants.size()];
        return {constant != 0 && random_() % 4 == 0 ? constant - 1 : constant, {}};
    }

    struct Hit {
        std::uint32_t binding = 0;  // of the descriptor
        std::vector<Value> fields;
        codegen::Circumstances where;
    };

    Hit random_hit() {
        const codegen::Binding& chosen = model_.bindings[random_() % model_.bindings.size()];
        Hit hit;
        hit.binding = monitor_->find_binding(chosen.provider, chosen.tracepoint).value();
        for (std::uint32_t field = 0; field < chosen.tracepoint_fields.size(); ++field)
            hit.fields.push_back(random_value(chosen, field));
        time_ns_ += random_() % 20;
        hit.where = {time_ns_, 100 + random_() % 2, 200 + random_() % 3, random_() % 2, 4026531840 + random_() % 2};
        return hit;
    }

    // Purely random events are soon wrong: half of them are chosen so that the interpreter goes on, if a few tries find
    // one.
    Hit next_hit() {
        Hit hit = random_hit();
        if (random_() % 2 == 0) return hit;
        for (int tries = 0; tries < 24; ++tries, hit = random_hit()) {
            codegen::Interpreter copy = *interpreter_;
            const auto outcome = deliver_interpreted(copy, hit);
            if (copy.violations().size() == interpreter_->violations().size() && outcome &&
                *outcome != codegen::Outcome::ignored)
                break;
        }
        return hit;
    }

    // Both forget everything, so that the interpreter stays small enough to be copied.
    void start_over() {
        interpreter_ = std::make_unique<codegen::Interpreter>(model_);
        monitor_->instance()->forget_all();
    }

    void deliver_compiled(const Hit& hit) {
        std::vector<Slot> slots;
        const BindingDescriptor& binding = monitor_->bindings()[hit.binding];
        for (std::size_t i = 0; i < hit.fields.size(); ++i) {
            Slot slot{};
            if (binding.fields[i].type == FieldType::string)
                slot.string = hit.fields[i].text.c_str();
            else
                slot.unsigned_integer = static_cast<std::uint64_t>(hit.fields[i].integer);
            slots.push_back(slot);
        }
        // Time passes for every context before the event happens, as in the interpreter.
        monitor_->advance(hit.where.time_ns);
        monitor_->deliver(hit.binding, slots.data(),
                          {hit.where.time_ns, hit.where.net_ns, static_cast<std::uint32_t>(hit.where.process),
                           static_cast<std::uint32_t>(hit.where.thread), static_cast<std::uint32_t>(hit.where.cpu)});
    }

    // What the event did; nothing when it was no event of the model.
    std::optional<codegen::Outcome> deliver_interpreted(codegen::Interpreter& interpreter, const Hit& hit) const {
        const BindingDescriptor& wanted = monitor_->bindings()[hit.binding];
        interpreter.advance(hit.where.time_ns);
        for (std::uint32_t i = 0; i < model_.bindings.size(); ++i) {
            if (model_.bindings[i].provider != wanted.provider || model_.bindings[i].tracepoint != wanted.tracepoint)
                continue;
            if (const auto outcome = interpreter.deliver(i, hit.fields, hit.where)) return outcome;
        }
        return std::nullopt;
    }

    using States = std::map<std::vector<std::uint64_t>, std::uint32_t>;

    static std::uint64_t word(const Value& value) {
        return value.text.empty() ? static_cast<std::uint64_t>(value.integer)
                                  : hash_string(value.text.data(), value.text.size());
    }

    States compiled_states() {
        struct Collected {
            States states;
            std::size_t keys;
        } collected{{}, model_.keys.size()};
        monitor_->instance()->visit_contexts(
            [](void* data, const std::uint64_t* key, std::uint16_t state) {
                auto& into = *static_cast<Collected*>(data);
                into.states[{key, key + into.keys}] = state;
            },
            &collected);
        return collected.states;
    }

    bool has_initial_registers(const codegen::Context& context) const {
        for (std::size_t i = 0; i < model_.registers.size(); ++i) {
            const codegen::RegisterValue& value = context.registers[i];
            if (value.scalar.integer != model_.registers[i].initial || value.reset_ns || !value.entries.empty() ||
                !value.ranges.ranges().empty())
                return false;
        }
        return true;
    }

    // The interpreter keeps what the compiled monitor may forget without anybody noticing.
    bool is_forgettable(const codegen::Context& context) const {
        return model_.states[context.state].reclaimable && has_initial_registers(context);
    }

    bool keeps_forgettable() const {
        return std::ranges::any_of(interpreter_->contexts(),
                                   [this](const auto& each) { return is_forgettable(each.second); });
    }

    States interpreted_states() const {
        States states;
        for (const auto& [key, context] : interpreter_->contexts()) {
            if (is_forgettable(context)) continue;
            std::vector<std::uint64_t> words;
            for (const Value& value : key) words.push_back(word(value));
            states[words] = context.state;
        }
        return states;
    }

    // The report names the interpreter's last violation.
    void compare_reports(std::size_t violations_before) {
        const auto reports = monitor_->take_violations();
        const auto& violations = interpreter_->violations();
        ASSERT_EQ(violations.size() - violations_before, reports.size());
        // Timers that end together are told in any order.
        std::multiset<std::string> told, expected;
        for (const auto& report : reports) told.insert(report.state + " " + report.event);
        for (std::size_t i = violations_before; i < violations.size(); ++i) {
            const bool timer = violations[i].event == codegen::no_event;
            expected.insert(model_.states[violations[i].state].name + " " +
                            (timer ? "" : model_.events[violations[i].event].name));
        }
        ASSERT_EQ(expected, told);
    }

    bool is_reclaimable(const std::string& state) const {
        return std::ranges::find(model_.states, state, &codegen::State::name)->reclaimable;
    }

    Model model_;
    std::unique_ptr<codegen::Interpreter> interpreter_;
    std::unique_ptr<Monitor> monitor_;
    std::mt19937_64 random_;
    std::uint64_t time_ns_ = 1000;
};

TEST_P(Agreement, TheCompiledMonitorDoesWhatTheInterpreterDoesAtEveryStep) {
    const std::uint64_t seed = 20261;
    random_.seed(seed);
    std::map<codegen::Outcome, int> outcomes;
    Counters before = monitor_->counters();
    for (int i = 0; i < 5'000; ++i) {
        SCOPED_TRACE(::testing::Message() << "seed " << seed << ", hit " << i);
        if (i % 250 == 0) start_over();
        const Hit hit = next_hit();
        const bool forgettable = keeps_forgettable();
        const std::size_t violations_before = interpreter_->violations().size();
        const std::uint64_t overflows_before = interpreter_->overflows();
        const auto outcome = deliver_interpreted(*interpreter_, hit);
        deliver_compiled(hit);

        const Counters after = monitor_->counters();
        ASSERT_EQ(outcome ? 1u : 0u, after.events - before.events);
        // What happens in a context that was forgotten is ignored, and changes nothing in the interpreter's.
        const bool ignored = after.ignored_unknown != before.ignored_unknown;
        ASSERT_TRUE(ignored == (outcome == codegen::Outcome::ignored) ||
                    (ignored && forgettable && outcome == codegen::Outcome::moved));
        ASSERT_EQ(interpreter_->violations().size() - violations_before, after.violations - before.violations);
        ASSERT_EQ(interpreter_->overflows() - overflows_before, after.register_full - before.register_full);
        ASSERT_EQ(interpreted_states(), compiled_states());
        ASSERT_NO_FATAL_FAILURE(compare_reports(violations_before));
        if (outcome) ++outcomes[*outcome];
        before = after;
    }
    EXPECT_GT(outcomes[codegen::Outcome::moved], 500) << "the random events never got anywhere";
    EXPECT_GT(outcomes[codegen::Outcome::violation], 10) << "the random events were never wrong";
    const Summary summary = monitor_->summary();
    EXPECT_EQ(std::vector<std::string>{}, summary.unseen_events);
    for (const EdgeCoverage& edge : summary.edges) {
        // A reclaimable state may be forgotten before its next event.
        EXPECT_TRUE(edge.taken > 0 || is_reclaimable(edge.from_state))
            << edge.from_state << " -" << edge.event << "-> " << edge.to_state << ", line " << edge.line;
    }
}

INSTANTIATE_TEST_SUITE_P(Models, Agreement, ::testing::ValuesIn(cases()),
                         [](const auto& each) { return each.param.model.stem().string() + "_" + each.param.encoding; });

}  // namespace
}  // namespace lockstep::monitors
