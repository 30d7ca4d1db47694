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

// Graphviz could not draw; what() says why.
class DrawingError : public std::runtime_error {
    using std::runtime_error::runtime_error;
};

// A drawing as "svg", "png" or "pdf". Throws DrawingError. Any thread; one draws at a time.
std::string render(const std::string& drawing, const std::string& format);

}  // namespace lockstep::codegen
