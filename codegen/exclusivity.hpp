// Can two guards hold at once? A small prover: guards are brought into disjunctive form over atoms (comparisons of a
// term with a constant or another term, and yes-no questions such as `owner in holders`); two conjunctions exclude each
// other when their atoms contradict. It knows that sizes and unsigned values are not negative, that `x in s` and
// `conflicts(s, …)` need a non-empty s, and that empty(s) is size(s) == 0. What it can't show it calls possible: the
// author then writes the guard more plainly.
#pragma once

#include <vector>

#include "codegen/expression.hpp"

namespace lockstep::codegen {

// True only when no values of fields, registers and parameters make all of a and all of b hold. A comparison with a
// clock that was never reset always holds; that case is left aside.
bool exclude_each_other(const std::vector<Expression>& a, const std::vector<Expression>& b);

// True only when nothing makes all of them hold.
bool never_hold(const std::vector<Expression>& guards);

}  // namespace lockstep::codegen
