// A violation in one line of text, made where nothing may be allocated: in the probe, for what reacts in place.
#pragma once

#include "monitors/runtime/line_text.hpp"

namespace lockstep::monitors {

// "lockstep: PROPERTY violated for KEY=…: in state S, event E(FIELD=…) of pid P tid T", without a newline.
LineText violation_line(const MonitorDescriptor& descriptor, const MonitorInstance& instance,
                        const ViolationRecord& record);

}  // namespace lockstep::monitors
