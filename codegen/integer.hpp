// Integers of the language: −2^63 … 2^64−1, so that every field of a tracepoint fits, and results saturate at these
// ends. There is no wrap-around to reason about in a guard: `last_byte + 1` of the end of the file is the end of the
// file. Used by the interpreter and by generated monitors alike (hence C++17 and no dependency).
#pragma once

#include <cstdint>
#include <limits>
#include <string_view>

namespace lockstep::codegen {

// Wide enough for every value and for every sum, difference and quotient of two.
__extension__ typedef __int128 Integer;

inline constexpr Integer integer_lowest = std::numeric_limits<std::int64_t>::min();
inline constexpr Integer integer_highest = std::numeric_limits<std::uint64_t>::max();

constexpr Integer saturate(Integer value, Integer lowest = integer_lowest, Integer highest = integer_highest) {
    return value < lowest ? lowest : value > highest ? highest : value;
}

// Operands of all five: any built-in integer type; they are widened by value, so signed and unsigned mix safely.
constexpr Integer add(Integer a, Integer b) {
    return saturate(a + b);
}
constexpr Integer subtract(Integer a, Integer b) {
    return saturate(a - b);
}
constexpr Integer multiply(Integer a, Integer b) {
    Integer product = 0;
    if (__builtin_mul_overflow(a, b, &product)) return (a < 0) == (b < 0) ? integer_highest : integer_lowest;
    return saturate(product);
}
// Truncate toward zero, as C++ does. The checker admits only constant divisors other than 0.
constexpr Integer divide(Integer a, Integer b) {
    return saturate(a / b);
}
constexpr Integer remainder(Integer a, Integer b) {
    return a % b;
}

// What a register or a key of 64 bits holds of a value: the nearest value that it can hold.
constexpr std::uint64_t to_unsigned(Integer value) {
    return static_cast<std::uint64_t>(saturate(value, 0, std::numeric_limits<std::uint64_t>::max()));
}
constexpr std::int64_t to_signed(Integer value) {
    return static_cast<std::int64_t>(saturate(value, integer_lowest, std::numeric_limits<std::int64_t>::max()));
}

// The DLM's lock modes, NL CR CW PR PW EX = 0 … 5. A number that is no mode is taken as EX: it is compatible with NL
// only. Source: VMS/Linux DLM compatibility matrix (fs/dlm/lock.c, __dlm_compat_matrix).
inline constexpr int mode_count = 6;
inline constexpr std::string_view mode_names[mode_count] = {"NL", "CR", "CW", "PR", "PW", "EX"};
constexpr bool modes_compatible(Integer a, Integer b) {
    constexpr bool compatible[mode_count][mode_count] = {
        // NL    CR     CW     PR     PW     EX
        {true, true, true, true, true, true},      // NL
        {true, true, true, true, true, false},     // CR
        {true, true, true, false, false, false},   // CW
        {true, true, false, true, false, false},   // PR
        {true, true, false, false, false, false},  // PW
        {true, false, false, false, false, false}  // EX
    };
    constexpr Integer exclusive = mode_count - 1;
    const Integer first = a < 0 || a > exclusive ? exclusive : a;
    const Integer second = b < 0 || b > exclusive ? exclusive : b;
    return compatible[static_cast<int>(first)][static_cast<int>(second)];
}

}  // namespace lockstep::codegen
