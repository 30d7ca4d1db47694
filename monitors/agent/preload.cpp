// What makes liblockstep_agent.so an agent: loaded into a process, by LD_PRELOAD or by being linked, it starts one.
//
// LOCKSTEP_AGENT_SOCKET names the control socket, `%p` in it stands for the process number; without it, the socket is
// lockstep/agent-PID.sock in XDG_RUNTIME_DIR, else /tmp/lockstep-UID/agent-PID.sock.
#include <fmt/format.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>

#include "monitors/agent/agent.hpp"
#include "monitors/agent/agent_client.hpp"

namespace lockstep::monitors {
namespace {

// Never destroyed: the process may exit while its threads still hit tracepoints.
Agent* agent = nullptr;

std::filesystem::path socket_path() {
    const char* given = std::getenv("LOCKSTEP_AGENT_SOCKET");
    if (given == nullptr || *given == 0) {
        const auto path = default_agent_socket(getpid());
        mkdir(path.parent_path().c_str(), 0700);
        return path;
    }
    std::string path = given;
    if (const std::size_t place = path.find("%p"); place != std::string::npos)
        path.replace(place, 2, std::to_string(getpid()));
    return path;
}

// An agent that cannot start must not keep the program from running.
void start() {
    try {
        agent = new Agent(socket_path());
    } catch (const std::exception& error) {
        std::fprintf(stderr, "lockstep: %s\n", error.what());
    }
}

void remove_socket() {
    if (agent == nullptr) return;
    std::error_code ignored;
    std::filesystem::remove(agent->socket(), ignored);
}

// A child has the parent's monitors, stopped at any instruction, and none of its threads: it starts afresh with an
// agent of its own, and the parent's stays what it was.
void start_in_child() {
    Agent::silence_all();
    if (agent != nullptr) start();
}

__attribute__((constructor)) void on_load() {
    start();
    pthread_atfork(nullptr, nullptr, &start_in_child);
    std::atexit(&remove_socket);
}

}  // namespace
}  // namespace lockstep::monitors
