// A guest's machine: the user-mode Linux kernel as a process tree of its own, with a copy-on-write disk, a serial line
// and a network device. It has a power switch and nothing else; what runs in it is the agent's.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>

#include "netns_harness/system.hpp"

namespace lockstep::uml {

struct MachineConfig {
    std::string kernel = "linux.uml";  // looked up in PATH
    std::filesystem::path image;       // the root file system; never written to, any number of machines may use it
    std::filesystem::path
        state;  // an existing directory that is this machine's alone: its disk's changes, its console's text
    std::filesystem::path programs;  // where uml_agent lies; registers/ is in the directory lib beside it
    std::filesystem::path modules;   // the kernel's modules, a directory with a subdirectory a version
    std::filesystem::path share;     // a directory of the host that the guest sees as /host, writable; empty: none
    std::string mac =
        "02:00:00:00:00:01";  // of its network device; stays the same over boots, since neighbours remember it
    unsigned memory_mib = 256;
};

// One thread. The machine is switched off when its owner goes, or dies: the kernel's processes are in a PID namespace
// whose init dies with us.
class Machine {
 public:
    // `tap`: the device's descriptor (tap.hpp); both ends of it stay with the machine for life. Throws Error when a
    // path can't be passed on the kernel's command line: white space or a comma.
    Machine(MachineConfig config, harness::Fd tap);
    Machine(const Machine&) = delete;
    Machine& operator=(const Machine&) = delete;
    ~Machine() { power_off(); }

    // Boots from the disk as it is, and returns the serial line: a stream socket. The machine must be off. Throws Error
    // when the kernel can't be started; whether it gets anywhere shows on the serial line.
    harness::Fd power_on();

    // Power loss: what the guest had not written to its disk is lost. No process of the machine is left when this
    // returns.
    void power_off();

    bool is_on() const { return pid_ != -1; }

    // Readable once the kernel has ended by itself (then power_off() clears up); -1 while the machine is off.
    int end_fd() const { return end_.get(); }

    // The text that the guest's kernel and agent wrote to its console, all boots one after another.
    std::filesystem::path console_path() const { return config_.state / "console.log"; }

 private:
    MachineConfig config_;
    harness::Fd tap_;
    harness::Fd end_;
    harness::Fd alive_;  // closes when we die: how the namespace's init knows
    pid_t pid_ = -1;     // of the namespace's init
};

}  // namespace lockstep::uml
