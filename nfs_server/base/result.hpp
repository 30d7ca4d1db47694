// Expected failures are values: Result<T, E> holds a T or the E that says why there is none. Base layer.
// Exceptions are for start-up only; a broken invariant is check() in check.hpp.
#pragma once

#include <type_traits>
#include <utility>

#include <tl/expected.hpp>

namespace lockstep::server {

// A T, or the reason E why there is none. Dropping one unseen is a compiler warning.
// Everything of tl::expected is there: has_value(), *result, error(), map(), and_then(), map_error().
template <class T, class E>
class [[nodiscard]] Result : public tl::expected<T, E> {
 public:
    using tl::expected<T, E>::expected;
    Result(tl::expected<T, E> from) : tl::expected<T, E>(std::move(from)) {}
};

// The failure side of a Result: `return fail(StorageError::io);`
template <class E>
tl::unexpected<std::decay_t<E>> fail(E&& error) {
    return tl::unexpected<std::decay_t<E>>(std::forward<E>(error));
}

}  // namespace lockstep::server

// LOCKSTEP_TRY(EXPRESSION): returns the error from the enclosing function when the Result holds one.
// LOCKSTEP_TRY(auto name, EXPRESSION): the same, else names the value (moved out of the Result).
// The enclosing function returns a Result of the same error type, or anything that fail(error) converts to.
#define LOCKSTEP_TRY(...)                                                                          \
    LOCKSTEP_TRY_PICK_(__VA_ARGS__, LOCKSTEP_TRY_VALUE_, LOCKSTEP_TRY_VALUE_, LOCKSTEP_TRY_VALUE_, \
                       LOCKSTEP_TRY_VALUE_, LOCKSTEP_TRY_VALUE_, LOCKSTEP_TRY_ONLY_, )             \
    (__VA_ARGS__)
#define LOCKSTEP_TRY_PICK_(a, b, c, d, e, f, g, ...) g
#define LOCKSTEP_TRY_ONLY_(expression)                                               \
    do {                                                                             \
        if (auto lockstep_try_result = (expression); !lockstep_try_result)           \
            return ::lockstep::server::fail(std::move(lockstep_try_result).error()); \
    } while (false)
#define LOCKSTEP_TRY_VALUE_(declaration, ...) \
    LOCKSTEP_TRY_NAMED_(LOCKSTEP_TRY_JOIN_(lockstep_try_, __COUNTER__), declaration, __VA_ARGS__)
#define LOCKSTEP_TRY_NAMED_(temporary, declaration, ...)                           \
    auto temporary = (__VA_ARGS__);                                                \
    if (!temporary) return ::lockstep::server::fail(std::move(temporary).error()); \
    declaration = std::move(*temporary)
#define LOCKSTEP_TRY_JOIN_(a, b) LOCKSTEP_TRY_JOIN2_(a, b)
#define LOCKSTEP_TRY_JOIN2_(a, b) a##b
