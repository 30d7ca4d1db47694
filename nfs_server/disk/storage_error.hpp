// The one error domain of disk, journal and txn. Layers above translate it once (ops: to nfsstat3).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace lockstep::server {

/// Why storage could not do what was asked. Nothing was changed, unless the value's comment says otherwise.
enum class StorageError : uint8_t {
    io,              ///< the device failed; after a failed write of the log every later commit fails with this, too
    out_of_range,    ///< a block, offset or bit that the device does not have
    corrupt,         ///< what was read contradicts its checksum or its format
    unknown_format,  ///< the format's version or a feature that it needs is not known to this program
    blank,           ///< the device holds no format at all: it may be formatted
    log_full,        ///< no room in the log within the waiting limit; trying again later may help
    too_large,       ///< the transaction can never fit in the log
    conflict,        ///< a lock was busy and waiting for it might deadlock: abort, then run again
    no_space,        ///< the device is too small
    busy,            ///< another process uses the device
    bad_argument,    ///< a specification that can't be understood
};

/// The error's name in words, for messages. Never fails.
constexpr std::string_view to_string(StorageError error) {
    switch (error) {
        case StorageError::io:
            return "input/output error";
        case StorageError::out_of_range:
            return "out of range";
        case StorageError::corrupt:
            return "corrupt";
        case StorageError::unknown_format:
            return "unknown format";
        case StorageError::blank:
            return "blank";
        case StorageError::log_full:
            return "log full";
        case StorageError::too_large:
            return "transaction too large";
        case StorageError::conflict:
            return "lock conflict";
        case StorageError::no_space:
            return "no space";
        case StorageError::busy:
            return "in use by another process";
        case StorageError::bad_argument:
            return "bad argument";
    }
    return "unknown error";
}

/// An error of start-up, where a person reads it: the code and one clear sentence.
struct StorageFailure {
    StorageError code = StorageError::io;
    std::string message;
};

}  // namespace lockstep::server
