#include "nfs_server/main_service.hpp"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <system_error>

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "nfs_server/base/faults.hpp"
#include "nfs_server/disk/blank.hpp"
#include "nfs_server/disk/disk_spec.hpp"
#include "nfs_server/fs/file_system.hpp"
#include "nfs_server/fs/service_file.hpp"
#include "nfs_server/journal/journal.hpp"
#include "nfs_server/main_admin_socket.hpp"
#include "nfs_server/main_metrics.hpp"
#include "nfs_server/main_service_manager.hpp"
#include "nfs_server/nlm/nlm_program.hpp"
#include "nfs_server/nlm/nsm_program.hpp"
#include "nfs_server/ops/mount_program.hpp"
#include "nfs_server/ops/nfs3_program.hpp"
#include "nfs_server/ops/operation_counts.hpp"
#include "nfs_server/ops/permission.hpp"
#include "nfs_server/ops/reply_cache.hpp"
#include "nfs_server/ops/runner.hpp"
#include "nfs_server/ops/write_verifier.hpp"
#include "nfs_server/rpc/rpcbind.hpp"
#include "nfs_server/rpc/tcp_server.hpp"
#include "nfs_server/rpc/udp_server.hpp"

namespace lockstep::server {
namespace {

// NFS, MOUNT and NLM: each has a port, which may be another's, too.
enum Role : size_t { nfs_role, mount_role, nlm_role, roles };

// The lock manager's view of the file system: a client locks what its export and the file's mode let it use.
class HandleResolver final : public nlm::FileResolver {
 public:
    explicit HandleResolver(const ops::Service& service) : service_(service) {}
    fs::Outcome<fs::FileIdentity> resolve(std::span<const std::byte> handle, const rpc::CallContext& call,
                                          nlm::LockMode mode) override {
        wire::nfs_fh3 wire_handle{};
        wire_handle.data = {static_cast<u_int>(handle.size()),
                            const_cast<char*>(reinterpret_cast<const char*>(handle.data()))};
        const auto look = [&](fs::Operation& op) -> fs::Outcome<fs::FileIdentity> {
            ops::Request request(service_, call, op);
            LOCKSTEP_TRY(const fs::Inode* file, request.lock_file(wire_handle, txn::LockMode::shared));
            if (mode == nlm::LockMode::exclusive && request.is_read_only())
                return fail(fs::Error(fs::Error::read_only));
            if (!ops::may_read_data(request.caller(), **file) && !ops::may_write_data(request.caller(), **file))
                return fail(fs::Error(fs::Error::access_denied));
            return file->identity();
        };
        return service_.file_system.run(call.request_id, look).result;
    }
    fs::Outcome<fs::FileIdentity> decode(std::span<const std::byte> handle) override {
        return service_.file_system.decode(handle);
    }

 private:
    const ops::Service& service_;
};

// Where the lock manager remembers its clients.
class ServiceText final : public nlm::StableText {
 public:
    explicit ServiceText(fs::FileSystem& file_system) : file_system_(file_system) {}
    Result<std::string, std::string> read() override {
        auto text = fs::read_service_file(file_system_);
        if (!text) return fail(std::string("the list of clients with locks can't be read from the disk"));
        return std::move(*text);
    }
    Result<void, std::string> write(const std::string& text) override {
        if (!fs::write_service_file(file_system_, text))
            return fail(std::string("the list of clients with locks can't be written to the disk"));
        return {};
    }

 private:
    fs::FileSystem& file_system_;
};

// As many requests over UDP wait for the disk at a time.
constexpr uint32_t udp_threads = 4;

// A port that is listened on, and what is served there.
struct Endpoint {
    uint16_t asked_port;  // 0: any
    std::array<bool, roles> serves{};
    rpc::ProgramSet programs;
    std::vector<rpc::PeerAddress> addresses;  // bound ones
};

std::vector<std::unique_ptr<Endpoint>> plan_endpoints(const Options& options) {
    std::vector<std::unique_ptr<Endpoint>> endpoints;
    const auto endpoint_of = [&](uint16_t port, bool own) -> Endpoint& {
        for (auto& endpoint : endpoints)
            if (!own && endpoint->asked_port == port) return *endpoint;
        endpoints.push_back(std::make_unique<Endpoint>());
        endpoints.back()->asked_port = port;
        return *endpoints.back();
    };
    endpoint_of(options.port, true).serves[nfs_role] = true;
    // Port 0, when it is asked for by name, is a free port of its own.
    const auto add = [&](std::optional<uint16_t> port, Role role) {
        endpoint_of(port.value_or(options.port), port == 0).serves[role] = true;
    };
    add(options.mount_port, mount_role);
    add(options.nlm_port, nlm_role);
    return endpoints;
}

// Descriptors for every connection, and some for the rest of the process.
Result<void, std::string> make_room_for_descriptors(uint32_t max_connections) {
    constexpr rlim_t others = 256;
    rlimit limit{};
    getrlimit(RLIMIT_NOFILE, &limit);
    const rlim_t wanted = max_connections + others;
    if (limit.rlim_cur >= wanted) return {};
    if (limit.rlim_max < wanted)
        return fail(fmt::format("--max-connections {} needs {} file descriptors; the limit is {}", max_connections,
                                wanted, limit.rlim_max));
    limit.rlim_cur = wanted;
    setrlimit(RLIMIT_NOFILE, &limit);
    return {};
}

// What a request leaves for the data of a WRITE, in whole blocks.
uint32_t max_write_bytes(const Options& options) {
    constexpr uint32_t head_bytes = 4096;
    return (options.max_request_bytes - head_bytes) / 4096 * 4096;
}

// Of this process; 0 where the system does not tell.
uint64_t resident_bytes() {
    uint64_t pages = 0, resident_pages = 0;
    std::ifstream("/proc/self/statm") >> pages >> resident_pages;
    return resident_pages * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
}

// Opens the log, making an empty one on a disk on which there is nothing at all.
Result<std::unique_ptr<journal::Journal>, StorageFailure> open_or_format(disk::Disk& disk, uint64_t cache_bytes) {
    journal::JournalOptions options;
    options.cache_blocks = cache_bytes / block_size_bytes;
    options.dirty_blocks_limit = options.cache_blocks / 2;
    auto opened = journal::Journal::open(disk, options);
    if (opened || opened.error().code != StorageError::blank) return opened;
    LOCKSTEP_TRY(disk::expect_blank(disk));
    LOCKSTEP_TRY(journal::Journal::format(disk));
    return journal::Journal::open(disk, options);
}

}  // namespace

// In the order in which they are made; each uses those above it and ends before them.
struct Service::Parts {
    uint64_t cache_bytes = 0;
    std::unique_ptr<disk::Disk> disk;
    std::unique_ptr<journal::Journal> journal;
    std::unique_ptr<txn::TransactionManager> transactions;
    std::unique_ptr<fs::FileSystem> file_system;
    std::unique_ptr<ops::ReplyCache> replies;
    std::unique_ptr<ops::Exports> exports;
    std::unique_ptr<ops::Service> operations;
    std::unique_ptr<ops::MountService> mounts;
    std::unique_ptr<HandleResolver> resolver;
    std::unique_ptr<ServiceText> service_text;
    std::unique_ptr<nlm::LockManager> locks;
    std::unique_ptr<AdminSocket> admin;
    std::vector<rpc::FileDescriptor> given_sockets = take_given_sockets();
    std::vector<std::unique_ptr<Endpoint>> endpoints;
    std::unique_ptr<rpc::TcpServer> server;
    std::unique_ptr<rpc::UdpServer> udp_server;
    std::unique_ptr<rpc::RpcbindRegistration> registration;
    std::unique_ptr<MetricsPort> metrics;

    Result<void, std::string> listen(const Options& options);
    Result<void, std::string> try_to_listen(const Options& options);
    Result<void, std::string> adopt_sockets();
    std::string metrics_text() const;
    Result<void, std::string> open_storage(const Options& options);
    Result<void, std::string> open_storage_or_leave_none(const Options& options);
    Result<void, std::string> make_programs(const Options& options);
    Result<void, std::string> register_programs();
    const Endpoint& endpoint_of(Role role) const;
};

// A port that is free for TCP may be taken for UDP; where any port will do, another one is tried.
Result<void, std::string> Service::Parts::listen(const Options& options) {
    constexpr int tries = 16;
    LOCKSTEP_TRY(make_room_for_descriptors(options.max_connections));
    const bool any_port_will_do = options.port == 0 || options.mount_port == 0 || options.nlm_port == 0;
    for (int attempt = 1;; ++attempt) {
        auto listening = try_to_listen(options);
        if (listening || !any_port_will_do || attempt == tries) return listening;
    }
}

Result<void, std::string> Service::Parts::try_to_listen(const Options& options) {
    rpc::Limits limits;
    limits.max_connections = options.max_connections;
    limits.max_record_bytes = options.max_request_bytes;
    limits.memory_budget_bytes = options.max_memory_bytes;
    limits.max_in_flight = options.max_in_flight;
    limits.busy_poll_us = options.busy_poll_us;
    server = std::make_unique<rpc::TcpServer>(limits);
    udp_server = std::make_unique<rpc::UdpServer>();
    if (!given_sockets.empty()) return adopt_sockets();
    endpoints = plan_endpoints(options);
    for (const auto& endpoint : endpoints) {
        uint16_t port = endpoint->asked_port;
        for (const std::string& text : options.bind_addresses) {
            LOCKSTEP_TRY(const auto address, rpc::PeerAddress::parse(text, port));
            LOCKSTEP_TRY(const auto bound, server->listen(address, endpoint->programs));
            LOCKSTEP_TRY(udp_server->listen(bound, endpoint->programs));
            endpoint->addresses.push_back(bound);
            port = bound.port();  // one number on all addresses, also when it was any
        }
    }
    return {};
}

// Everything is served on each socket that a service manager has opened; the ports of the options don't count.
Result<void, std::string> Service::Parts::adopt_sockets() {
    endpoints.push_back(std::make_unique<Endpoint>());
    Endpoint& endpoint = *endpoints.back();
    endpoint.serves.fill(true);
    for (rpc::FileDescriptor& socket : given_sockets) {
        int type = 0;
        socklen_t size = sizeof type;
        const auto family = rpc::PeerAddress::of_socket(socket.get()).get()->sa_family;
        if (getsockopt(socket.get(), SOL_SOCKET, SO_TYPE, &type, &size) != 0 ||
            (family != AF_INET && family != AF_INET6))
            return fail(fmt::format("the given descriptor {} is no socket for IPv4 or IPv6", socket.get()));
        if (type == SOCK_STREAM)
            endpoint.addresses.push_back(server->adopt(std::move(socket), endpoint.programs));
        else
            udp_server->adopt(std::move(socket), endpoint.programs);
    }
    if (endpoint.addresses.empty()) return fail(std::string("no TCP socket is among the given ones"));
    return {};
}

std::string Service::Parts::metrics_text() const {
    MetricsText text;
    text.metric("nfs_server_operations_total", "counter", "NFS operations answered, by procedure and result.");
    const auto counts = ops::operation_counts();
    const auto* program = endpoint_of(nfs_role).programs.find(NFS_PROGRAM, NFS_V3).program;
    for (uint32_t i = 1; i < counts.size(); ++i)
        for (const bool has_failed : {false, true})
            text.sample(
                fmt::format("procedure=\"{}\",result=\"{}\"", program->find(i)->name, has_failed ? "error" : "ok"),
                has_failed ? counts[i].failed : counts[i].succeeded);
    const auto rpc = server->counts();
    text.single("nfs_server_connections", "gauge", "Open TCP connections.", rpc.open_connections)
        .single("nfs_server_connections_accepted_total", "counter", "TCP connections accepted.",
                rpc.accepted_connections)
        .metric("nfs_server_connections_closed_total", "counter", "TCP connections that the server ended, by reason.")
        .sample("reason=\"limit\"", rpc.refused_connections)
        .sample("reason=\"idle\"", rpc.evicted_connections)
        .sample("reason=\"time\"", rpc.expired_connections)
        .single("nfs_server_request_memory_bytes", "gauge", "Memory of requests and replies.", rpc.held_bytes);
    text.single("nfs_server_replies_kept", "gauge", "Replies kept for calls that are sent again.", replies->size())
        .single("nfs_server_replies_limit", "gauge", "Replies that can be kept.", replies->capacity())
        .single("nfs_server_replays_total", "counter", "Calls answered with a kept reply.", replies->replays());
    const auto log = journal->counters();
    text.single("nfs_server_log_records_total", "counter", "Transactions in the log.", log.records)
        .single("nfs_server_log_writes_total", "counter", "Writes of the log, each with many transactions.", log.groups)
        .single("nfs_server_log_barriers_total", "counter", "Barriers of the disk for commits.", log.barriers)
        .single("nfs_server_log_written_bytes_total", "counter", "Bytes of the log.", log.log_blocks_written * 4096)
        .single("nfs_server_checkpoints_total", "counter", "Checkpoints, which free the log.", log.checkpoints)
        .single("nfs_server_blocks_installed_total", "counter", "Blocks brought home.", log.blocks_installed);
    auto& cache = journal->cache();
    text.single("nfs_server_cache_bytes", "gauge", "Blocks of the disk in memory.",
                cache.cached_blocks() * block_size_bytes)
        .single("nfs_server_cache_changed_bytes", "gauge", "Those of them that are not on their way to the disk yet.",
                cache.dirty_blocks() * block_size_bytes)
        .single("nfs_server_cache_limit_bytes", "gauge", "Blocks that are kept.", cache_bytes)
        .single("nfs_server_block_memory_bytes", "gauge", "Memory for blocks: of the cache, the log, and free.",
                BlockBuffer::allocated_blocks() * block_size_bytes)
        .single("process_resident_memory_bytes", "gauge", "Memory of the process.", resident_bytes());
    const auto usage = file_system->usage();
    text.single("nfs_server_disk_failed", "gauge", "1: the disk has failed, and nothing more is promised to be on it.",
                disk->has_failed() ? 1 : 0);
    text.single("nfs_server_file_system_damaged", "gauge", "1: damage was found, and nothing is changed any more.",
                file_system->is_damaged() ? 1 : 0);
    text.single("nfs_server_file_system_size_bytes", "gauge", "Room for data.", usage.total_bytes)
        .single("nfs_server_file_system_free_bytes", "gauge", "Free room for data.", usage.free_bytes)
        .single("nfs_server_file_system_files", "gauge", "Files that there can be.", usage.total_files)
        .single("nfs_server_file_system_files_free", "gauge", "Files that can still be made.", usage.free_files);
    return text.text();
}

Result<void, std::string> Service::Parts::open_storage(const Options& options) {
    const auto failed = [&](const StorageFailure& failure) { return fail(failure.message); };
    cache_bytes = options.cache_bytes;
    auto opened_disk = disk::open_disk(options.disk);
    if (!opened_disk) return failed(opened_disk.error());
    disk = std::move(*opened_disk);
    disk->when_failed([](const std::string& what) {
        spdlog::error("the disk has failed: {}; nothing more is promised to be on it, and reading goes on from memory",
                      what);
    });
    auto opened_journal = open_or_format(*disk, options.cache_bytes);
    if (!opened_journal) return failed(opened_journal.error());
    journal = std::move(*opened_journal);
    transactions = std::make_unique<txn::TransactionManager>(*journal);
    auto mounted = fs::FileSystem::mount_or_format(*transactions, system_clock());
    if (!mounted) return failed(mounted.error());
    file_system = std::move(*mounted);
    file_system->when_damaged([] {
        spdlog::error(
            "the disk contradicts its format: nothing is changed on it any more; stop the server, and "
            "nfs_server fsck IMAGE says what is wrong");
    });
    if (const auto& recovery = journal->recovery(); recovery.last_sequence != 0)
        spdlog::info("recovered log records {} to {}", recovery.first_sequence, recovery.last_sequence);
    return {};
}

// A file that was made in vain would be in the way of the next attempt.
Result<void, std::string> Service::Parts::open_storage_or_leave_none(const Options& options) {
    const auto spec = disk::parse_disk_spec(options.disk);
    const bool is_new = spec && !spec->path.empty() && !std::filesystem::exists(spec->path);
    auto opened = open_storage(options);
    std::error_code ignored;
    if (!opened && is_new) std::filesystem::remove(spec->path, ignored);
    return opened;
}

Result<void, std::string> Service::Parts::make_programs(const Options& options) {
    auto opened_replies = ops::ReplyCache::open(*file_system);
    if (!opened_replies) return fail(std::string("the replies that were kept can't be read from the disk"));
    replies = std::move(*opened_replies);
    LOCKSTEP_TRY(auto export_table, ops::ExportTable::make(options.exports));
    exports = std::make_unique<ops::Exports>(std::move(export_table));
    LOCKSTEP_TRY(const uint64_t verifier, ops::choose_write_verifier(*file_system));
    operations = std::make_unique<ops::Service>(
        ops::Service{*file_system, verifier, replies.get(), exports.get(), max_write_bytes(options)});
    mounts.reset(new ops::MountService{*operations, *exports});
    resolver = std::make_unique<HandleResolver>(*operations);
    service_text = std::make_unique<ServiceText>(*file_system);
    nlm::LockManagerOptions lock_options;
    lock_options.grace_period_ms = int64_t{options.grace_period_s} * 1000;
    locks = std::make_unique<nlm::LockManager>(*resolver, lock_options);
    locks->enable_callbacks();
    LOCKSTEP_TRY(locks->enable_monitoring(*service_text));
    for (const auto& endpoint : endpoints) {
        if (endpoint->serves[nfs_role]) endpoint->programs.add(ops::make_nfs3_program(*operations));
        if (endpoint->serves[mount_role]) endpoint->programs.add(ops::make_mount_program(*mounts));
        if (endpoint->serves[nlm_role]) endpoint->programs.add(nlm::nlm_program(*locks));
        if (endpoint->serves[nlm_role]) endpoint->programs.add(nlm::nsm_program(*locks));
    }
    return {};
}

Result<void, std::string> Service::Parts::register_programs() {
    registration = std::make_unique<rpc::RpcbindRegistration>();
    for (const auto& endpoint : endpoints)
        for (const auto& address : endpoint->addresses)
            for (const bool is_udp : {false, true})
                LOCKSTEP_TRY(registration->add(endpoint->programs, address, is_udp));
    return {};
}

const Endpoint& Service::Parts::endpoint_of(Role role) const {
    return **std::ranges::find_if(endpoints, [&](const auto& endpoint) { return endpoint->serves[role]; });
}

Service::Service(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
Service::~Service() = default;

// The ports come first: a server that could not serve leaves the disk alone.
Result<std::unique_ptr<Service>, std::string> Service::start(const Options& options) {
    if (!options.fault_log.empty()) LOCKSTEP_TRY(log_strikes_to(options.fault_log));
    for (const std::string& fault : options.faults) LOCKSTEP_TRY(enable_fault(fault, options.fault_seed));
    auto parts = std::make_unique<Parts>();
    try {
        LOCKSTEP_TRY(parts->listen(options));
    } catch (const std::system_error& error) {
        return fail(std::string(error.what()));
    }
    LOCKSTEP_TRY(parts->open_storage_or_leave_none(options));
    try {
        LOCKSTEP_TRY(parts->make_programs(options));
    } catch (const std::system_error& error) {
        return fail(std::string(error.what()));
    }
    if (!options.admin_socket.empty()) {
        LOCKSTEP_TRY(parts->admin, AdminSocket::open(options.admin_socket, *parts->locks));
    }
    ops::record_start(*parts->file_system);
    parts->server->start(options.threads);
    parts->udp_server->start(udp_threads);
    if (!options.metrics.empty()) {
        LOCKSTEP_TRY(parts->metrics,
                     MetricsPort::open(options.metrics, [raw = parts.get()] { return raw->metrics_text(); }));
    }
    if (options.register_rpcbind) LOCKSTEP_TRY(parts->register_programs());
    return std::unique_ptr<Service>(new Service(std::move(parts)));
}

std::string Service::describe() const {
    const auto port_of = [&](Role role) { return parts_->endpoint_of(role).addresses.front().port(); };
    const std::string metrics = parts_->metrics ? " metrics=" + parts_->metrics->address().to_string() : "";
    return fmt::format("nfs={} mount={} nlm={}{}", parts_->endpoint_of(nfs_role).addresses.front().to_string(),
                       port_of(mount_role), port_of(nlm_role), metrics);
}

void Service::replace_exports(std::unique_ptr<const ops::ExportTable> table) {
    parts_->exports->replace(std::move(table));
}

Result<void, std::string> Service::stop() {
    parts_->registration.reset();
    parts_->metrics.reset();
    parts_->server->stop();
    parts_->udp_server->stop();
    // The file system's background work ends before the last word to the disk.
    parts_->admin.reset();
    parts_->locks.reset();
    ops::keep_write_verifier(*parts_->operations);
    parts_->file_system.reset();
    if (const auto synced = parts_->journal->sync(); !synced)
        return fail(fmt::format("the last writes to the disk failed: {}", to_string(synced.error())));
    return {};
}

}  // namespace lockstep::server
