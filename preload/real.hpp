// The function that a preloaded one stands in front of.
#pragma once

#include <dlfcn.h>

#include <atomic>
#include <cstdlib>
#include <cstring>

namespace lockstep::preload {

// Looked up at its first call: a program's constructors may run before ours. `version`: of a function that glibc has in
// several; there dlsym() might find one whose data look different.
//
// Hidden: the next function is the next after the library whose code asks, so each library needs code of its own.
template <class Function>
class Real;

template <class Result, class... Arguments>
class __attribute__((visibility("hidden"))) Real<Result(Arguments...)> {
 public:
    constexpr explicit Real(const char* name, const char* version = nullptr) : name_(name), version_(version) {}

    Result operator()(Arguments... arguments) {
        auto* function = function_.load(std::memory_order_relaxed);
        if (function == nullptr) function_.store(function = find(), std::memory_order_relaxed);
        return function(arguments...);
    }

 private:
    using Function = Result(Arguments...);

    Function* find() const {
        void* found = version_ == nullptr ? nullptr : dlvsym(RTLD_NEXT, name_, version_);
        if (found == nullptr) found = dlsym(RTLD_NEXT, name_);
        if (found == nullptr) std::abort();  // the program links a function that no library has
        Function* function = nullptr;
        std::memcpy(&function, &found, sizeof function);
        return function;
    }

    const char* name_;
    const char* version_;
    std::atomic<Function*> function_{nullptr};
};

}  // namespace lockstep::preload
