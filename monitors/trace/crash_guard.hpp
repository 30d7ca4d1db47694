// Calls of a library that ends the process when its input contradicts itself: libbabeltrace2 asserts, and divides by
// zero, on some damaged traces. abort() is caught and not returned to, which the C standard allows for (7.22.4.1), and
// so are faults of the processor.
#pragma once

namespace lockstep::monitors {

// Calls body(data). 0: it returned; else the number of the signal that it ended in, and what it was working on may only
// be left alone. `body` must neither throw nor hold C++ objects when that happens: their destructors do not run. Any
// thread; signals outside of this do what they always do.
[[nodiscard]] int signal_of(void (*body)(void*), void* data);

// The same of a callable.
template <class Body>
[[nodiscard]] int signal_of(Body& body) {
    return signal_of([](void* data) { (*static_cast<Body*>(data))(); }, &body);
}

// While it lives, in a call back from the library: our own mistakes are not the library's.
class OwnCode {
 public:
    OwnCode();
    ~OwnCode();
    OwnCode(const OwnCode&) = delete;
    OwnCode& operator=(const OwnCode&) = delete;

 private:
    void* landing_;
};

}  // namespace lockstep::monitors
