// A compiled property and the reference interpreter side by side: both see the same random tracepoint hits and must
// agree after every one: on what the event did, on the contexts that are alive and their states, and on what the record
// of a violation says. Used by the tests of this folder.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "codegen/interpreter.hpp"
#include "codegen/model.hpp"
#include "monitors/runtime/descriptor.hpp"
#include "monitors/runtime/instance.hpp"

namespace lockstep::monitors {

class Agreement {
 public:
    // Both are borrowed. The descriptor is that of the model, compiled.
    Agreement(const codegen::Model& model, const MonitorDescriptor& descriptor, std::uint64_t seed);
    ~Agreement();
    Agreement(const Agreement&) = delete;
    Agreement& operator=(const Agreement&) = delete;

    // Delivers `hits` hits to both. Nothing: they agreed on all; else what they differ in, and at which hit.
    std::optional<std::string> run(int hits);

    // How often each outcome was seen, of events of the model.
    const std::map<codegen::Outcome, int>& outcomes() const { return outcomes_; }
    // Of the compiled property, so far.
    std::vector<std::uint64_t> edges_taken() const;
    std::vector<std::uint64_t> events_seen() const;

 private:
    struct Hit {
        std::uint32_t binding = 0;  // of the descriptor
        std::vector<codegen::Value> fields;
        codegen::Circumstances where;
    };
    using States = std::map<std::vector<std::uint64_t>, std::uint32_t>;

    codegen::Value random_value(const codegen::Field& field);
    codegen::Value random_value(const codegen::Binding& binding, std::uint32_t field);
    Hit random_hit();
    Hit next_hit();
    void start_over();
    void deliver_compiled(const Hit& hit);
    std::optional<codegen::Outcome> deliver_interpreted(codegen::Interpreter& interpreter, const Hit& hit) const;
    std::optional<std::string> step();
    std::optional<std::string> compare_contexts();
    std::optional<std::string> compare_violations(std::size_t violations_before);
    States compiled_states();
    States interpreted_states() const;
    bool has_initial_registers(const codegen::Context& context) const;
    bool is_forgettable(const codegen::Context& context) const;
    bool keeps_forgettable() const;

    const codegen::Model& model_;
    const MonitorDescriptor& descriptor_;
    MonitorInstance* instance_;
    std::unique_ptr<codegen::Interpreter> interpreter_;
    std::mt19937_64 random_;
    std::uint64_t time_ns_ = 1000;
    std::map<codegen::Outcome, int> outcomes_;
};

}  // namespace lockstep::monitors
