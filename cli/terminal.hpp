// What the terminal is like that a command writes to, and lines that fit into it.
#pragma once

#include <cstddef>
#include <optional>
#include <string>

namespace lockstep::cli {

struct TerminalSize {
    std::size_t columns;
    std::size_t rows;
};

// Nothing where the descriptor is no terminal. A terminal that does not tell its size counts as 80 x 24.
std::optional<TerminalSize> terminal_size(int descriptor);

// On a terminal, unless NO_COLOR is set to something. Source: https://no-color.org
bool colours_are_wanted(int descriptor);

// At most `columns` characters of UTF-8 (0: any number), the last one a `>` where some are left out. Control characters
// become `?`: what a watched program says does not steer the terminal.
std::string fitted(const std::string& text, std::size_t columns);

}  // namespace lockstep::cli
