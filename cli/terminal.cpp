#include "cli/terminal.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdlib>

namespace lockstep::cli {

std::optional<TerminalSize> terminal_size(int descriptor) {
    if (isatty(descriptor) == 0) return std::nullopt;
    winsize window{};
    if (ioctl(descriptor, TIOCGWINSZ, &window) != 0 || window.ws_col == 0 || window.ws_row == 0)
        return TerminalSize{80, 24};
    return TerminalSize{window.ws_col, window.ws_row};
}

bool colours_are_wanted(int descriptor) {
    const char* no = std::getenv("NO_COLOR");
    return isatty(descriptor) != 0 && (no == nullptr || *no == 0);
}

std::string fitted(const std::string& text, std::size_t columns) {
    std::string line;
    std::size_t characters = 0, last = 0;  // where the last character begins that there is room for
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if ((byte & 0xc0U) != 0x80) {
            if (columns != 0 && ++characters > columns) return line.replace(last, std::string::npos, ">");
            last = line.size();
        }
        line += byte < ' ' || byte == 0x7f ? '?' : c;
    }
    return line;
}

}  // namespace lockstep::cli
