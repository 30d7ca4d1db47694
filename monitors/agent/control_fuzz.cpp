// Fuzz target of the control socket, a whole agent behind it: any bytes are answered line by line in JSON, or lose
// their connection; and afterwards the agent still does what a sound request asks for. Under libFuzzer this is
// LLVMFuzzerTestOneInput; control_fuzz_test.cpp calls it too.
//
// In an input, `@P` stands for the path of a compiled property.
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

#include "monitors/agent/agent.hpp"
#include "monitors/runtime/monitor.hpp"

#ifndef LOCKSTEP_FUZZ_ENTRY
#define LOCKSTEP_FUZZ_ENTRY lockstep_control_fuzz
#endif

namespace lockstep::monitors {
namespace {

using nlohmann::json;

void require(bool condition) {
    if (!condition) std::abort();
}

// An agent in this process, in a folder that is removed at the end.
class Served {
 public:
    Served() {
        signal(SIGPIPE, SIG_IGN);
        std::string pattern = (std::filesystem::temp_directory_path() / "lockstep-control-fuzz-XXXXXX").string();
        require(mkdtemp(pattern.data()) != nullptr);
        folder_ = pattern;
        agent_.emplace(folder_ / "socket");
    }
    ~Served() {
        agent_.reset();
        std::error_code ignored;
        std::filesystem::remove_all(folder_, ignored);
    }
    Served(const Served&) = delete;
    Served& operator=(const Served&) = delete;

    // Everything that comes back until the connection is closed.
    std::string exchange(const std::string& bytes) const {
        const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::strcpy(address.sun_path, (folder_ / "socket").c_str());
        require(connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0);
        (void)!send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        shutdown(fd, SHUT_WR);
        std::string answers;
        char buffer[4096];
        for (ssize_t size; (size = recv(fd, buffer, sizeof(buffer), 0)) > 0;)
            answers.append(buffer, static_cast<std::size_t>(size));
        close(fd);
        return answers;
    }

 private:
    std::filesystem::path folder_;
    std::optional<Agent> agent_;
};

// Reactors reach out of the process; they are not what is tested here.
bool reaches_out(const std::string& bytes) {
    for (const char* word : {"log", "dump", "exec", "snapshot", "capture", "stop", "abort", "\\u"})
        if (bytes.find(word) != std::string::npos) return true;
    return false;
}

std::string with_property(std::string bytes, const std::string& property) {
    for (std::size_t at = 0; (at = bytes.find("@P", at)) != std::string::npos; at += property.size())
        bytes.replace(at, 2, property);
    return bytes;
}

unsigned done = 0;

void check_answers(const std::string& answers) {
    for (std::size_t at = 0; at < answers.size();) {
        const std::size_t end = answers.find('\n', at);
        require(end != std::string::npos);
        const json answer = json::parse(answers.substr(at, end - at), nullptr, false);
        require(answer.is_object() && answer.contains("ok") && answer["ok"].is_boolean());
        require(answer["ok"] || !answer.value("error", "").empty());
        if (answer["ok"]) ++done;
        at = end + 1;
    }
}

}  // namespace
}  // namespace lockstep::monitors

extern "C" int LOCKSTEP_FUZZ_ENTRY(const std::uint8_t* data, std::size_t size) {
    using namespace lockstep::monitors;
    static const Served served;
    static const std::string property = find_monitor("mutual_exclusion").string();
    const std::string bytes(reinterpret_cast<const char*>(data), size);
    if (reaches_out(bytes)) return 0;
    check_answers(served.exchange(with_property(bytes, property)));

    const std::string detached = served.exchange("{\"do\":\"detach\",\"property\":\"mutual_exclusion\"}\n");
    require(detached.find("\"summary\"") != std::string::npos || detached.find("\"error\"") != std::string::npos);
    const json status = json::parse(served.exchange("{\"do\":\"status\"}\n"), nullptr, false);
    require(status.is_object() && status["ok"] == true && status["properties"].empty());
    return 0;
}

// How many requests were granted so far: a target that asks for nothing tests nothing.
extern "C" unsigned lockstep_requests_granted() {
    return lockstep::monitors::done;
}
