#include "netns_harness/kernel_clients.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "netns_harness/sandbox.hpp"

namespace lockstep::harness {
namespace {

namespace fs = std::filesystem;

fs::path our_programs() {
    return fs::read_symlink("/proc/self/exe").parent_path();
}

// uml/build_image leaves them so: in the build tree's own build/uml, or where the variable says.
fs::path image_of(const std::string& variant) {
    const char* told = std::getenv("LOCKSTEP_UML_CACHE");
    const fs::path folder = told != nullptr ? fs::path(told) : our_programs().parent_path().parent_path() / "uml";
    fs::path newest;
    std::error_code absent;
    for (const auto& entry : fs::directory_iterator(folder, absent)) {
        const std::string name = entry.path().filename();
        if (!name.starts_with(variant + "-") || !name.ends_with(".ext4")) continue;
        if (newest.empty() || entry.last_write_time() > fs::last_write_time(newest)) newest = entry.path();
    }
    if (newest.empty())
        throw Error("there is no root file system '" + variant + "' for guests in " +
                    folder.lexically_normal().string() + ": `netns_harness/uml/build_image " + variant + "` makes it");
    return newest;
}

bool is_in_path(const std::string& program) {
    const char* path = std::getenv("PATH");
    std::string folders = path != nullptr ? path : "/usr/bin:/bin";
    folders += ":";
    for (std::size_t begin = 0, end = 0; (end = folders.find(':', begin)) != std::string::npos; begin = end + 1)
        if (access((folders.substr(begin, end - begin) + "/" + program).c_str(), X_OK) == 0) return true;
    return false;
}

void require_programs() {
    struct Needed {
        const char* program;
        const char* package;
    };
    for (const auto& [program, package] :
         {Needed{"linux.uml", "user-mode-linux"}, Needed{"rpcbind", "rpcbind"}, Needed{"ip", "iproute2"}})
        if (!is_in_path(program))
            throw Error(std::string("there is no ") + program + " on this machine (Debian's package " + package +
                        "; netns_harness/uml/build_image installs it)");
    for (const char* ours : {"uml_client", "uml_guest", "uml_agent"})
        if (!fs::exists(our_programs() / ours))
            throw Error("program " + (our_programs() / ours).string() + " is missing");
}

}  // namespace

const std::vector<std::string>& guest_kernels() {
    static const std::vector<std::string> kernels{"uml"};
    return kernels;
}

const std::vector<std::string>& guest_images() {
    static const std::vector<std::string> images{"base", "tools"};
    return images;
}

bool reaches_guests(const std::string& fault_kind) {
    return fault_kind != "stop" && fault_kind != "reset";
}

bool is_mounted_by_a_kernel(const Scenario& scenario, const std::string& server) {
    return std::ranges::any_of(scenario.clients,
                               [&](const ClientPlan& plan) { return !plan.kernel.empty() && plan.server == server; });
}

void require_guests(const Scenario& scenario) {
    for (const ClientPlan& client : scenario.clients) {
        if (client.kernel.empty()) continue;
        const auto because = [&](const std::string& why) {
            return "client '" + client.name + "' can't have a kernel of its own here: " + why;
        };
        if (geteuid() != 0) throw Error(because("its network device needs root"));
        if (access("/dev/net/tun", R_OK | W_OK) != 0) throw Error(because("no /dev/net/tun on this machine"));
        try {
            require_programs();
            image_of(client.image);
        } catch (const Error& error) {
            throw Error(because(error.what()));
        }
    }
}

Command in_a_guest(Command users, const Scenario& scenario, const ClientPlan& plan, const std::string& address,
                   const fs::path& programs) {
    const ServerPlan& server = scenario.server(plan.server);
    users.program = programs / "uml_client";
    users.arguments = {"--state",
                       fs::path(Sandbox::scratch) / (plan.name + ".guest"),
                       "--image",
                       image_of(plan.image),
                       "--name",
                       plan.name,
                       "--address",
                       address + "/" + std::to_string(Subnet(scenario.subnet).prefix_length()),
                       "--options",
                       "vers=3,port=" + std::to_string(server.port) +
                           ",mountport=" + std::to_string(server.mount_port) + "," + plan.mount_options};
    users.environment["LOCKSTEP_MOUNT"] = "/mnt";
    return users;
}

Command portmapper_command(const std::string& server) {
    return {.name = server + "-ports",
            .program = "/bin/sh",
            .arguments = {"-c",
                          "rpcbind -f & until rpcinfo -T tcp 127.0.0.1 >/dev/null 2>&1; do sleep 0.02; "
                          "kill -0 $! 2>/dev/null || exit 1; done; echo portmapper ready; wait"},
            .environment = {}};
}

}  // namespace lockstep::harness
