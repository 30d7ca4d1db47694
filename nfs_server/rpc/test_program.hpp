// A program for tests of the rpc layer: echoes, produces and consumes bulk data, waits at a gate. Not part of the
// server.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstring>
#include <mutex>

#include "nfs_server/rpc/program.hpp"
#include "nfs_server/rpc/test_client.hpp"
#include "nfs_server/wire/nfs3.hpp"

namespace lockstep::server::rpc::test {

constexpr uint32_t test_program_number = 0x20000099;
enum TestProcedure : uint32_t { echo_name = 1, produce = 2, consume = 3, wait_at_gate = 4, whoami = 5 };
constexpr Target to(uint32_t procedure) {
    return {test_program_number, 3, procedure};
}

// Calls that arrive wait until the gate is opened.
class Gate {
 public:
    void pass() {
        std::unique_lock hold(mutex_);
        ++waiting_;
        changed_.notify_all();
        changed_.wait(hold, [this] { return open_; });
    }
    void open() {
        const std::lock_guard hold(mutex_);
        open_ = true;
        changed_.notify_all();
    }
    // Returns when `count` calls have come to the gate.
    void await(int count) {
        std::unique_lock hold(mutex_);
        changed_.wait(hold, [&] { return waiting_ >= count; });
    }

 private:
    std::mutex mutex_;
    std::condition_variable changed_;
    int waiting_ = 0;
    bool open_ = false;
};

// Byte `i` of what `produce` gives and `consume` expects.
inline char pattern(uint64_t i) {
    return static_cast<char>(i * 131 + (i >> 8));
}

inline void produce_data(const CallContext& call, const wire::READ3args& args, wire::READ3res& res) {
    auto& ok = res.READ3res_u.resok;
    const auto data = call.arena.bytes(args.count);
    for (uint32_t i = 0; i < args.count; ++i) data[i] = static_cast<std::byte>(pattern(args.offset + i));
    ok.count = args.count;
    ok.data.data_val = reinterpret_cast<char*>(data.data());
    ok.data.data_len = args.count;
}

inline void consume_data(const CallContext&, const wire::WRITE3args& args, wire::WRITE3res& res) {
    for (uint32_t i = 0; i < args.data.data_len; ++i)
        if (args.data.data_val[i] != pattern(args.offset + i)) res.status = wire::NFS3ERR_IO;
    res.WRITE3res_u.resok.count = args.data.data_len;
}

inline void tell_caller(const CallContext& call, const NoValue&, wire::specdata3& res) {
    res.specdata1 = call.credentials.uid;
    res.specdata2 = call.credentials.supplementary_gids.empty() ? 0 : call.credentials.supplementary_gids[0];
}

inline Program test_program(Gate& gate) {
    Program program(test_program_number, 3, "TEST");
    program.add(echo_name, "ECHO", wire::xdr_filename3, wire::xdr_filename3,
                [](const CallContext&, const wire::filename3& args, wire::filename3& res) { res = args; });
    program.add(produce, "PRODUCE", wire::xdr_READ3args, wire::xdr_READ3res, produce_data);
    program.add(consume, "CONSUME", wire::xdr_WRITE3args, wire::xdr_WRITE3res, consume_data);
    program.add(wait_at_gate, "WAIT", xdr_no_value, xdr_no_value,
                [&gate](const CallContext&, const NoValue&, NoValue&) { gate.pass(); });
    program.add(whoami, "WHOAMI", xdr_no_value, wire::xdr_specdata3, tell_caller);
    return program;
}

inline wire::READ3args produce_args(uint64_t offset, uint32_t count) {
    wire::READ3args args{};
    args.offset = offset;
    args.count = count;
    return args;
}

// Data for `consume`, which must outlive the returned arguments.
inline wire::WRITE3args consume_args(uint64_t offset, std::string& data) {
    for (size_t i = 0; i < data.size(); ++i) data[i] = pattern(offset + i);
    wire::WRITE3args args{};
    args.offset = offset;
    args.count = static_cast<uint32_t>(data.size());
    args.data.data_val = data.data();
    args.data.data_len = static_cast<uint32_t>(data.size());
    return args;
}

inline bool holds_pattern(const wire::READ3res& res, uint64_t offset) {
    const auto& data = res.READ3res_u.resok.data;
    for (uint32_t i = 0; i < data.data_len; ++i)
        if (data.data_val[i] != pattern(offset + i)) return false;
    return true;
}

}  // namespace lockstep::server::rpc::test
