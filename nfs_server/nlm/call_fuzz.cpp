// Fuzz target of what clients send to the lock manager and the status monitor: any messages, one after the other, from
// two hosts, whose callbacks reach nobody. Whatever they are, no two owners hold conflicting ranges, and the limits
// hold. The first byte of a message says which host sends it, the next two how long it is. Under libFuzzer this is
// LLVMFuzzerTestOneInput; fuzz_test.cpp calls it too.
#include <sys/socket.h>

#include <cstdlib>
#include <cstring>

#include <spdlog/spdlog.h>

#include "nfs_server/nlm/nlm_program.hpp"
#include "nfs_server/nlm/nsm_program.hpp"
#include "nfs_server/rpc/dispatcher.hpp"
#include "nfs_server/rpc/file_descriptor.hpp"

#ifndef LOCKSTEP_FUZZ_ENTRY
#define LOCKSTEP_FUZZ_ENTRY lockstep_call_fuzz
#endif

namespace lockstep::server::nlm {
namespace {

void require(bool condition) {
    if (!condition) std::abort();
}

// A file a letter: the first byte of a handle.
class Files final : public FileResolver {
 public:
    fs::Outcome<fs::FileIdentity> resolve(std::span<const std::byte> handle, const rpc::CallContext&,
                                          LockMode) override {
        return decode(handle);
    }
    fs::Outcome<fs::FileIdentity> decode(std::span<const std::byte> handle) override {
        if (handle.empty()) return fail(fs::Error::bad_handle);
        return fs::FileIdentity{static_cast<uint64_t>(handle[0]) % 4 + 2, 1};
    }
};

class InMemory final : public StableText {
 public:
    Result<std::string, std::string> read() override { return text_; }
    Result<void, std::string> write(const std::string& text) override {
        text_ = text;
        return {};
    }

 private:
    std::string text_;
};

// A port at which nobody reads.
class Silence {
 public:
    Silence() : socket_(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
        const auto any = *rpc::PeerAddress::parse("127.0.0.1", 0);
        require(bind(socket_.get(), any.get(), any.size_bytes()) == 0);
    }
    uint16_t port() const { return rpc::PeerAddress::of_socket(socket_.get()).port(); }

 private:
    rpc::FileDescriptor socket_;
};

// Names are not looked up.
std::string numeric_address(const std::string& name) {
    const auto address = rpc::PeerAddress::parse(name, 0);
    return address ? address->address() : "";
}

class Manager {
 public:
    Manager() {
        spdlog::set_level(spdlog::level::off);  // of every restart and every callback
        manager_.enable_callbacks();
        require(manager_.enable_monitoring(storage_).has_value());
        programs_.add(nlm_program(manager_));
        programs_.add(nsm_program(manager_));
    }

    void receive(unsigned host, std::span<std::byte> message) {
        Arena arena;
        std::vector<iovec> pieces;
        dispatcher_.answer(message, {.connection_id = host, .peer = hosts_[host % 2]}, arena, pieces);
    }

    void check_locks() {
        require(manager_.table.count() <= limits.max_locks);
        std::vector<LockEntry> held;
        for (const LockEntry& entry : manager_.table.list())
            if (entry.waits_for == 0) held.push_back(entry);
        for (const LockEntry& one : held)
            for (const LockEntry& other : held) require(!conflict(one, other));
    }

 private:
    static constexpr LockLimits limits{.max_locks = 64, .max_locks_per_client = 48, .max_waits_per_client = 8};

    static bool conflict(const LockEntry& one, const LockEntry& other) {
        return one.file == other.file && one.owner != other.owner && one.range.first <= other.range.last &&
               other.range.first <= one.range.last &&
               (one.mode == LockMode::exclusive || other.mode == LockMode::exclusive);
    }

    Silence silence_;
    Files files_;
    InMemory storage_;
    LockManager manager_{files_,
                         {.limits = limits,
                          .callback_limit_ms = 1,
                          .portmapper_port = silence_.port(),
                          .boot_id = "boot",
                          .address_of = numeric_address}};
    rpc::ProgramSet programs_;
    rpc::Dispatcher dispatcher_{programs_};
    const rpc::PeerAddress hosts_[2] = {*rpc::PeerAddress::parse("127.0.0.1", 700),
                                        *rpc::PeerAddress::parse("127.0.0.2", 700)};
};

}  // namespace
}  // namespace lockstep::server::nlm

extern "C" int LOCKSTEP_FUZZ_ENTRY(const uint8_t* data, size_t size) {
    using namespace lockstep::server;
    static nlm::Manager manager;
    while (size >= 3) {
        const unsigned host = data[0];
        const size_t length = std::min<size_t>(size - 3, size_t{data[1]} << 8 | data[2]);
        alignas(8) std::byte message[65536];
        std::memcpy(message, data + 3, length);
        manager.receive(host, std::span(message).first(length));
        data += 3 + length;
        size -= 3 + length;
    }
    manager.check_locks();
    return 0;
}
