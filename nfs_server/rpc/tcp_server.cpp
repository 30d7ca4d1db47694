#include "nfs_server/rpc/tcp_server.hpp"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <system_error>

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "nfs_server/base/check.hpp"
#include "nfs_server/base/waiting.hpp"
#include "nfs_server/rpc/units.hpp"

namespace lockstep::server::rpc {
namespace {

// What an event belongs to: a connection's number, or one of these.
constexpr uint64_t listener_token = uint64_t{1} << 63;
constexpr uint64_t timer_token = uint64_t{1} << 62;
constexpr uint64_t wake_token = timer_token + 1;
constexpr uint64_t stop_token = timer_token + 2;

constexpr long time_limits_period_ms = 500;
// Of queued requests, how many a thread takes before it looks at the sockets again.
constexpr uint32_t queue_burst = 8;

// Of brisk clients, how many a thread can serve in turn before the last of them waits for long.
constexpr uint32_t connections_of_attendant = 8;
// After which a client that was brisk is looked at no more.
constexpr int64_t longest_pause_ns = 2'000'000;

// Of any of the sockets, for as long at most.
void wait_for_input(const Attendants::Connections& connections) {
    std::array<pollfd, connections_of_attendant> sockets{};
    size_t count = 0;
    for (const auto& connection : connections) sockets[count++] = {connection->socket(), POLLIN, 0};
    const timespec limit{.tv_sec = 0, .tv_nsec = longest_pause_ns};
    ppoll(sockets.data(), count, &limit, nullptr);
}

// A thread that runs a call of a lane, which it is in. When it is about to wait, the lane's next call may run: what it
// waits for is not what the lane is for.
class LaneStay final : public WaitObserver {
 public:
    LaneStay(CallQueue& queue, uint64_t lane) : queue_(queue), lane_(lane) {
        if (lane_ != 0) before_ = observe_waits(this);
    }
    ~LaneStay() { (void)leave(false); }
    LaneStay(const LaneStay&) = delete;
    LaneStay& operator=(const LaneStay&) = delete;

    // As CallQueue::leave_lane(). Once.
    std::optional<CallQueue::Task> leave(bool wants_next) {
        if (lane_ == 0) return std::nullopt;
        observe_waits(before_);
        return queue_.leave_lane(std::exchange(lane_, 0), wants_next);
    }
    void about_to_wait() override {
        WaitObserver* const before = before_;
        (void)leave(false);
        if (before != nullptr) before->about_to_wait();
    }

 private:
    CallQueue& queue_;
    uint64_t lane_;
    WaitObserver* before_ = nullptr;
};

FileDescriptor opened(int number, const char* what) {
    if (number < 0) throw std::system_error(errno, std::generic_category(), what);
    return FileDescriptor(number);
}

// That this process can use at a time.
uint32_t processors() {
    cpu_set_t allowed;
    CPU_ZERO(&allowed);
    if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) return 1;
    return static_cast<uint32_t>(CPU_COUNT(&allowed));
}

FileDescriptor open_reserve() {
    return FileDescriptor(open("/dev/null", O_RDONLY | O_CLOEXEC));
}

void set_option(int socket, int level, int option, int value) {
    setsockopt(socket, level, option, &value, sizeof value);
}

}  // namespace

TcpServer::TcpServer(const Limits& limits, const Clock& clock)
    : limits_(limits),
      clock_(clock),
      budget_(limits.memory_budget_bytes),
      epoll_(opened(epoll_create1(EPOLL_CLOEXEC), "epoll_create1")),
      timer_(opened(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC), "timerfd_create")),
      stop_(opened(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC), "eventfd")),
      reserve_(open_reserve()),
      attendants_(limits.attending_threads == 0 ? processors() : limits.attending_threads, connections_of_attendant),
      crew_(processors(), queue_.idle_threads(), [this] { return attendants_.look(); }) {
    const timespec period{.tv_sec = 0, .tv_nsec = time_limits_period_ms * 1'000'000};
    const itimerspec repeated{.it_interval = period, .it_value = period};
    timerfd_settime(timer_.get(), 0, &repeated, nullptr);
    watch(timer_.get(), EPOLLIN | EPOLLET, timer_token);
    watch(queue_.wake_descriptor(), EPOLLIN | EPOLLET, wake_token);
    watch(stop_.get(), EPOLLIN, stop_token);
}

TcpServer::~TcpServer() {
    if (stopped_) return;
    for (const auto& connection : connections_.all()) connection->close();
    stop();
}

void TcpServer::watch(int descriptor, uint32_t events, uint64_t token) {
    epoll_event event{};
    event.events = events;
    event.data.u64 = token;
    if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, descriptor, &event) != 0)
        throw std::system_error(errno, std::generic_category(), "epoll_ctl");
}

Result<PeerAddress, std::string> TcpServer::listen(const PeerAddress& address, const ProgramSet& programs) {
    check(threads_.empty(), "listening sockets are opened before the start");
    const auto failed = [&](const char* what) {
        return fail(fmt::format("can't listen on {}: {}: {}", address.to_string(), what, std::strerror(errno)));
    };
    FileDescriptor socket(::socket(address.get()->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!socket) return failed("socket");
    set_option(socket.get(), SOL_SOCKET, SO_REUSEADDR, 1);
    // So that 0.0.0.0 may be listened on beside ::, by the same port.
    if (address.is_ipv6()) set_option(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, 1);
    if (bind(socket.get(), address.get(), address.size_bytes()) != 0) return failed("bind");
    if (::listen(socket.get(), SOMAXCONN) != 0) return failed("listen");
    return adopt(std::move(socket), programs);
}

PeerAddress TcpServer::adopt(FileDescriptor socket, const ProgramSet& programs) {
    check(threads_.empty(), "listening sockets are opened before the start");
    fcntl(socket.get(), F_SETFL, fcntl(socket.get(), F_GETFL) | O_NONBLOCK);
    const PeerAddress bound = PeerAddress::of_socket(socket.get());
    listeners_.push_back({std::move(socket), std::make_unique<Dispatcher>(programs)});
    return bound;
}

void TcpServer::start(uint32_t threads) {
    check(threads >= 1, "at least one thread serves");
    for (size_t i = 0; i < listeners_.size(); ++i)
        watch(listeners_[i].socket.get(), EPOLLIN | EPOLLET, listener_token | i);
    for (uint32_t i = 0; i < threads; ++i) {
        threads_.emplace_back([this] { work(); });
        pthread_setname_np(threads_.back().native_handle(), fmt::format("rpc-{}", i).c_str());
    }
}

void TcpServer::work() {
    uint32_t burst = 0;
    while (!stopping_ && crew_.join()) {
        if (burst++ < queue_burst) {
            if (auto task = queue_.pop()) {
                crew_.found_work();
                run(std::move(*task));
                continue;
            }
        }
        burst = 0;
        if (!wait_for_event()) return;
    }
}

// False: the server has stopped. Waits only while no request is queued.
bool TcpServer::wait_for_event() {
    const bool idle = queue_.enter_idle();
    epoll_event event{};
    // One event at a time: a thread that is held up by a request must not sit on other connections' events.
    const int count = epoll_wait(epoll_.get(), &event, 1, idle ? -1 : 0);
    if (idle) queue_.leave_idle();
    if (count < 0) check(errno == EINTR, "epoll_wait");
    if (count == 1) crew_.found_work();
    if (count == 1) handle(event.data.u64, event.events);
    return !stopping_;
}

void TcpServer::handle(uint64_t token, uint32_t events) {
    if (token & listener_token) return accept_all(listeners_[token & ~listener_token]);
    if (token == timer_token) return enforce_time_limits();
    if (token == wake_token || token == stop_token) return;
    handle_connection(token, events);
}

void TcpServer::handle_connection(uint64_t id, uint32_t events) {
    const auto connection = connections_.find(id);
    if (!connection) return;
    Connection::Calls calls;
    if (events & EPOLLOUT) connection->writable(calls);
    const bool hang_up = (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
    if (hang_up || (events & EPOLLIN)) connection->readable(hang_up, calls);
    serve_first(connection, calls);
    if (connection->is_closed() || !connection->briskness().is_brisk()) return;
    if (crew_.is_at_work() && is_at_leisure(*connection)) attend(connection);
}

// A thread can stay with the connection: its client and the others like it are no more than there are processors, no
// request waits for a thread, and somebody looks at the sockets.
bool TcpServer::is_at_leisure(const Connection& connection) const {
    return connection.briskness().clients_of_crew() + attendants_.count() <= attendants_.most() && queue_.is_empty() &&
           (crew_.parked() > 0 || queue_.idle_threads() > 0) && !stopping_;
}

// Serves connections until their clients are brisk no more, or a thread is needed elsewhere.
void TcpServer::attend(const std::shared_ptr<Connection>& connection) {
    Attendants::Stay stay(attendants_, connection);
    if (!stay.has_begun()) return;
    crew_.look_out_for_more();
    crew_.about_to_wait();
    Patience patience(limits_.busy_poll_us * ns_per_us, clock_);
    while (!stopping_ && !stay.connections().empty())
        if (!ask_patiently(stay, patience) && !sleep(stay)) return;
}

// Others who want this processor go first, each time.
bool TcpServer::ask_patiently(Attendants::Stay& stay, Patience& patience) {
    if (!patience.begins()) return false;
    while (!attend_to_all(stay, patience.now_ns(), false)) {
        if (!patience.goes_on()) return false;
        sched_yield();
    }
    patience.was_answered();
    return true;
}

// For a moment, until a request comes.
bool TcpServer::sleep(Attendants::Stay& stay) {
    if (!stay.begin_sleep()) return true;
    const auto& connections = stay.connections();
    const bool is_alone = connections.size() == 1;
    if (!is_alone) wait_for_input(connections);
    const bool found = attend_to_all(stay, 0, is_alone);
    stay.end_sleep();
    return found;
}

// Runs the requests that have come. False: none has.
bool TcpServer::attend_to_all(Attendants::Stay& stay, int64_t now_ns, bool waits) {
    bool found = false;
    Connection::Calls& calls = stay.calls;
    for (const auto& connection : stay.connections()) {
        const auto look = connection->look_for_requests(waits, calls);
        if (look == Connection::Look::requests) {
            found = true;
            stay.begin_turn();
            serve_first(connection, calls);
            stay.end_turn();
            if (connection->is_closed() || !connection->briskness().is_brisk() || !is_at_leisure(*connection))
                stay.give_back(connection);
        } else if (look == Connection::Look::elsewhere || connection->idle_ns(now_ns) > longest_pause_ns) {
            stay.give_back(connection);
        }
        if (stay.has_changed()) break;
    }
    return found;
}

void TcpServer::serve_first(const std::shared_ptr<Connection>& connection, Connection::Calls& calls) {
    if (calls.empty()) return forget_if_closed(connection);
    if (!queue_.enter_lane(calls.front()->lane())) return queue_.push(connection, calls);
    auto first = std::move(calls.front());
    calls.erase(calls.begin());
    queue_.push(connection, calls);
    run({connection, std::move(first)});
}

// Of a lane, one after the other, for a while.
void TcpServer::run(CallQueue::Task&& task) {
    for (uint32_t burst = 1;; ++burst) {
        LaneStay stay(queue_, task.call->lane());
        Connection::Calls calls;
        task.connection->run(std::move(task.call), calls);
        queue_.push(task.connection, calls);
        forget_if_closed(task.connection);
        auto next = stay.leave(burst < queue_burst);
        if (!next) return;
        task = std::move(*next);
    }
}

void TcpServer::forget_if_closed(const std::shared_ptr<Connection>& connection) {
    if (!connection->is_closed() || !connections_.remove(connection->id())) return;
    const std::lock_guard hold(gone_mutex_);
    gone_.notify_all();
}

void TcpServer::accept_all(Listener& listener) {
    while (!draining_) {
        sockaddr_storage storage{};
        socklen_t size_bytes = sizeof storage;
        auto* address = reinterpret_cast<sockaddr*>(&storage);
        const int socket = accept4(listener.socket.get(), address, &size_bytes, SOCK_CLOEXEC);
        if (socket >= 0) {
            admit(listener, socket, PeerAddress(address, size_bytes));
        } else if (errno == EMFILE || errno == ENFILE) {
            // The reserve's number is enough to take the newcomer off the queue and close it.
            const std::lock_guard hold(reserve_mutex_);
            reserve_.reset();
            FileDescriptor turned_away(accept(listener.socket.get(), nullptr, nullptr));
            const bool none_left = !turned_away;
            turned_away.reset();
            reserve_ = open_reserve();
            ++refused_;
            if (none_left) return;
        } else if (errno != EINTR && errno != ECONNABORTED) {
            return;
        }
    }
}

void TcpServer::admit(Listener& listener, int socket, const PeerAddress& peer) {
    FileDescriptor owned(socket);
    if (connections_.count() >= limits_.max_connections && !make_way()) {
        ++refused_;
        spdlog::debug("connection of {} refused: {} are open", peer.to_string(), connections_.count());
        return;
    }
    set_option(socket, IPPROTO_TCP, TCP_NODELAY, 1);
    set_option(socket, SOL_SOCKET, SO_KEEPALIVE, 1);
    ++accepted_;
    const auto connection =
        std::make_shared<Connection>(owned.release(), ++last_connection_id_, peer, *listener.dispatcher,
                                     ConnectionEnvironment{limits_, clock_, budget_, epoll_.get(), crew_.work_found()});
    connections_.add(connection);
    connection->begin_to_be_watched();
}

// Closes the connection that has been idle longest. False: none has been idle long enough.
bool TcpServer::make_way() {
    const int64_t now_ns = clock_.monotonic_ns();
    std::shared_ptr<Connection> longest;
    int64_t longest_ns = limits_.eviction_idle_ms * ns_per_ms;
    for (auto& connection : connections_.all()) {
        const int64_t idle_ns = connection->idle_ns(now_ns);
        if (idle_ns < longest_ns) continue;
        longest_ns = idle_ns;
        longest = std::move(connection);
    }
    if (!longest) return false;
    ++evicted_;
    longest->close();
    forget_if_closed(longest);
    return true;
}

void TcpServer::enforce_time_limits() {
    const std::unique_lock hold(time_limits_mutex_, std::try_to_lock);
    if (!hold) return;
    const int64_t now_ns = clock_.monotonic_ns();
    for (const auto& connection : connections_.all()) {
        const char* reason = connection->expired(now_ns);
        if (!reason) continue;
        ++expired_;
        spdlog::debug("connection {} of {} closed: {}", connection->id(), connection->peer().to_string(), reason);
        connection->close();
        forget_if_closed(connection);
    }
}

void TcpServer::stop() {
    check(!stopped_, "a server stops once");
    stopped_ = true;
    draining_ = true;
    for (Listener& listener : listeners_) shutdown(listener.socket.get(), SHUT_RDWR);
    for (const auto& connection : connections_.all()) {
        connection->drain();
        forget_if_closed(connection);
    }
    if (!threads_.empty()) {
        std::unique_lock hold(gone_mutex_);
        gone_.wait_for(hold, std::chrono::milliseconds(limits_.stop_grace_ms),
                       [this] { return connections_.count() == 0; });
    }
    for (const auto& connection : connections_.all()) connection->close();
    stopping_ = true;
    eventfd_write(stop_.get(), 1);
    crew_.stop();
    for (std::thread& thread : threads_) thread.join();
    queue_.clear();
    for (const auto& connection : connections_.all()) connections_.remove(connection->id());
}

TcpServer::Counts TcpServer::counts() const {
    return {accepted_, refused_, evicted_, expired_, connections_.count(), attendants_.count(), budget_.taken_bytes()};
}

}  // namespace lockstep::server::rpc
