// The six modes of a distributed lock manager and which of them go together.
// Source: Kronenberg, Levy, Strecker: VAXclusters (1986); Linux: fs/dlm/lock.c, __dlm_compat_matrix.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace lockstep::dlm {

// From weakest to strongest, with the numbers of tracepoints/lock_api.tp: null, concurrent read, concurrent write,
// protected read, protected write, exclusive.
enum class Mode : std::uint8_t { NL, CR, CW, PR, PW, EX };

inline constexpr std::array<std::string_view, 6> mode_names{"NL", "CR", "CW", "PR", "PW", "EX"};

constexpr std::string_view name_of(Mode mode) {
    return mode_names[static_cast<std::size_t>(mode)];
}

constexpr std::optional<Mode> mode_named(std::string_view name) {
    for (std::size_t number = 0; number < mode_names.size(); ++number)
        if (mode_names[number] == name) return static_cast<Mode>(number);
    return std::nullopt;
}

// Whether two owners may hold one resource in these modes at the same time.
constexpr bool compatible(Mode one, Mode other) {
    constexpr bool matrix[6][6] = {
        // NL CR CW PR PW EX
        {1, 1, 1, 1, 1, 1},  // NL
        {1, 1, 1, 1, 1, 0},  // CR
        {1, 1, 1, 0, 0, 0},  // CW
        {1, 1, 0, 1, 0, 0},  // PR
        {1, 1, 0, 0, 0, 0},  // PW
        {1, 0, 0, 0, 0, 0},  // EX
    };
    return matrix[static_cast<std::size_t>(one)][static_cast<std::size_t>(other)];
}

}  // namespace lockstep::dlm
