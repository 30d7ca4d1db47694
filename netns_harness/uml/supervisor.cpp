#include "netns_harness/uml/supervisor.hpp"

#include <poll.h>
#include <sys/socket.h>

#include <cstdio>
#include <fstream>

namespace lockstep::uml {
namespace {

using harness::Clock;
using harness::Fd;

constexpr std::size_t console_lines_shown = 12;

// Arguments: name, gateway or "", addresses. One script, so that one exit status tells.
constexpr const char* configure_script = R"(set -e
name=$1 gateway=$2; shift 2
hostname "$name"
printf '127.0.0.1 localhost\n%s %s\n' "${1%/*}" "$name" > /etc/hosts
ip link set lo up
ip link set vec0 up
for address; do
    case "$address" in
        *:*) modprobe ipv6; ip address replace "$address" dev vec0 nodad ;;
        *) ip address replace "$address" dev vec0 ;;
    esac
done
[ -z "$gateway" ] || ip route replace default via "$gateway"
)";

long elapsed_ms(Clock::time_point since) {
    return static_cast<long>(std::chrono::duration_cast<harness::milliseconds>(Clock::now() - since).count());
}

}  // namespace

Supervisor::Supervisor(Machine& machine, GuestIdentity identity, Fd listener, Fd stop)
    : machine_(machine), identity_(std::move(identity)), listener_(std::move(listener)), stop_(std::move(stop)) {}

int Supervisor::serve() {
    boot();
    while (!exit_status_) wait_and_work();
    lose_power("the guest is gone");
    for (Client& client : clients_) client.connection.flush();
    return *exit_status_;
}

// ---- power

void Supervisor::boot() {
    boot_began_ = Clock::now();
    try {
        line_.emplace(machine_.power_on());
        power_ = Power::booting;
    } catch (const harness::Error& error) {
        boot_failed(error.what());
    }
}

void Supervisor::boot_failed(const std::string& why) {
    const std::string message = identity_.name + " did not boot: " + why + last_console_lines();
    std::fprintf(stderr, "uml_guest: %s\n", message.c_str());
    lose_power(message);
    if (!was_ready_) exit_status_ = 1;
}

void Supervisor::configure() {
    std::vector<std::string> arguments{"sh", "-c", configure_script, "configure", identity_.name, identity_.gateway};
    arguments.insert(arguments.end(), identity_.addresses.begin(), identity_.addresses.end());
    to_guest({0, FrameKind::run, join_arguments(arguments)});
}

void Supervisor::ready() {
    power_ = Power::on;
    was_ready_ = true;
    const std::string line = "ready " + identity_.name + " boot_ms=" + std::to_string(elapsed_ms(boot_began_));
    std::printf("%s\n", line.c_str());
    std::fflush(stdout);
    for (Client& client : clients_) {
        if (!client.request || client.answered) continue;
        if (client.request->kind == FrameKind::reboot)
            answer(client, FrameKind::done, line);
        else
            pass_to_guest(client);
    }
}

// Every request in progress ends here, except those that asked for it: they have been answered, or get their answer by
// ready().
void Supervisor::lose_power(const std::string& why) {
    machine_.power_off();
    line_.reset();
    power_ = Power::off;
    for (Client& client : clients_)
        if (client.request && !client.answered) answer(client, FrameKind::refused, why);
}

void Supervisor::machine_ended() {
    if (power_ == Power::booting) return boot_failed("its kernel ended");
    if (power_ != Power::shutting_down) return lose_power("the guest's kernel ended by itself" + last_console_lines());
    for (Client& client : clients_)
        if (client.request && client.request->kind == FrameKind::shut_down) answer(client, FrameKind::done, "");
    exit_status_ = 0;
}

// ---- the guest's side

void Supervisor::to_guest(const Frame& frame) {
    if (!line_) return;
    line_->send(frame);
    line_->flush();
}

void Supervisor::from_guest(const Frame& frame) {
    if (frame.kind == FrameKind::ready) return configure();
    if (frame.channel == 0) {
        if (frame.kind == FrameKind::exited)
            frame.body == "0" ? ready() : boot_failed("its network could not be set up");
        else
            std::fprintf(stderr, "%s: %s", identity_.name.c_str(), frame.body.c_str());
        return;
    }
    for (Client& client : clients_)
        if (client.channel == frame.channel && !client.answered) {
            client.connection.send(frame);
            client.answered = frame.kind == FrameKind::exited || frame.kind == FrameKind::refused;
        }
}

// From the last panic on, if there was one: its reason comes first and a long stack after it. Else the end.
std::string Supervisor::last_console_lines() const {
    std::ifstream console(machine_.console_path());
    std::vector<std::string> lines;
    std::optional<std::size_t> panic;
    for (std::string line; std::getline(console, line); lines.push_back(line))
        if (line.find("Kernel panic") != std::string::npos) panic = lines.size();
    const std::size_t end_part = lines.size() > console_lines_shown ? lines.size() - console_lines_shown : 0;
    const std::size_t first = panic.value_or(end_part);
    std::string text;
    for (std::size_t i = first; i < lines.size() && i < first + console_lines_shown; ++i)
        text += "\n  console: " + lines[i];
    return text;
}

// ---- the clients' side

void Supervisor::accept_client() {
    Fd socket(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (socket) clients_.push_back({Connection(std::move(socket)), next_channel_++, std::nullopt});
}

void Supervisor::answer(Client& client, FrameKind kind, const std::string& text) {
    client.connection.send({client.channel, kind, text});
    client.answered = true;
}

void Supervisor::pass_to_guest(const Client& client) {
    to_guest({client.channel, client.request->kind, client.request->body});
}

void Supervisor::obey(Client& client) {
    switch (client.request->kind) {
        case FrameKind::kill:
            answer(client, FrameKind::done, "");
            return lose_power("the guest lost its power");
        case FrameKind::reboot: {
            // Its own request must outlive the power loss, to be answered when the guest is ready.
            const Frame request = *std::exchange(client.request, std::nullopt);
            lose_power("the guest lost its power, to boot again");
            client.request = request;
            return boot();
        }
        case FrameKind::run:
        case FrameKind::shut_down:
            if (power_ == Power::off || power_ == Power::shutting_down)
                return answer(client, FrameKind::refused, "the guest is switched off");
            if (power_ == Power::on) pass_to_guest(client);  // else ready() does
            if (client.request->kind == FrameKind::shut_down && power_ == Power::on) power_ = Power::shutting_down;
            return;
        default:
            return answer(client, FrameKind::refused, "no such request");
    }
}

// A client that goes before its command has ended takes the command with it; one that has waited long enough for a
// shutdown, the power.
void Supervisor::drop_finished_clients() {
    for (auto it = clients_.begin(); it != clients_.end();) {
        const bool sent = it->answered && !it->connection.has_unsent();
        const bool gone = it->connection.is_over();
        if (gone && it->request && !it->answered) {
            if (it->request->kind == FrameKind::run && power_ != Power::booting)
                to_guest({it->channel, FrameKind::abandon, {}});
            if (it->request->kind == FrameKind::shut_down) exit_status_ = 0;
        }
        it = sent || gone ? clients_.erase(it) : std::next(it);
    }
}

// ---- the loop

int Supervisor::timeout_ms() const {
    return power_ == Power::booting ? harness::poll_timeout_ms(boot_began_ + identity_.boot_limit) : -1;
}

void Supervisor::wait_and_work() {
    const auto wanted = [](const Connection& connection) {
        return static_cast<short>(connection.has_unsent() ? POLLIN | POLLOUT : POLLIN);
    };
    std::vector<pollfd> waits{{stop_.get(), POLLIN, 0}, {listener_.get(), POLLIN, 0}, {machine_.end_fd(), POLLIN, 0}};
    if (line_) waits.push_back({line_->fd(), wanted(*line_), 0});
    for (const Client& client : clients_) waits.push_back({client.connection.fd(), wanted(client.connection), 0});
    if (poll(waits.data(), waits.size(), timeout_ms()) == 0 && timeout_ms() == 0)
        return boot_failed("it took too long");

    if (waits[0].revents != 0) exit_status_ = 0;
    if (line_) {
        line_->flush();
        line_->receive();
        while (line_) {  // a frame may end the power, and the line with it
            const auto frame = line_->next();
            if (!frame) break;
            from_guest(*frame);
        }
    }
    if (waits[2].revents != 0 && machine_.is_on()) machine_ended();
    for (Client& client : clients_) {
        client.connection.receive();
        if (!client.request && (client.request = client.connection.next())) obey(client);
        client.connection.flush();
    }
    if (waits[1].revents != 0) accept_client();
    drop_finished_clients();
}

}  // namespace lockstep::uml
