// lockstep attach, from outside: LTTng records, this process judges, until Ctrl-C, the duration, or the end of what is
// watched.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "cli/loadable_property.hpp"
#include "monitors/agent/agent_client.hpp"

namespace lockstep::cli {

struct LiveAttachOptions {
    std::vector<pid_t> pids;  // none, and no URL: every program of the user
    std::string url;          // of a session that somebody else made; empty: one is made
    std::vector<GroupMember> properties;
    monitors::AttachOptions attach;
    std::optional<std::chrono::milliseconds> duration;
    std::chrono::milliseconds live_timer{2};
    bool no_loss = false;
    bool as_json = false;
};

// Runs to the end and prints the verdicts. The exit status.
int attach_live(const LiveAttachOptions& options);

}  // namespace lockstep::cli
