#include "netns_harness/system.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

namespace lockstep::harness {

void throw_errno(std::string_view what) {
    const int error = errno;
    throw Error(std::string(what) + ": " + std::strerror(error));
}

int require(int result, std::string_view what) {
    if (result == -1) throw_errno(what);
    return result;
}

void Fd::reset(int fd) {
    if (fd_ >= 0) ::close(fd_);
    fd_ = fd;
}

Pipe make_pipe() {
    int ends[2];
    require(::pipe2(ends, O_CLOEXEC), "cannot make a pipe");
    return {Fd(ends[0]), Fd(ends[1])};
}

int poll_timeout_ms(Clock::time_point deadline) {
    const auto left = std::chrono::ceil<milliseconds>(deadline - Clock::now()).count();
    return static_cast<int>(std::clamp<long long>(left, 0, 3'600'000));
}

std::string read_file(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    if (!file) throw_errno("cannot read " + path);
    std::ostringstream content;
    content << file.rdbuf();
    if (file.bad()) throw_errno("cannot read " + path);
    return content.str();
}

void write_file(const std::string& path, std::string_view content) {
    std::ofstream file(path, std::ios::binary | std::ios::trunc);
    file << content;
    file.flush();
    if (!file) throw_errno("cannot write " + path);
}

}  // namespace lockstep::harness
