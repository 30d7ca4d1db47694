// The harness' side of a shim in a program of the run (shim/): makes its files, tells it what goes wrong, and cuts the
// power of a program that was killed.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "netns_harness/process.hpp"
#include "netns_harness/shim/control.hpp"
#include "netns_harness/workloads/random.hpp"

namespace lockstep::harness {

struct ShimOptions {
    std::filesystem::path library;
    std::string stem;         // its files are stem.shim and stem.undo
    std::string disk;         // the program's disk; empty: none
    bool power_cuts = false;  // keep an undo log
};

// One thread. The files stay when it goes: they lie in the sandbox.
class Shim {
 public:
    // Throws Error.
    explicit Shim(ShimOptions options);

    // Adds what a program with the shim needs to its environment.
    void add_to(Environment& environment) const;

    shim::Control& control() { return *control_; }

    // From now on nothing reaches the program's disk: it is about to be killed, and to do other things before.
    void switch_off() { control_->power_off.store(1); }

    // Of a program that was killed: undoes, in the disk's file, an arbitrary part of what was written since the last
    // barrier. Returns how many sectors were lost. Throws Error.
    std::uint64_t cut_power(workloads::Random& random);

 private:
    struct Unmap {
        std::size_t size;
        void operator()(void* memory) const;
    };
    template <class T>
    using Mapped = std::unique_ptr<T, Unmap>;

    static void* map_new_file(const std::string& path, std::size_t size);

    ShimOptions options_;
    Mapped<shim::Control> control_;
    Mapped<char> undo_;
};

}  // namespace lockstep::harness
