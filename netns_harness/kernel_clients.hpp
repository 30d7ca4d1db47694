// Clients with a kernel of their own (`kernel = "uml"`): the command runs in a guest (uml/) that mounts the server with
// the Linux kernel's NFS client. The guest takes its host's address, so it is where an ordinary client would be.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "netns_harness/network.hpp"
#include "netns_harness/process.hpp"
#include "netns_harness/scenario.hpp"

namespace lockstep::harness {

// The kernels and root file systems that a scenario can name.
const std::vector<std::string>& guest_kernels();
const std::vector<std::string>& guest_images();

// Whether a fault of this kind does to a guest what it does to a process: what is stopped from outside, and connections
// that are reset, are the guest's kernel's own affair.
bool reaches_guests(const std::string& fault_kind);

// Whether a client with a kernel of its own mounts this server, which must then be found through a portmapper.
bool is_mounted_by_a_kernel(const Scenario& scenario, const std::string& server);

// Throws Error that names what is missing on this machine and how it is had, when a client of the scenario has a kernel
// of its own.
void require_guests(const Scenario& scenario);

// What a client's command becomes: boots a guest and mounts, prints "uml_client ready", waits at its gate, runs the
// command in the mount, unmounts. `users`: the command as it is for a client without a kernel, with its environment.
Command in_a_guest(Command users, const Scenario& scenario, const ClientPlan& plan, const std::string& address,
                   const std::filesystem::path& programs);

// For the server's host; prints "portmapper ready".
Command portmapper_command(const std::string& server);

}  // namespace lockstep::harness
