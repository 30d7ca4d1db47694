#include "reactors/reactor.hpp"

#include <unistd.h>

#include <algorithm>

namespace lockstep::reactors {

void Reactor::tell(const char* line, std::size_t size) noexcept {
    while (size > 0) {
        const ssize_t written = write(STDERR_FILENO, line, size);
        if (written <= 0) return;
        line += written;
        size -= static_cast<std::size_t>(written);
    }
}

std::string reactors_in_one_line() {
    std::string text;
    for (const ReactorKind* kind : reactor_kinds())
        text += std::string(text.empty() ? "" : "; ") + kind->name + ": " + kind->summary;
    return text;
}

std::unique_ptr<Reactor> make_reactor(std::string_view specification) {
    const std::size_t colon = specification.find(':');
    const std::string_view name = specification.substr(0, colon);
    const std::string argument(colon == std::string_view::npos ? "" : specification.substr(colon + 1));
    const auto kinds = reactor_kinds();
    const auto kind =
        std::ranges::find(kinds, name, [](const ReactorKind* each) { return std::string_view(each->name); });
    if (kind != kinds.end()) return (*kind)->make(argument);

    std::string known;
    for (const ReactorKind* each : kinds) known += std::string(known.empty() ? "" : ", ") + each->name;
    throw ReactorError("no reactor named " + std::string(name) + "; there are: " + known);
}

}  // namespace lockstep::reactors
