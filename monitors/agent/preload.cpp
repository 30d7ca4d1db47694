// What makes liblockstep_agent.so an agent: loaded into a process, by LD_PRELOAD or by being linked, it starts one.
//
// LOCKSTEP_AGENT_SOCKET names the control socket, `%p` in it stands for the process number; without it, the socket is
// lockstep/agent-PID.sock in XDG_RUNTIME_DIR, else /tmp/lockstep-UID/agent-PID.sock.
//
// For whoever starts the program: LOCKSTEP_AGENT_GATE is a file descriptor; the program's main() is not reached before
// a byte or the end can be read there, so that properties are attached when it begins. LOCKSTEP_AGENT_REPORT is a file
// into which the last status is written when the program exits. Neither is handed on to the program's children.
#include <fmt/format.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

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

std::string taken_from_environment(const char* name) {
    const char* value = std::getenv(name);
    std::string taken = value == nullptr ? "" : value;
    unsetenv(name);
    return taken;
}

// As the agent: never destroyed, for it is used after static objects are.
const std::string* report_path = nullptr;
pid_t reporter = 0;

// A reader finds the whole report or none.
void write_report() {
    if (agent == nullptr || report_path->empty() || getpid() != reporter) return;
    const std::string unfinished = *report_path + ".part";
    {
        std::ofstream stream(unfinished);
        stream << agent->summary().dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
        if (!stream.flush()) return;
    }
    std::rename(unfinished.c_str(), report_path->c_str());
}

void wait_at_gate(const std::string& gate) {
    if (gate.empty()) return;
    const int descriptor = std::atoi(gate.c_str());
    char opened = 0;
    while (read(descriptor, &opened, 1) < 0 && errno == EINTR) {
    }
    close(descriptor);
}

void on_exit() {
    write_report();
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
    report_path = new std::string(taken_from_environment("LOCKSTEP_AGENT_REPORT"));
    reporter = getpid();
    const std::string gate = taken_from_environment("LOCKSTEP_AGENT_GATE");
    start();
    pthread_atfork(nullptr, nullptr, &start_in_child);
    std::atexit(&on_exit);
    wait_at_gate(gate);
}

}  // namespace
}  // namespace lockstep::monitors
