// Calls of a library that ends the process when its input contradicts itself: libbabeltrace2 asserts on some damaged
// traces. abort() is caught and not returned to, which the C standard allows for (7.22.4.1).
#pragma once

namespace lockstep::monitors {

// Calls body(data). False: it called abort(), and what it was working on may only be left alone. `body` must neither
// throw nor hold C++ objects when that happens: their destructors do not run. Any thread; abort() outside of this does
// what it always does.
[[nodiscard]] bool survives(void (*body)(void*), void* data);

// The same of a callable.
template <class Body>
[[nodiscard]] bool survives(Body& body) {
    return survives([](void* data) { (*static_cast<Body*>(data))(); }, &body);
}

}  // namespace lockstep::monitors
