// Events read through libbabeltrace2: a graph of one or more sources, a muxer that orders by time stamp, and a sink of
// ours.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "monitors/trace/event_source.hpp"

namespace lockstep::monitors {

class BabeltraceSource : public EventSource {
 public:
    // A trace on disk, or a directory that has traces anywhere below it (what `lttng create --output` leaves). Throws
    // TraceError when there is none or its metadata can't be read.
    static std::unique_ptr<BabeltraceSource> open_directory(const std::filesystem::path& directory,
                                                            std::vector<WantedEvent> wanted);

    // A session of a relay: "net://HOST:PORT/host/HOSTNAME/SESSION". Ends when the session is destroyed and read to its
    // end. Reads what is recorded from now on, and the newest packet of each stream. Throws TraceError when the relay
    // does not answer.
    static std::unique_ptr<BabeltraceSource> open_live(const std::string& url, std::vector<WantedEvent> wanted);

    ~BabeltraceSource() override;

    // From now on declarations are noted and events counted, whether wanted or not.
    void note_declarations();
    // What was noted so far, by name.
    std::vector<DeclaredEvent> declarations() const;

    Status read(EventHandler& handler) override;

 private:
    struct Graph;
    explicit BabeltraceSource(std::unique_ptr<Graph> graph);
    std::unique_ptr<Graph> graph_;
};

}  // namespace lockstep::monitors
