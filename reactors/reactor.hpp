// A reactor acts on violations. It is one file, NAME_reactor.cpp, that defines one ReactorKind NAME_reactor; the build
// finds it.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>

#include "reactors/report.hpp"

namespace lockstep::reactors {

// A reactor that is not there, or an argument that it does not take; what() is one sentence.
class ReactorError : public std::runtime_error {
    using std::runtime_error::runtime_error;
};

// Made for one attached property. react() is called by one thread, never by the one that hit the tracepoint, so it may
// take its time; reports that find the queue before it full are counted and dropped.
class Reactor {
 public:
    virtual ~Reactor() = default;

    // An exception is logged by the caller; the other reactors still run.
    virtual void react(const Report& report) = 0;

    // The same where the event was another process's (live and offline). What acts in place acts on that process here,
    // as soon as it can; for the others it makes no difference. Throws as react() does.
    virtual void react_from_outside(const Report& report) { react(report); }

    // Whether the reactor also acts in place: in the thread that hit the tracepoint, before its next instruction. These
    // two must not allocate, lock or throw. tell() is given the violation in one line of text, ended by a newline;
    // act() follows when the report was handed to the other reactors.
    virtual bool acts_in_place() const { return false; }
    virtual void tell(const char* line, std::size_t size) noexcept;
    virtual void act() noexcept {}
};

// `argument` is what stood after the colon of `NAME:ARGUMENT`, or empty.
struct ReactorKind {
    const char* name;
    const char* summary;  // one line for --help; says what the argument means
    std::unique_ptr<Reactor> (*make)(const std::string& argument);
};

// All reactors of reactors/, in the order of their names.
std::span<const ReactorKind* const> reactor_kinds();

// "NAME: summary; NAME: summary …", for --help.
std::string reactors_in_one_line();

// `specification` is NAME or NAME:ARGUMENT. Throws ReactorError.
std::unique_ptr<Reactor> make_reactor(std::string_view specification);

}  // namespace lockstep::reactors
