// What a generated monitor builds on: its one include besides the encoding of the automaton. C++17.
#pragma once

#include <cstdint>
#include <new>

#include "codegen/integer.hpp"
#include "monitors/runtime/descriptor.hpp"
#include "monitors/runtime/engine.hpp"

namespace lockstep::monitors {

// A string field, as guards and registers hold it: its hash.
using Text = std::uint64_t;

// The hash of a literal in the model.
template <std::size_t size>
Text text(const char (&literal)[size]) {
    return hash_string(literal, size - 1);
}

// A register that found no room gives the context up.
template <class Registers>
void keep(At<Registers>& at, bool found_room) {
    if (!found_room) at.full = true;
}

// The three functions of a descriptor, for one engine. `Deliver` is the generated switch over the bindings.
template <class Automaton, class Deliver>
struct Host {
    static MonitorInstance* create(const InstanceOptions& options) {
        try {
            return new Engine<Automaton>(options);
        } catch (const std::bad_alloc&) {
            return nullptr;
        }
    }

    static void destroy(MonitorInstance* instance) { delete instance; }

    static void deliver(MonitorInstance* instance, std::uint32_t binding, const Slot* slots, const Origin& origin) {
        static_cast<Engine<Automaton>*>(instance)->deliver(
            binding, origin,
            [&](typename Engine<Automaton>::Visit& visit) { Deliver::deliver(visit, binding, slots); });
    }

    // What an LTTng-UST probe is given as its data.
    static Engine<Automaton>& of(void* data) {
        return *static_cast<Engine<Automaton>*>(static_cast<MonitorInstance*>(data));
    }
};

}  // namespace lockstep::monitors
