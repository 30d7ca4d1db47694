// A compiled property and the reference interpreter side by side: both see the same tracepoint hits and must agree
// after every one: on what the event did, on the contexts that are alive and their states, and on what the record of a
// violation says. What `lockstep test` and the tests of this folder compare with.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "codegen/interpreter.hpp"
#include "codegen/model.hpp"
#include "codegen/tracepoint_hit.hpp"
#include "monitors/runtime/descriptor.hpp"
#include "monitors/runtime/instance.hpp"

namespace lockstep::monitors {

class Agreement {
 public:
    // Both are borrowed. The descriptor is that of the model, compiled. Throws std::invalid_argument when they have not
    // the same tracepoints.
    Agreement(const codegen::Model& model, const MonitorDescriptor& descriptor);
    ~Agreement();
    Agreement(const Agreement&) = delete;
    Agreement& operator=(const Agreement&) = delete;

    // Both see the hit. Nothing: they agree; else a sentence that says in what they differ.
    std::optional<std::string> deliver(const codegen::TracepointHit& hit);

    // Both forget every context.
    void start_over();

    const codegen::Interpreter& interpreter() const { return *interpreter_; }
    // How often each outcome was seen, of events of the model.
    const std::map<codegen::Outcome, int>& outcomes() const { return outcomes_; }
    // Of the compiled property, so far.
    std::vector<std::uint64_t> edges_taken() const;
    std::vector<std::uint64_t> events_seen() const;

 private:
    using States = std::map<std::vector<std::uint64_t>, std::uint32_t>;

    void deliver_compiled(const codegen::TracepointHit& hit);
    std::optional<std::string> compare_contexts();
    std::optional<std::string> compare_violations(std::size_t violations_before);
    States compiled_states();
    States interpreted_states() const;
    bool has_initial_registers(const codegen::Context& context) const;
    bool is_forgettable(const codegen::Context& context) const;
    bool keeps_forgettable() const;

    const codegen::Model& model_;
    const MonitorDescriptor& descriptor_;
    std::vector<std::uint32_t> bindings_;  // of Model::bindings: into those of the descriptor
    MonitorInstance* instance_;
    std::unique_ptr<codegen::Interpreter> interpreter_;
    std::map<codegen::Outcome, int> outcomes_;
};

}  // namespace lockstep::monitors
