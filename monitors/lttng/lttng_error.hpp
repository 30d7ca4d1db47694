// What went wrong between Lockstep and LTTng.
#pragma once

#include <stdexcept>

namespace lockstep::monitors {

// A daemon that did not start or answer in time, a session that could not be made, a reader that failed. what() is one
// sentence, followed by the daemon's last log lines where there are any.
class LttngError : public std::runtime_error {
    using std::runtime_error::runtime_error;
};

}  // namespace lockstep::monitors
