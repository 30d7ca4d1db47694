// The one function of liblockstep_violation_event.so.
#pragma once

#include "reactors/report.hpp"

// For who records with LTTng, in this process; nothing is put together while nobody does. Any thread.
extern "C" void lockstep_record_violation(const lockstep::reactors::Report& report);
