// nfs_server admin SOCKET: the locks of a running server, and fencing a client that vanished.
#include <cstdio>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "nfs_server/main_admin_socket.hpp"
#include "nfs_server/main_tools.hpp"
#include "nfs_server/nlm/lock_report.hpp"

namespace lockstep::server {
namespace {

int failed(const std::string& message, int status) {
    std::fprintf(stderr, "nfs_server admin: %s\n", message.c_str());
    return status;
}

int ask(const std::string& path, const std::string& request, bool json) {
    const auto reply = ask_admin_socket(path, request);
    if (!reply) return failed(reply.error(), 2);
    const auto report = nlohmann::json::parse(*reply, nullptr, false);
    if (!report.is_object()) return failed("the answer is cut off", 2);
    if (report.contains("error")) return failed(report.at("error").get<std::string>(), 1);
    if (json) {
        std::fputs(reply->c_str(), stdout);
    } else if (report.contains("locks")) {
        std::fputs(nlm::locks_as_text(report).c_str(), stdout);
    } else {
        std::printf("%s at %s: %llu locks released\n", report.at("client").get<std::string>().c_str(),
                    report.at("address").get<std::string>().c_str(),
                    report.at("locks_released").get<unsigned long long>());
    }
    return 0;
}

}  // namespace

int run_admin(int argc, char** argv) {
    std::string path;
    std::string client;
    std::string address;
    bool json = false;
    CLI::App app{
        "Asks a running server that was started with --admin SOCKET.\n"
        "Exit status: 0 done, 1 refused, 2 could not run.",
        "nfs_server admin"};
    app.add_option("SOCKET", path, "The server's --admin")->required();
    app.add_flag("--json", json, "As JSON");
    app.require_subcommand(1);
    app.add_subcommand("locks", "Lists all locks, their owners, and who waits for whom")->fallthrough();
    auto* fence = app.add_subcommand("fence", "Takes all locks from a client that is dead or cut off: it is not told");
    fence->fallthrough();
    fence->add_option("CLIENT", client, "Its name, as `locks` has it")->required();
    fence->add_option("--address", address, "Its address, where several have the name");
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? 0 : 2;
    }
    const std::string fencing = address.empty() ? "fence " : "fence-at " + address + " ";
    return ask(path, *fence ? fencing + client : "locks", json);
}

}  // namespace lockstep::server
