// From a report to the process whose event it was, for reactors that run outside it.
#pragma once

#include <sys/types.h>

#include "reactors/report.hpp"

namespace lockstep::reactors {

// The process as this one's PID namespace numbers it: the one whose innermost number is the report's vpid and whose
// network namespace is the report's. For a violation by time alone: the process of the context's last event.
// Throws ReactorError when none, or more than one, fits: the wrong one must not be signalled.
pid_t culprit_of(const Report& report);

}  // namespace lockstep::reactors
