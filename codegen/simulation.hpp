// A model run by hand: event after event on the reference interpreter, with everything visible and every step undone at
// will. What `lockstep simulate` talks to.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "codegen/diagnostic.hpp"
#include "codegen/interpreter.hpp"
#include "codegen/model.hpp"

namespace lockstep::codegen {

// A context as people read it.
struct ShownContext {
    std::string key;  // "txn_id=1"; empty: the model has no key
    std::string state;
    bool final = false;
    std::vector<std::pair<std::string, std::string>> registers;  // name, content
    std::vector<std::string> possible;  // what may come: "release [address in held]", in the order of the file
};

// What one event did.
struct ShownStep {
    std::string event;  // "grant(owner=a, mode=5)", or "time passes"
    std::uint64_t time_ns = 0;
    Outcome outcome = Outcome::ignored;  // for time alone: moved when nothing happened, else violation
    std::string key;
    std::string from;                     // state before; empty: unknown
    std::string to;                       // state after; empty: unknown, or the context ended
    std::string edge;                     // the label's part of the edge taken; empty: none
    std::vector<std::string> violations;  // a sentence each; timers may have fired before the event
};

class Simulation {
 public:
    // Every parameter must have a value; throws std::invalid_argument that names one that has none.
    explicit Simulation(Model model);

    // Reads events ("[@5ms] take(file=x) give(file=x)", or a time alone) and takes them one by one. With anything
    // wrong in the text, nothing is taken and `diagnostics` says what; positions are in the text. Time that would go
    // back stays.
    std::vector<ShownStep> take(const std::string& text, std::vector<Diagnostic>& diagnostics);

    // Takes the last `steps` steps back; false, and nothing happens, when there were not so many, or they are too long
    // ago: a thousand are remembered.
    bool undo(std::size_t steps);

    std::vector<ShownContext> contexts() const;
    // What each event is: "grant(file: text, owner: text, first: unsigned)".
    std::vector<std::string> events() const;

    const Model& model() const { return *model_; }

 private:
    struct Moment {
        Interpreter interpreter;
        std::uint64_t time_ns = 0;
    };

    ShownStep take(const ExampleEvent& event);
    std::string edge_for(const Occurrence& occurrence, const ContextKey& key) const;
    std::string text_of(const ContextKey& key) const;
    std::string text_of(const Violation& violation) const;
    std::string state_of(const ContextKey& key) const;
    std::string content_of(const Register& declared, const RegisterValue& value) const;
    std::vector<std::string> possible_in(std::uint32_t state) const;

    const Interpreter& now() const { return moments_.back().interpreter; }

    std::unique_ptr<Model> model_;  // where interpreters point to
    std::deque<Moment> moments_;    // the last is now; never empty
};

}  // namespace lockstep::codegen
