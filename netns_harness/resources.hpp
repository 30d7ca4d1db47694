// What the processes of a run hold and use, as /proc tells it: in a sandbox /proc lists the processes of the run and no
// others.
#pragma once

#include <sys/types.h>

#include "netns_harness/result.hpp"

namespace lockstep::harness {

// Memory and descriptors of a process; zeros when it is gone.
Held held_by(pid_t process);

// All processes of the sandbox, and the network namespaces that they are in.
Crowd count_processes();

// The CPU time that was used so far by us, by LTTng's daemons, and by all other processes that we, or the sandbox's
// first process, have started, also by those that have ended.
CpuUse cpu_use();

CpuUse operator-(CpuUse later, const CpuUse& earlier);

}  // namespace lockstep::harness
