// The proxy between libbabeltrace2 and a relay, with a relay and a viewer of the test's own: bytes in, bytes out.
#include "monitors/live/relay_proxy.hpp"

#include <endian.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <string>

#include "monitors/live/relay_address.hpp"
#include "monitors/trace/event_source.hpp"

namespace lockstep::monitors {
namespace {

using namespace std::chrono_literals;

constexpr std::uint32_t get_next_index = 4, get_packet = 5;
constexpr std::uint32_t ok = 1, inactive = 5, hang_up = 3;
constexpr std::size_t index_size = 64;

std::string u32(std::uint32_t value) {
    const std::uint32_t wire = htobe32(value);
    return {reinterpret_cast<const char*>(&wire), sizeof wire};
}

std::string u64(std::uint64_t value) {
    const std::uint64_t wire = htobe64(value);
    return {reinterpret_cast<const char*>(&wire), sizeof wire};
}

std::string request(std::uint32_t command, const std::string& payload) {
    return u64(payload.size()) + u32(command) + u32(0) + payload;
}

std::string index_answer(std::uint32_t status, std::uint64_t time_end) {
    return u64(1) + u64(2) + u64(3) + u64(4) + u64(time_end) + u64(6) + u64(7) + u32(status) + u32(9);
}

void send_bytes(int socket, const std::string& bytes) {
    ASSERT_EQ(static_cast<ssize_t>(bytes.size()), send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL));
}

std::string receive_bytes(int socket, std::size_t size) {
    std::string bytes(size, '\0');
    const ssize_t got = recv(socket, bytes.data(), size, MSG_WAITALL);
    bytes.resize(got < 0 ? 0 : static_cast<std::size_t>(got));
    return bytes;
}

// Where the test's relay listens.
struct Listener {
    Listener() : descriptor(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof address;
        EXPECT_EQ(0, bind(descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof address));
        EXPECT_EQ(0, listen(descriptor, 1));
        EXPECT_EQ(0, getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &size));
        url = "net://127.0.0.1:" + std::to_string(ntohs(address.sin_port));
    }
    const int descriptor;
    std::string url;
};

class RelayProxyTest : public testing::Test {
 protected:
    void SetUp() override {
        proxy = std::make_unique<RelayProxy>(listener_.url, 100ns, 5s);
        relay = accept(listener_.descriptor, nullptr, nullptr);
        viewer = connect_to_relay(proxy->viewer_url(), 5s);
        ASSERT_GE(relay, 0);
        ASSERT_GE(viewer, 0);
    }
    void TearDown() override {
        proxy.reset();
        for (const int socket : {listener_.descriptor, relay, viewer}) close(socket);
    }

    // The whole way there and back; what the viewer gets.
    std::string exchange(const std::string& question, const std::string& answer) {
        send_bytes(viewer, question);
        EXPECT_EQ(question, receive_bytes(relay, question.size()));
        send_bytes(relay, answer);
        return receive_bytes(viewer, answer.size());
    }
    std::string next_index(std::uint64_t stream, std::uint32_t status, std::uint64_t time_end) {
        return exchange(request(get_next_index, u64(stream)), index_answer(status, time_end));
    }

    const Listener listener_;
    int relay = -1, viewer = -1;
    std::unique_ptr<RelayProxy> proxy;
};

TEST_F(RelayProxyTest, TheTimeOfASilentStreamIsOlderBySlackExceptTheFirst) {
    EXPECT_EQ(index_answer(inactive, 5000), next_index(1, inactive, 5000));
    EXPECT_EQ(index_answer(inactive, 5900), next_index(1, inactive, 6000));
    EXPECT_EQ(index_answer(inactive, 6050), next_index(2, inactive, 6050)) << "another stream";
    EXPECT_EQ(index_answer(inactive, 6900), next_index(1, inactive, 7000));
}

TEST_F(RelayProxyTest, TimeNeverGoesBack) {
    EXPECT_EQ(index_answer(inactive, 5000), next_index(1, inactive, 5000));
    EXPECT_EQ(index_answer(inactive, 5000), next_index(1, inactive, 5010));
    EXPECT_EQ(index_answer(ok, 6000), next_index(1, ok, 6000)) << "a packet's own times stay";
    EXPECT_EQ(index_answer(inactive, 6000), next_index(1, inactive, 6040));
    EXPECT_EQ(index_answer(inactive, 6001), next_index(1, inactive, 6101));
    EXPECT_EQ(index_answer(inactive, 30), next_index(3, inactive, 30));
    EXPECT_EQ(index_answer(inactive, 30), next_index(3, inactive, 50)) << "younger than slack";
}

TEST_F(RelayProxyTest, AllElseGoesThroughAsItIs) {
    EXPECT_EQ(index_answer(hang_up, 1'000'000), next_index(1, hang_up, 1'000'000));
    std::string packet;
    for (int i = 0; i < 1'000; ++i) packet += u64(static_cast<std::uint64_t>(i) * 0x9E3779B97F4A7C15);
    EXPECT_EQ(packet, exchange(request(get_packet, u64(1) + u64(0) + u32(8000)), packet));
    EXPECT_EQ(index_answer(inactive, 5000), next_index(1, inactive, 5000));
    EXPECT_EQ("answer to none", exchange(request(77, ""), "answer to none"));
}

TEST_F(RelayProxyTest, WhenOneSideIsGoneTheOtherIsToldSo) {
    shutdown(relay, SHUT_RDWR);
    EXPECT_EQ("", receive_bytes(viewer, 1));
}

TEST_F(RelayProxyTest, AnIndexThatEndsInTheMiddleEndsTheConnection) {
    send_bytes(viewer, request(get_next_index, u64(1)));
    receive_bytes(relay, 24);
    send_bytes(relay, index_answer(inactive, 5000).substr(0, index_size / 2));
    shutdown(relay, SHUT_RDWR);
    EXPECT_EQ("", receive_bytes(viewer, index_size));
}

TEST_F(RelayProxyTest, ARequestOfAbsurdSizeIsNotWaitedFor) {
    send_bytes(viewer, u64(~0ULL) + u32(get_packet) + u32(0));
    EXPECT_EQ("", receive_bytes(relay, 1));
    EXPECT_EQ("", receive_bytes(viewer, 1));
}

TEST_F(RelayProxyTest, EndsInTheMiddleOfAnExchange) {
    send_bytes(viewer, request(get_next_index, u64(1)));
    receive_bytes(relay, 24);
    proxy.reset();
    EXPECT_EQ("", receive_bytes(viewer, 1));
}

TEST(RelayProxyAlone, EndsBeforeAnybodyHasConnected) {
    const Listener listener;
    { const RelayProxy proxy(listener.url, 1ms, 1s); }
    close(listener.descriptor);
    EXPECT_THROW(RelayProxy(listener.url, 1ms, 1s), TraceError);
    EXPECT_THROW(RelayProxy("nonsense", 1ms, 1s), TraceError);
}

}  // namespace
}  // namespace lockstep::monitors
