// The configuration file: TOML, the options of the command line under the same names (with _ for -), and the exports.
//
//     disk = "file:/srv/lockstep.img"
//     bind = ["0.0.0.0", "::"]
//     [[export]]
//     path = "/projects"
//     directory = "/projects"
//     clients = ["192.0.2.0/24", "2001:db8::/32"]
//     squash = "root"
#pragma once

#include <string>

#include "nfs_server/base/result.hpp"
#include "nfs_server/main_options.hpp"

namespace lockstep::server {

// Sets in `options` what the file says and leaves the rest. Error: everything that is wrong, a line each,
// "FILE:LINE:COLUMN: …"; then nothing has been set.
Result<void, std::string> read_config(const std::string& file, Options& options);

}  // namespace lockstep::server
