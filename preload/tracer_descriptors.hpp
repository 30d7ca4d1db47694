// LTTng-UST lives in the program's table of descriptors: its own must not be where the program puts one.
//
// A shell that says `exec 9>file` means dup2(…, 9), whatever was there before. Were that a socket of LTTng's, both
// would go on to use it, and after a fork LTTng would close the shell's file. So LTTng's descriptors are moved up, out
// of the way of numbers that people choose, and none is in the making while the program replaces one.
#pragma once

namespace lockstep::preload {

// As long as it lives, LTTng-UST makes and closes no descriptor. Must not be nested.
class TracerDescriptorsHeld {
 public:
    TracerDescriptorsHeld();
    ~TracerDescriptorsHeld();
    TracerDescriptorsHeld(const TracerDescriptorsHeld&) = delete;
    TracerDescriptorsHeld& operator=(const TracerDescriptorsHeld&) = delete;
};

}  // namespace lockstep::preload
