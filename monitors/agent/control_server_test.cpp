// The control socket against strangers and garbage, without an agent behind it.
#include "monitors/agent/control_server.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <nlohmann/json.hpp>
#include <random>
#include <thread>

namespace lockstep::monitors {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

class ControlServerTest : public ::testing::Test {
 protected:
    ControlServerTest() {
        signal(SIGPIPE, SIG_IGN);
        std::string pattern = ::testing::TempDir() + "lockstep-control-XXXXXX";
        folder_ = mkdtemp(pattern.data());
        chmod(folder_.c_str(), 0755);
        server_ = std::make_unique<ControlServer>(folder_ / "socket");
        thread_ = std::thread([this] {
            server_->serve([this](const json& request) {
                ++requests_;
                return json{{"heard", request.value("say", "")}};
            });
        });
    }
    ~ControlServerTest() override {
        server_->stop();
        thread_.join();
        server_.reset();
        std::filesystem::remove_all(folder_);
    }

    // -1 when the connection is refused.
    int connect_to_it() const {
        const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::strcpy(address.sun_path, (folder_ / "socket").c_str());
        if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0) return fd;
        close(fd);
        return -1;
    }

    // What comes back until a line has come or the connection is closed.
    static std::string receive(int fd) {
        std::string answer;
        char buffer[4096];
        for (ssize_t size; answer.find('\n') == std::string::npos && (size = recv(fd, buffer, sizeof(buffer), 0)) > 0;)
            answer.append(buffer, static_cast<std::size_t>(size));
        return answer;
    }

    std::string exchange(const std::string& bytes) const {
        const int fd = connect_to_it();
        if (fd < 0) return "refused";
        (void)!send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        shutdown(fd, SHUT_WR);
        const std::string answer = receive(fd);
        close(fd);
        return answer;
    }

    // What `body` answers as a user that is neither this one nor root.
    template <class Body>
    static std::string as_another_user(Body body) {
        int ends[2];
        if (pipe(ends) != 0) return "no pipe";
        const pid_t child = fork();
        if (child == 0) {
            const std::string text = setresgid(65534, 65534, 65534) == 0 && setresuid(65534, 65534, 65534) == 0
                                         ? body()
                                         : std::string("still the same user");
            (void)!write(ends[1], text.data(), text.size());
            _exit(0);
        }
        close(ends[1]);
        std::string text;
        char buffer[512];
        for (ssize_t size; (size = read(ends[0], buffer, sizeof(buffer))) > 0;)
            text.append(buffer, static_cast<std::size_t>(size));
        close(ends[0]);
        waitpid(child, nullptr, 0);
        return text;
    }

    std::filesystem::path folder_;
    std::unique_ptr<ControlServer> server_;
    std::atomic<int> requests_{0};
    std::thread thread_;
};

TEST_F(ControlServerTest, AnotherUserIsTurnedAwayEvenWhereTheFileLetsHimIn) {
    if (geteuid() != 0) GTEST_SKIP() << "only root can be another user";
    EXPECT_EQ("refused", as_another_user([this] { return exchange("{\"say\":\"x\"}\n"); }));
    ASSERT_EQ(0, chmod((folder_ / "socket").c_str(), 0666));
    EXPECT_THAT(as_another_user([this] { return exchange("{\"say\":\"x\"}\n"); }),
                HasSubstr("only the process's own user may speak"));
    EXPECT_EQ(0, requests_);
    EXPECT_THAT(exchange("{\"say\":\"x\"}\n"), HasSubstr("\"heard\":\"x\""));
}

// Requests as they are, with bytes flipped, cut out, doubled and put in; every one is answered or its connection
// closed, and the next sound one is served.
TEST_F(ControlServerTest, MutatedRequestsNeverStopIt) {
    const std::string sound =
        R"({"do":"attach","file":"/x.so","options":{"contexts":1000,"blocks":7},"reactors":["log:/tmp/x"],"say":"hello"})"
        "\n";
    std::mt19937 random(20261121);
    for (int round = 0; round < 600; ++round) {
        std::string bytes = sound;
        for (unsigned changes = 1 + random() % 6; changes > 0 && !bytes.empty(); --changes) {
            const std::size_t at = random() % bytes.size();
            switch (random() % 4) {
                case 0:
                    bytes[at] = static_cast<char>(bytes[at] ^ (1 << random() % 8));
                    break;
                case 1:
                    bytes.erase(at, 1 + random() % 9);
                    break;
                case 2:
                    bytes.insert(at, bytes.substr(at, 1 + random() % 40));
                    break;
                default:
                    bytes.insert(at, 1 + random() % 3, static_cast<char>(random()));
            }
        }
        const std::string answer = exchange(bytes);
        ASSERT_NE("refused", answer);
        const bool sound_answer = json::parse(answer.substr(0, answer.find('\n')), nullptr, false).is_object();
        EXPECT_TRUE(answer.empty() || sound_answer) << answer;
    }
    EXPECT_THAT(exchange(sound), HasSubstr("\"heard\":\"hello\""));
}

TEST_F(ControlServerTest, OneThatSaysNothingHoldsNobodyUpAndTheSeventeenthIsTold) {
    std::vector<int> silent;
    for (int i = 0; i < 15; ++i) silent.push_back(connect_to_it());
    EXPECT_THAT(exchange("{\"say\":\"x\"}\n"), HasSubstr("\"heard\":\"x\""));
    for (int i = 0; i < 2; ++i) silent.push_back(connect_to_it());
    EXPECT_THAT(receive(silent.back()), HasSubstr("too many clients"));
    for (const int fd : silent) close(fd);
}

TEST_F(ControlServerTest, HalfARequestIsNoRequest) {
    EXPECT_EQ("", exchange("{\"say\":\"x\"}"));
    EXPECT_EQ(0, requests_);
}

// It sends requests and never reads: the answers fill its socket, and it loses its connection after 2 s.
TEST_F(ControlServerTest, OneThatDoesNotReadItsAnswersLosesItsConnection) {
    const int deaf = connect_to_it();
    const std::string request = "{\"say\":\"" + std::string(60'000, 'x') + "\"}\n";
    const int small = 4096;
    setsockopt(deaf, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
    while (send(deaf, request.data(), request.size(), MSG_NOSIGNAL) > 0) {
    }
    EXPECT_EQ(EPIPE, errno);
    close(deaf);
    EXPECT_THAT(exchange("{\"say\":\"x\"}\n"), HasSubstr("\"heard\":\"x\""));
}

}  // namespace
}  // namespace lockstep::monitors
