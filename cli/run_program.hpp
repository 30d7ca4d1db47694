// lockstep run-program: what its two ways of watching share.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "monitors/agent/agent_client.hpp"

namespace lockstep::cli {

struct RunProgramOptions {
    std::vector<std::string> properties;
    std::vector<std::string> command;
    monitors::AttachOptions attach;
    std::string out;
    bool json = false;
    int result_descriptor = -1;  // where the result goes; -1: to stdout
    bool file_locks = false;
    bool no_loss = false;
};

// Says how the program ended and what the properties say, each as in an agent's status. The exit status.
int print_judged(const RunProgramOptions& options, const std::vector<nlohmann::json>& properties, int wait_status);

// The program and all that it starts, with their locks on files, watched through LTTng. The exit status.
int run_program_with_file_locks(const RunProgramOptions& options);

}  // namespace lockstep::cli
