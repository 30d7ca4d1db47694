// Fuzz target of the list of monitored clients as it is on the disk: any text is a list or none, and a list that is
// written is read again. Under libFuzzer this is LLVMFuzzerTestOneInput; fuzz_test.cpp calls it too.
#include <cstdlib>

#include "nfs_server/nlm/monitored_clients.hpp"

#ifndef LOCKSTEP_FUZZ_ENTRY
#define LOCKSTEP_FUZZ_ENTRY lockstep_monitor_record_fuzz
#endif

extern "C" int LOCKSTEP_FUZZ_ENTRY(const uint8_t* data, size_t size) {
    using lockstep::server::nlm::MonitorRecord;
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const auto record = MonitorRecord::from_text(text);
    if (!record) return 0;
    if (record->clients.size() > size) std::abort();
    const auto again = MonitorRecord::from_text(record->to_text());
    if (!again || again->to_text() != record->to_text() || again->clients != record->clients) std::abort();
    if (again->watches != record->watches || again->owed != record->owed) std::abort();
    return 0;
}
