// What the commands that steer an agent share: finding it, and naming its property.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "cli/command_line.hpp"
#include "monitors/agent/agent_client.hpp"

namespace lockstep::cli {

// The option by which a watched process is named: its number, or the path of its agent's socket.
Option add_process_option(CommandLine& command_line, std::string& process);

// Throws monitors::AgentError when no agent is there; says how to start one.
std::unique_ptr<monitors::AgentClient> connect_to(const std::string& process);

// A library of ours, in lib/ beside the running program's bin/. Throws std::runtime_error that names what is missing.
std::filesystem::path library_beside_us(const std::string& name);

// The sockets of the user's agents in the default place, of processes that live.
std::vector<std::string> known_agents();

// A command that has a process and a property or a group of them: `detach`, `pause` and `resume` are these.
struct PropertyCommand {
    std::string process;
    std::string property;
};
std::shared_ptr<PropertyCommand> declare_property_command(CommandLine& command_line);

// The names of the attached properties that `name` stands for: a property's own, or those of a group that were attached
// and still are. Throws monitors::AgentError when there is none.
std::vector<std::string> attached_properties(monitors::AgentClient& agent, const std::string& name);

}  // namespace lockstep::cli
