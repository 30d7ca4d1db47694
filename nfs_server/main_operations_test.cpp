// The server as an operator's service: told by a service manager, given its sockets, watched through metrics and logs,
// bounded.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/un.h>

#include <atomic>
#include <fstream>
#include <memory>
#include <optional>
#include <regex>
#include <set>
#include <thread>

#include <nlohmann/json.hpp>

#include "nfs_server/main_server_process.hpp"
#include "nfs_server/rpc/file_descriptor.hpp"
#include "nfs_server/test_raw_client.hpp"

namespace lockstep::server::test {
namespace {

using testing::HasSubstr;

// What systemd listens on while a service runs.
class NotifySocket {
 public:
    explicit NotifySocket(const std::filesystem::path& path)
        : socket_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        path.string().copy(address.sun_path, sizeof address.sun_path - 1);
        const timeval limit{.tv_sec = 10, .tv_usec = 0};
        setsockopt(socket_.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
        EXPECT_EQ(bind(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
        setenv("NOTIFY_SOCKET", path.c_str(), 1);
    }
    ~NotifySocket() { unsetenv("NOTIFY_SOCKET"); }
    NotifySocket(const NotifySocket&) = delete;
    NotifySocket& operator=(const NotifySocket&) = delete;
    // The next message; empty after ten seconds.
    std::string receive() {
        char text[1024];
        const ssize_t got = recv(socket_.get(), text, sizeof text, 0);
        return got > 0 ? std::string(text, static_cast<size_t>(got)) : "";
    }

 private:
    rpc::FileDescriptor socket_;
};

TEST(ServiceManager, IsToldOfReadinessReloadAndStop) {
    TemporaryDirectory directory;
    NotifySocket manager(directory.path() / "notify");
    const auto file = directory.path() / "server.toml";
    std::ofstream(file) << "[[export]]\npath = \"/export\"\n";
    ServerProcess server(directory.path(), "memory:64M", {"--config", file.string()});
    EXPECT_THAT(manager.receive(), HasSubstr("READY=1\nSTATUS=nfs=127.0.0.1:"));
    kill(server.pid(), SIGHUP);
    EXPECT_THAT(manager.receive(), HasSubstr("RELOADING=1\nMONOTONIC_USEC="));
    EXPECT_EQ(manager.receive(), "READY=1");
    EXPECT_EQ(server.stop(), 0);
    EXPECT_EQ(manager.receive(), "STOPPING=1");
}

// Starts the server with a listening socket as descriptor 3 and a bound UDP one as 4, as systemd does.
TEST(ServiceManager, GivesTheSocketsThatAreServed) {
    const auto open_socket = [](int type, uint16_t port) {
        rpc::FileDescriptor socket(::socket(AF_INET, type, 0));
        const auto address = *rpc::PeerAddress::parse("127.0.0.1", port);
        return bind(socket.get(), address.get(), address.size_bytes()) == 0 ? std::move(socket) : rpc::FileDescriptor();
    };
    rpc::FileDescriptor tcp = open_socket(SOCK_STREAM, 0);
    ASSERT_EQ(listen(tcp.get(), 16), 0);
    const uint16_t port = rpc::PeerAddress::of_socket(tcp.get()).port();
    rpc::FileDescriptor udp = open_socket(SOCK_DGRAM, 0);
    TemporaryDirectory directory;
    const auto output = directory.path() / "output";
    const pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        const int high_tcp = fcntl(tcp.get(), F_DUPFD, 20), high_udp = fcntl(udp.get(), F_DUPFD, 20);
        dup2(high_tcp, 3);
        dup2(high_udp, 4);
        dup2(open(output.c_str(), O_WRONLY | O_CREAT, 0600), STDOUT_FILENO);
        setenv("LISTEN_FDS", "2", 1);
        setenv("LISTEN_PID", std::to_string(getpid()).c_str(), 1);
        execl(server_program().c_str(), "nfs_server", "--disk", "memory:64M", nullptr);
        _exit(127);
    }
    // The socket listens already: the call waits for the server.
    RawClient client(port);
    EXPECT_FALSE(client.mount().empty());
    kill(pid, SIGTERM);
    int status = 0;
    waitpid(pid, &status, 0);
    EXPECT_EQ(status, 0);
    EXPECT_THAT(content_of(output), HasSubstr("nfs=127.0.0.1:" + std::to_string(port)));
}

// What is wrong with a text in Prometheus' form (version 0.0.4), a sentence each: the head of a metric comes once and
// before its samples, a counter's name ends in _total, no sample comes twice, and every line is a whole one.
std::vector<std::string> problems_of_metrics(const std::string& text) {
    static const std::regex help("# HELP ([a-zA-Z_:][a-zA-Z0-9_:]*) .+");
    static const std::regex type("# TYPE ([a-zA-Z_:][a-zA-Z0-9_:]*) (counter|gauge)");
    static const std::string label = "[a-zA-Z_][a-zA-Z0-9_]*=\"([^\"\\\\\\n]|\\\\[\\\\n\"])*\"";
    static const std::regex sample("(([a-zA-Z_:][a-zA-Z0-9_:]*)(\\{" + label + "(," + label +
                                   ")*\\})?) -?[0-9]+(\\.[0-9]+)?");
    std::vector<std::string> problems;
    std::set<std::string> typed, sampled;
    std::string current;  // the metric whose samples may come
    if (!text.ends_with('\n')) problems.push_back("the last line does not end");
    std::istringstream lines(text.substr(0, text.rfind('\n') + 1));
    std::smatch parts;
    for (std::string line; std::getline(lines, line);) {
        if (std::regex_match(line, parts, help)) continue;
        if (std::regex_match(line, parts, type)) {
            current = parts[1];
            if (!typed.insert(current).second)
                problems.push_back("a second head: " + line);
            else if (parts[2] == "counter" && !current.ends_with("_total"))
                problems.push_back("no _total: " + line);
        } else if (std::regex_match(line, parts, sample)) {
            if (parts[2] != current)
                problems.push_back("not below its head: " + line);
            else if (!sampled.insert(parts[1]).second)
                problems.push_back("a second sample: " + line);
        } else {
            problems.push_back("no line of metrics: " + line);
        }
    }
    return problems;
}

std::string body_of(const std::string& reply) {
    return reply.substr(reply.find("\r\n\r\n") + 4);
}

class Metrics : public testing::Test {
 protected:
    static std::string get(uint16_t port, const std::string& path) {
        rpc::test::Client client(port);
        const std::string request = "GET " + path + " HTTP/1.1\r\nHost: localhost\r\n\r\n";
        std::vector<std::byte> bytes;
        for (const char c : request) bytes.push_back(static_cast<std::byte>(c));
        EXPECT_TRUE(client.send(bytes));
        std::string reply;
        char part[4096];
        for (ssize_t got; (got = recv(client.socket(), part, sizeof part, 0)) > 0;)
            reply.append(part, static_cast<size_t>(got));
        return reply;
    }
    static uint16_t metrics_port(const ServerProcess& server) {
        const auto at = server.ready_line().find("metrics=127.0.0.1:");
        return at == std::string::npos ? uint16_t{0}
                                       : static_cast<uint16_t>(std::stoi(server.ready_line().substr(at + 18)));
    }
    TemporaryDirectory directory_;
};

TEST_F(Metrics, CountWhatWasDoneInPrometheusForm) {
    const ServerProcess server(directory_.path(), "memory:64M", {"--metrics", "0"});
    RawClient client(server.port());
    const Handle root = client.mount();
    const auto create = create_call(1, root, "a");
    ASSERT_EQ(status_of(client.exchange(create)), wire::NFS3_OK);
    ASSERT_EQ(status_of(client.exchange(create)), wire::NFS3_OK);
    ASSERT_EQ(status_of(client.exchange(create_call(2, root, "a"))), wire::NFS3ERR_EXIST);
    const std::string reply = get(metrics_port(server), "/metrics");
    EXPECT_THAT(reply, HasSubstr("HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4"));
    EXPECT_THAT(reply, HasSubstr("nfs_server_operations_total{procedure=\"CREATE\",result=\"ok\"} 1\n"));
    EXPECT_THAT(reply, HasSubstr("nfs_server_operations_total{procedure=\"CREATE\",result=\"error\"} 1\n"));
    EXPECT_THAT(reply, HasSubstr("nfs_server_replays_total 1\n"));
    EXPECT_THAT(reply, HasSubstr("# TYPE nfs_server_connections gauge\nnfs_server_connections 1\n"));
    EXPECT_THAT(problems_of_metrics(body_of(reply)), testing::IsEmpty());
    EXPECT_THAT(get(metrics_port(server), "/other"), HasSubstr("HTTP/1.1 404"));
}

TEST(MetricsCheck, SeesWhatPrometheusWouldRefuse) {
    const std::string sound = "# HELP a_total Help.\n# TYPE a_total counter\na_total{x=\"1\"} 1\na_total{x=\"2\"} 1\n";
    EXPECT_THAT(problems_of_metrics(sound), testing::IsEmpty());
    for (const char* line : {"a_total{x=\"1\"} 1\n", "b 1\n", "a_total 1 2 3\n", "a_total{x=1} 1\n", "a_total one\n",
                             "# TYPE a_total counter\n", "# TYPE b sum\n", "# TYPE b counter\n", "a_total{x=\"3\"} 1"})
        EXPECT_EQ(problems_of_metrics(sound + line).size(), 1u) << line;
}

uint64_t value_of(const std::string& metrics, const std::string& name) {
    const auto at = metrics.find("\n" + name + " ");
    return at == std::string::npos ? UINT64_MAX : std::stoull(metrics.substr(at + name.size() + 2));
}

// Three times what may be kept is written and read; what was changed and is on its way to the disk comes on top.
TEST_F(Metrics, TheCacheStaysWithinItsLimit) {
    constexpr uint64_t limit = 8u << 20, written = 3 * limit;
    const ServerProcess server(directory_.path(), "memory:256M", {"--metrics", "0", "--cache", "8M"});
    RawClient client(server.port());
    const auto file = created_handle(client.exchange(create_call(1, client.mount(), "a")));
    const std::string data(1 << 20, 'x');
    uint32_t xid = 2;
    for (uint64_t offset = 0; offset < written; offset += data.size())
        ASSERT_EQ(status_of(client.exchange(write_call(xid++, file, data, wire::FILE_SYNC, offset))), wire::NFS3_OK);
    const std::string metrics = body_of(get(metrics_port(server), "/metrics"));
    EXPECT_EQ(value_of(metrics, "nfs_server_cache_limit_bytes"), limit);
    EXPECT_GT(value_of(metrics, "nfs_server_cache_bytes"), limit / 2);
    EXPECT_LE(value_of(metrics, "nfs_server_cache_bytes"), 2 * limit);
    EXPECT_LE(value_of(metrics, "nfs_server_cache_changed_bytes"), limit);
    EXPECT_GE(value_of(metrics, "nfs_server_block_memory_bytes"), value_of(metrics, "nfs_server_cache_bytes"));
    EXPECT_GT(value_of(metrics, "process_resident_memory_bytes"), limit);
}

TEST_F(Metrics, AreServedOnTheLoopbackInterfaceOnly) {
    const auto errors = directory_.path() / "errors";
    for (const char* where : {"0.0.0.0:0", "192.0.2.1:9", "nowhere", "127.0.0.1:99999"}) {
        EXPECT_EQ(run_program({server_program(), "--disk", "memory:64M", "--port", "0", "--metrics", where},
                              "/dev/null", errors),
                  2);
        EXPECT_THAT(content_of(errors), HasSubstr("--metrics")) << where;
    }
}

// Who connects and says nothing, or says it slowly, holds up nobody.
TEST_F(Metrics, AreServedWhileOthersAreSilentAndSoIsTheEnd) {
    ServerProcess server(directory_.path(), "memory:64M", {"--metrics", "0"});
    std::vector<std::unique_ptr<rpc::test::Client>> silent;
    for (int i = 0; i < 20; ++i) silent.push_back(std::make_unique<rpc::test::Client>(metrics_port(server)));
    silent.back()->send(std::vector<std::byte>(1, std::byte{'G'}));
    const auto start = std::chrono::steady_clock::now();
    EXPECT_THAT(get(metrics_port(server), "/metrics"), HasSubstr("HTTP/1.1 200 OK"));
    EXPECT_EQ(server.stop(), 0);
    EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(4)) << "the silent ones had five";
}

// The image lies on a file system that is full before the image is: the first sign of it is an error of a write.
TEST_F(Metrics, ADiskThatFailsIsToldWithItsReason) {
    ServerProcess server(directory_.path(), "file:" + (directory_.path() / "image").string() + ":64M",
                         {"--metrics", "0"});
    const auto failed = [&] {
        return value_of(body_of(get(metrics_port(server), "/metrics")), "nfs_server_disk_failed");
    };
    RawClient client(server.port());
    const Handle root = client.mount();
    ASSERT_EQ(status_of(client.exchange(create_call(1, root, "before"))), wire::NFS3_OK);
    EXPECT_EQ(failed(), 0u);
    // Room for what the server tells, and soon none for its log.
    const rlimit limit{.rlim_cur = 65536, .rlim_max = 65536};
    ASSERT_EQ(prlimit(server.pid(), RLIMIT_FSIZE, &limit, nullptr), 0);
    int status = wire::NFS3_OK;
    for (uint32_t xid = 2; xid < 100 && status == wire::NFS3_OK; ++xid)
        status = status_of(client.exchange(create_call(xid, root, ("after" + std::to_string(xid)).c_str())));
    EXPECT_EQ(status, wire::NFS3ERR_IO);
    EXPECT_EQ(failed(), 1u);
    EXPECT_THAT(server.errors(), HasSubstr("the disk has failed: writing: File too large"));
    EXPECT_EQ(server.stop(), 1);
}

TEST(Logs, AreJsonObjectsWhenAskedFor) {
    TemporaryDirectory directory;
    ServerProcess server(directory.path(), "memory:64M", {"--log-format", "json"});
    kill(server.pid(), SIGHUP);
    EXPECT_EQ(server.stop(), 0);
    std::istringstream lines(server.errors());
    std::vector<std::string> messages;
    for (std::string line; std::getline(lines, line);) {
        const auto object = nlohmann::json::parse(line);
        EXPECT_TRUE(std::regex_match(object.at("time").get<std::string>(),
                                     std::regex("\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{3}Z")));
        messages.push_back(object.at("level").get<std::string>() + " " + object.at("message").get<std::string>());
    }
    EXPECT_THAT(messages, testing::Contains("info stopping"));

    // What keeps it from starting, too.
    const auto errors = directory.path() / "errors";
    EXPECT_EQ(run_program({server_program(), "--disk", "file:/none/such", "--port", "0", "--log-format", "json"},
                          "/dev/null", errors),
              2);
    EXPECT_THAT(nlohmann::json::parse(content_of(errors)).at("message").get<std::string>(), HasSubstr("/none/such"));
}

// What clients were told of is there after a stop under load, although nobody asked for it to be stable; and since
// nothing was lost, the write verifier is the same.
TEST(GracefulStop, UnderLoadLosesNothingThatWasAcknowledged) {
    constexpr uint32_t clients_count = 4, acknowledged_before_the_stop = 200;
    TemporaryDirectory directory;
    const std::string disk = "file:" + (directory.path() / "disk").string();
    ServerProcess server(directory.path(), disk + ":64M");
    const Handle root = RawClient(server.port()).mount();
    const auto verifier_in = [](const rpc::test::Bytes& reply) {
        return std::string(reinterpret_cast<const char*>(reply.data()) + reply.size() - 8, 8);
    };
    std::vector<Handle> files(clients_count);
    std::vector<uint64_t> acknowledged(clients_count);
    std::vector<std::string> verifiers(clients_count);
    std::atomic<uint32_t> acknowledged_in_all{0};
    std::vector<std::thread> clients;
    for (uint32_t i = 0; i < clients_count; ++i)
        clients.emplace_back([&, i] {
            RawClient client(server.port());
            const uint32_t xid = (i + 1) << 20;
            files[i] = created_handle(client.exchange(create_call(xid, root, std::to_string(i))));
            // Each write fills the next 100 bytes with a letter of its own, until the server is gone.
            for (;; ++acknowledged[i], ++acknowledged_in_all) {
                const std::string data(100, static_cast<char>('a' + acknowledged[i] % 26));
                const auto reply = client.exchange(write_call(xid + 1 + static_cast<uint32_t>(acknowledged[i]),
                                                              files[i], data, wire::UNSTABLE, acknowledged[i] * 100));
                if (status_of(reply) != wire::NFS3_OK) return;
                verifiers[i] = verifier_in(reply);
            }
        });
    while (acknowledged_in_all < acknowledged_before_the_stop) std::this_thread::yield();
    EXPECT_EQ(server.stop(), 0);
    for (auto& client : clients) client.join();

    const ServerProcess next(directory.path(), disk);
    RawClient client(next.port());
    for (uint32_t i = 0; i < clients_count; ++i) {
        std::string expected;
        for (uint64_t k = 0; k < acknowledged[i]; ++k) expected += std::string(100, static_cast<char>('a' + k % 26));
        std::string found;
        for (bool is_end = false; !is_end;) {
            const auto part = client.read(files[i], found.size(), 1u << 20);
            ASSERT_TRUE(part.has_value());
            found += *part;
            is_end = part->empty();
        }
        EXPECT_EQ(found.substr(0, expected.size()), expected) << "client " << i;
        EXPECT_EQ(verifier_in(client.exchange(write_call(7 + i, files[i], "x", wire::UNSTABLE))), verifiers[i]);
    }
}

// The third is refused, or one of the two gives way that has done nothing for a second: this machine may be slow.
TEST_F(Metrics, ConnectionsAreNoMoreThanTheLimit) {
    const ServerProcess server(directory_.path(), "memory:64M", {"--metrics", "0", "--max-connections", "2"});
    RawClient first(server.port()), second(server.port()), third(server.port());
    const int served = !first.mount().empty() + !second.mount().empty() + !third.mount().empty();
    EXPECT_EQ(served, 2);
    const std::string metrics = body_of(get(metrics_port(server), "/metrics"));
    EXPECT_EQ(value_of(metrics, "nfs_server_connections"), 2u);
    EXPECT_EQ(value_of(metrics, "nfs_server_connections_closed_total{reason=\"limit\"}") +
                  value_of(metrics, "nfs_server_connections_closed_total{reason=\"idle\"}"),
              1u);
}

// Eight connections begin requests of a mebibyte and never end them; four of those are all that may be held.
TEST_F(Metrics, RequestsThatDoNotEndAreBoundedInMemory) {
    constexpr uint64_t limit = 4u << 20;
    const ServerProcess server(directory_.path(), "memory:64M", {"--metrics", "0", "--max-memory", "4M"});
    rpc::test::Bytes begun;
    rpc::test::append_word(begun, 0x80000000u | (1u << 20));
    begun.resize((1u << 20) - 100);
    std::vector<std::unique_ptr<rpc::test::Client>> clients;
    uint64_t most = 0;
    for (int i = 0; i < 8; ++i) {
        clients.push_back(std::make_unique<rpc::test::Client>(server.port()));
        clients.back()->send(begun);
        most =
            std::max(most, value_of(body_of(get(metrics_port(server), "/metrics")), "nfs_server_request_memory_bytes"));
    }
    EXPECT_LE(most, limit);
    EXPECT_GT(most, limit / 8);
    clients.clear();
    for (int tries = 0; tries < 1000 && RawClient(server.port()).mount().empty(); ++tries) std::this_thread::yield();
    EXPECT_FALSE(RawClient(server.port()).mount().empty()) << "others are served";
}

// The attributes that GETATTR gives; nothing when it fails.
std::optional<wire::fattr3> attributes_of(const rpc::test::Bytes& record) {
    auto reply = rpc::test::parse_reply(record);
    Arena arena;
    const auto res = reply ? reply->decode(wire::xdr_GETATTR3res, arena) : std::nullopt;
    if (!res || res->status != wire::NFS3_OK) return std::nullopt;
    return res->GETATTR3res_u.resok.obj_attributes;
}

// Changes a byte of an inode in an image that nobody serves.
void damage_inode(const std::filesystem::path& image, uint64_t number) {
    constexpr uint64_t block_bytes = 4096, inode_bytes = 256, byte_of_the_inode = 9;
    const auto dumped = image.string() + ".json";
    ASSERT_EQ(run_program({server_program(), "dump", "--json", image.string()}, dumped), 0);
    const auto shown = nlohmann::json::parse(content_of(dumped));
    const uint64_t data_start = shown.at("log").at("superblocks").at(0).at("data_start");
    const uint64_t table = shown.at("superblock").at("inode_table_start");
    const auto offset =
        static_cast<std::streamoff>((data_start + table) * block_bytes + number * inode_bytes + byte_of_the_inode);
    std::fstream file(image, std::ios::in | std::ios::out | std::ios::binary);
    const auto byte = static_cast<char>(~file.seekg(offset).get());
    file.seekp(offset).put(byte);
}

TEST_F(Metrics, DamageThatIsMetMakesTheServerReadOnlyAndIsTold) {
    const auto image = directory_.path() / "image";
    Handle sound, damaged;
    uint64_t number = 0;
    {
        ServerProcess server(directory_.path(), "file:" + image.string() + ":16M");
        RawClient client(server.port());
        const Handle root = client.mount();
        sound = created_handle(client.exchange(create_call(1, root, "sound")));
        damaged = created_handle(client.exchange(create_call(2, root, "damaged")));
        number = attributes_of(client.exchange(getattr_call(3, damaged)))->fileid;
        ASSERT_EQ(server.stop(), 0);
    }
    damage_inode(image, number);
    {
        ServerProcess server(directory_.path(), "file:" + image.string(), {"--metrics", "0"});
        const auto is_damaged = [&] {
            return value_of(body_of(get(metrics_port(server), "/metrics")), "nfs_server_file_system_damaged");
        };
        RawClient client(server.port());
        const Handle root = client.mount();
        EXPECT_EQ(is_damaged(), 0u);
        EXPECT_EQ(status_of(client.exchange(create_call(4, root, "before"))), wire::NFS3_OK);
        EXPECT_EQ(status_of(client.exchange(getattr_call(5, damaged))), wire::NFS3ERR_SERVERFAULT);
        EXPECT_EQ(status_of(client.exchange(create_call(6, root, "after"))), wire::NFS3ERR_ROFS);
        EXPECT_EQ(status_of(client.exchange(getattr_call(7, sound))), wire::NFS3_OK);
        EXPECT_EQ(is_damaged(), 1u);
        EXPECT_THAT(server.errors(), HasSubstr("the disk contradicts its format: nothing is changed on it any more"));
        server.stop();
    }
    const auto output = directory_.path() / "fsck";
    EXPECT_EQ(run_program({server_program(), "fsck", image.string()}, output), 1);
    EXPECT_THAT(content_of(output), HasSubstr("inode " + std::to_string(number)));
}

TEST(LimitsOfTheServer, ALargerRequestCostsItsConnectionAndFsinfoTellsWhatFits) {
    TemporaryDirectory directory;
    const ServerProcess server(directory.path(), "memory:64M", {"--max-request", "64K"});
    RawClient client(server.port());
    const Handle root = client.mount();
    const auto file = created_handle(client.exchange(create_call(1, root, "a")));
    const wire::FSINFO3args args{fh(root)};
    auto reply = rpc::test::parse_reply(
        client.exchange(rpc::test::call_message(2, nfs(NFSPROC3_FSINFO), wire::xdr_FSINFO3args, args, 0u)));
    Arena arena;
    const auto info = reply->decode(wire::xdr_FSINFO3res, arena);
    const uint32_t most = info->FSINFO3res_u.resok.wtmax;
    EXPECT_EQ(most, 60u << 10);
    EXPECT_EQ(status_of(client.exchange(write_call(3, file, std::string(most, 'x'), wire::UNSTABLE))), wire::NFS3_OK);
    EXPECT_TRUE(client.exchange(write_call(4, file, std::string(64 << 10, 'x'), wire::UNSTABLE)).empty());
    EXPECT_FALSE(RawClient(server.port()).mount().empty()) << "nobody else's";
}

}  // namespace
}  // namespace lockstep::server::test
