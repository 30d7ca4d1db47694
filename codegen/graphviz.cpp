#include "codegen/graphviz.hpp"

#include <graphviz/cgraph.h>

#include <algorithm>

namespace lockstep::codegen {
namespace {

std::mutex& one_at_a_time() {
    static std::mutex mutex;
    return mutex;
}

// The libraries' callback takes no argument of ours.
std::string& heard() {
    static std::string text;
    return text;
}

int hear(char* text) {
    heard() += text;
    return 0;
}

}  // namespace

GraphvizSession::GraphvizSession() : hold_(one_at_a_time()), former_(agseterrf(hear)) {
    heard().clear();
}

GraphvizSession::~GraphvizSession() {
    agseterrf(former_);
}

std::string GraphvizSession::complaints() const {
    std::string text = heard();
    std::ranges::replace(text, '\n', ' ');
    while (text.ends_with(' ')) text.pop_back();
    return text;
}

}  // namespace lockstep::codegen
