// Graphviz's libraries keep global state: whoever uses them holds this, and gets what they complained about.
#pragma once

#include <mutex>
#include <string>

namespace lockstep::codegen {

// Threads: one at a time has a session; others wait at its construction. A thread has one at most.
class GraphvizSession {
 public:
    GraphvizSession();
    ~GraphvizSession();
    GraphvizSession(const GraphvizSession&) = delete;
    GraphvizSession& operator=(const GraphvizSession&) = delete;

    // Everything that the libraries said since the session began, on one line.
    std::string complaints() const;

 private:
    std::lock_guard<std::mutex> hold_;
    int (*former_)(char*);
};

}  // namespace lockstep::codegen
