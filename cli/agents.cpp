#include "cli/agents.hpp"

#include <fmt/format.h>
#include <signal.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <stdexcept>

namespace lockstep::cli {
namespace {

// 0: not a number.
int to_pid(const std::string& text) {
    int pid = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), pid);
    return error == std::errc() && end == text.data() + text.size() && pid > 0 ? pid : 0;
}

}  // namespace

Option add_process_option(CommandLine& command_line, std::string& process) {
    return command_line.add_option(
        "--in-process", process,
        "The watched process, or the `lockstep attach` that watches it from outside: its number, or "
        "the path of its socket (LOCKSTEP_AGENT_SOCKET)");
}

std::unique_ptr<monitors::AgentClient> connect_to(const std::string& process) {
    const int pid = to_pid(process);
    const std::filesystem::path socket =
        pid == 0 ? std::filesystem::path(process) : monitors::default_agent_socket(pid);
    if (!std::filesystem::exists(socket))
        throw monitors::AgentError(
            fmt::format("there is no agent at {}: start the program with LD_PRELOAD=liblockstep_agent.so, or link that",
                        socket.string()));
    return std::make_unique<monitors::AgentClient>(socket);
}

std::filesystem::path library_beside_us(const std::string& name) {
    const auto program = std::filesystem::read_symlink("/proc/self/exe");
    const auto library = program.parent_path().parent_path() / "lib" / name;
    if (!std::filesystem::exists(library)) throw std::runtime_error("the library " + library.string() + " is missing");
    return library;
}

std::vector<std::string> known_agents() {
    std::vector<std::string> sockets;
    std::error_code error;
    for (const auto& entry :
         std::filesystem::directory_iterator(monitors::default_agent_socket(1).parent_path(), error)) {
        const std::string name = entry.path().filename().string();  // agent-PID.sock
        const int pid = name.starts_with("agent-") ? to_pid(name.substr(6, name.find('.') - 6)) : 0;
        if (pid != 0 && (kill(pid, 0) == 0 || errno == EPERM)) sockets.push_back(entry.path().string());
    }
    std::ranges::sort(sockets);
    return sockets;
}

std::shared_ptr<PropertyCommand> declare_property_command(CommandLine& command_line) {
    auto options = std::make_shared<PropertyCommand>();
    add_process_option(command_line, options->process).required();
    command_line
        .add_option("property", options->property,
                    "The attached property's name, or that of the group it was attached with")
        .required();
    return options;
}

std::vector<std::string> attached_properties(monitors::AgentClient& agent, const std::string& name) {
    const nlohmann::json status = agent.status();
    std::vector<std::string> members;
    for (const auto& property : status.at("properties")) {
        if (property.at("name") == name) return {name};
        if (property.at("group") == name) members.push_back(property.at("name"));
    }
    if (members.empty())
        throw monitors::AgentError(fmt::format("no property named \"{}\" is attached, and no group", name));
    return members;
}

}  // namespace lockstep::cli
