// An owner's session with one master: DLM-like calls that wait for their answers, and tell of themselves by the
// lock_api tracepoints, such that a mode counts as held only while it truly is: acquired fires after the answer came,
// requested before a lock or a conversion leaves, released before an unlock leaves.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

#include "netns_harness/dlm/message.hpp"
#include "netns_harness/dlm/socket.hpp"

namespace lockstep::dlm {

// What was fired, by all owners of a process together.
struct EventCounts {
    std::atomic<std::uint64_t> requested{0};
    std::atomic<std::uint64_t> acquired{0};
    std::atomic<std::uint64_t> denied{0};
    std::atomic<std::uint64_t> released{0};
};

// Whether somebody records or verifies the lock_api tracepoints now.
bool lock_events_are_listened_to();

// How an owner asks: wait is how long a lock that others have is waited for before the request is withdrawn; 0: not at
// all.
struct Ask {
    std::string resource;
    Mode mode = Mode::NL;
    milliseconds wait{0};
};

// One thread. Throws SocketError when the master is gone or says what it must not; the session is of no use then.
class LockSession {
 public:
    // answer_limit: for what the master has to answer at once.
    LockSession(const Address& master, std::string owner, EventCounts& counts, Clock::time_point connected_by,
                milliseconds answer_limit = milliseconds(5000));

    // The resource is held in the mode afterwards; false: it is not held.
    bool lock(const Ask& ask);

    // The resource that is held in the mode `from` is held in the new one afterwards; false: still as it was.
    bool convert(const Ask& ask, Mode from);

    void unlock(const std::string& resource);

 private:
    enum class Event { requested, acquired, denied, released };
    void tell(Event event, const std::string& resource, Mode mode, std::uint32_t status = 0);
    Message ask_and_wait(const Ask& ask);
    Message answer_to(std::uint32_t request, Clock::time_point deadline);
    bool receive(Clock::time_point deadline);
    void send(const Message& message);

    std::string owner_;
    EventCounts& counts_;
    Fd connection_;
    LineReader lines_;
    milliseconds answer_limit_;
    std::uint32_t last_request_ = 0;
};

}  // namespace lockstep::dlm
