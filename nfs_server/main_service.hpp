// The server put together: sockets on top, then programs, file system, transactions, journal, disk.
#pragma once

#include <memory>
#include <string>

#include "nfs_server/base/result.hpp"
#include "nfs_server/main_options.hpp"

namespace lockstep::server {

// A server that serves, from its making to stop().
class Service {
 public:
    // Takes the ports, opens and recovers the disk (a blank one is formatted), and starts to serve. Error: one message;
    // unless it says otherwise nothing has changed on disk.
    static Result<std::unique_ptr<Service>, std::string> start(const Options& options);
    ~Service();

    // "nfs=ADDRESS:PORT mount=PORT nlm=PORT", and " metrics=ADDRESS:PORT" if asked for: where it serves.
    std::string describe() const;

    // From now on requests are judged by these exports. Any thread.
    void replace_exports(std::unique_ptr<const ops::ExportTable> table);

    // Answers what is under way, writes everything to the disk, and ends. Error: a message; what clients were promised
    // is on the disk all the same. Once.
    Result<void, std::string> stop();

 private:
    struct Parts;
    explicit Service(std::unique_ptr<Parts> parts);
    std::unique_ptr<Parts> parts_;
};

}  // namespace lockstep::server
