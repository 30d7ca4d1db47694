// Turns what a probe left of a violation into the report that reactors are told.
#pragma once

#include "monitors/runtime/instance.hpp"
#include "reactors/report.hpp"

namespace lockstep::monitors {

// `instance` still knows the strings of the record. Any thread.
reactors::Report build_report(const MonitorDescriptor& descriptor, const MonitorInstance& instance,
                              const ViolationRecord& record);

// A word of a key, a field or a register, as text.
reactors::NamedValue name_value(const MonitorInstance& instance, std::string name, FieldType type, std::uint64_t word);

std::vector<reactors::NamedValue> name_keys(const MonitorDescriptor& descriptor, const MonitorInstance& instance,
                                            const std::uint64_t* key);

}  // namespace lockstep::monitors
