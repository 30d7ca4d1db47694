// What the judges of a whole trace share that are no automata: the reading, and what it leaves in doubt.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "monitors/offline/offline_verifier.hpp"
#include "monitors/trace/babeltrace_source.hpp"

namespace lockstep::monitors {

// Threads: one.
class TraceJudge : public EventHandler {
 public:
    // Delivers every wanted event of the traces below `directory`. Damage and streams that are cut off are noted, not
    // thrown. Throws TraceError when there is no trace at all.
    void read_trace(const std::filesystem::path& directory, const std::vector<WantedEvent>& wanted);

    void on_loss(const Loss& loss) final;
    void on_mismatch(std::size_t wanted, const std::string& why) final;

 protected:
    // Why no verdict may rest on what was read, appended.
    void add_doubts(std::vector<std::string>& reasons) const;

    OfflineResult reading_;  // its events are the judge's to count
};

}  // namespace lockstep::monitors
