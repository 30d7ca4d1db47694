// What a trace declares, and how often each of it happened: for who asks what there is.
#pragma once

#include <babeltrace2/babeltrace.h>

#include <map>
#include <string>
#include <vector>

#include "monitors/trace/event_source.hpp"

namespace lockstep::monitors {

class DeclarationList {
 public:
    // Every event class of the stream's class. A stream of a class that is known already adds what is new.
    void add(const bt_stream* stream);
    void count(const bt_event* event);

    // By name; declarations of one name with different fields are different ones.
    std::vector<DeclaredEvent> all() const;

 private:
    using Key = std::pair<std::string, std::vector<std::pair<std::string, std::string>>>;
    static Key describe(const bt_event_class* event_class);

    std::map<Key, std::uint64_t> counts_;
};

}  // namespace lockstep::monitors
