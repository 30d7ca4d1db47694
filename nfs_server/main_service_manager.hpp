// What systemd, or whoever speaks its protocol, gives a service and is told by it. Without one nothing here does
// anything. Source: sd_notify(3), sd_listen_fds(3).
#pragma once

#include <string>
#include <vector>

#include "nfs_server/rpc/file_descriptor.hpp"

namespace lockstep::server {

// Sockets that were opened before this process was started, TCP ones that listen and bound UDP ones. Once: what is not
// taken by somebody else is closed with the result. Other processes that this one starts do not get them.
std::vector<rpc::FileDescriptor> take_given_sockets();

// Tells the manager, for example "READY=1".
void notify_manager(const std::string& state);
// That the configuration is read again; ends with READY=1.
void notify_reloading();

}  // namespace lockstep::server
