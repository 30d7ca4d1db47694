// A model drawn for people: its automaton laid out by Graphviz, what its events are, and where a run has been.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include "codegen/model.hpp"

namespace lockstep::codegen {

// How often an edge was taken, as a monitor counted it.
struct EdgeCount {
    std::string from_state;
    std::string event;
    std::string to_state;
    std::uint32_t line = 0;  // of the edge in the DOT file
    std::uint64_t taken = 0;
};

// The model as DOT that is made to be looked at: one arrow from a state to another, a line of its label an edge
// (event, [guards], / actions), invariants under the state's name, and a legend. With counts: what was visited is
// filled, what was not is dashed, and each line says how often. An edge without a count was not taken; a count without
// an edge is ignored: the counts may be of another version of the file.
std::string drawing_of(const Model& model);
std::string drawing_of(const Model& model, const std::vector<EdgeCount>& counts);

// How a context came to a violation: the events that it took, oldest first, and the one that was not allowed.
struct ViolationPath {
    struct Step {
        std::string from_state;
        std::string event;
        std::string to_state;
    };
    std::vector<Step> steps;
    std::string state;  // that it was in
    std::string event;  // empty: the state's time was over
};

// The model with that path: the arrows that were gone along have the steps' numbers, the rest is dashed, and from the
// state of the violation a red arrow leads out of the automaton. A step without an arrow is ignored, as above.
std::string drawing_of(const Model& model, const ViolationPath& path);

// Graphviz could not draw; what() says why.
class DrawingError : public std::runtime_error {
    using std::runtime_error::runtime_error;
};

// A drawing as "svg", "png" or "pdf". Throws DrawingError. Any thread; one draws at a time.
std::string render(const std::string& drawing, const std::string& format);

}  // namespace lockstep::codegen
