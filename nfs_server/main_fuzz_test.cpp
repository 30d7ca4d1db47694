// Everything that a client can send, from record marks to procedures, against a whole server without its sockets. The
// entry is libFuzzer's, so that a fuzzer of that kind can drive it; here a seeded mutator does, over corpus/ and valid
// calls of all procedures. What counts is that nothing crashes, hangs or reads beyond its memory (run it under
// AddressSanitizer), and that the server answers a good call afterwards.
#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <random>

#include "nfs_server/fs/test_file_system.hpp"
#include "nfs_server/nlm/nlm_program.hpp"
#include "nfs_server/ops/mount_program.hpp"
#include "nfs_server/ops/nfs3_program.hpp"
#include "nfs_server/rpc/dispatcher.hpp"
#include "nfs_server/rpc/record_reader.hpp"
#include "nfs_server/rpc/test_client.hpp"
#include "nfs_server/wire/mount3.hpp"
#include "nfs_server/wire/nfs3.hpp"
#include "nfs_server/wire/nlm4.hpp"

namespace lockstep::server::test {
namespace {

using rpc::test::Bytes;
using namespace wire;

class Resolver final : public nlm::FileResolver {
 public:
    explicit Resolver(fs::FileSystem& file_system) : file_system_(file_system) {}
    fs::Outcome<fs::FileIdentity> resolve(std::span<const std::byte> handle, const rpc::CallContext& call,
                                          nlm::LockMode) override {
        return file_system_.resolve(handle, call.request_id);
    }
    fs::Outcome<fs::FileIdentity> decode(std::span<const std::byte> handle) override {
        return file_system_.decode(handle);
    }

 private:
    fs::FileSystem& file_system_;
};

// The layers from the dispatcher down, with one file system in memory.
class Server {
 public:
    Server() {
        programs_.add(ops::make_nfs3_program(service_));
        programs_.add(ops::make_mount_program(mounts_));
        programs_.add(nlm::nlm_program(locks_));
        const auto handle = files_->handle_of(files_->root());
        root_.assign(reinterpret_cast<const char*>(handle.data()), handle.size());
        create_file();
    }

    // As a connection does: records out of the stream, an answer for each, until something is wrong with the stream.
    std::vector<rpc::Answer> receive(std::span<const uint8_t> stream) {
        rpc::MemoryBudget budget(size_t{64} << 20);
        rpc::RecordReader reader(size_t{2} << 20, budget, &dispatcher_);
        std::vector<rpc::Answer> answers;
        while (!stream.empty()) {
            std::vector<rpc::Record> records;
            size_t taken = 0;
            for (const iovec& piece : reader.room()) {
                const size_t size = std::min(piece.iov_len, stream.size());
                std::memcpy(piece.iov_base, stream.data(), size);
                stream = stream.subspan(size);
                taken += size;
            }
            const bool good = reader.take(taken, records).has_value();
            for (const auto& record : records) {
                answers.push_back(answer(record.bytes(), record.placed_payload()));
                if (answers.back().kind == rpc::Answer::Kind::none) return answers;
            }
            if (!good) break;
        }
        return answers;
    }

    bool is_alive() {
        Bytes call = rpc::test::call_message(1, {100003, 3, 1}, xdr_GETATTR3args, GETATTR3args{root()}, 0);
        const auto answered = answer(call);
        return answered.kind == rpc::Answer::Kind::reply && answered.accept_status == 0;
    }

    nfs_fh3 root() { return {{static_cast<u_int>(root_.size()), root_.data()}}; }
    nfs_fh3 file() { return {{static_cast<u_int>(file_.size()), file_.data()}}; }

 private:
    rpc::Answer answer(std::span<std::byte> message, const rpc::PlacedPayload& payload = {}) {
        Arena arena;
        std::vector<iovec> pieces;
        const auto answered = dispatcher_.answer(message, {.connection_id = 1, .peer = peer_}, arena, pieces, payload);
        // What the transport would read.
        reply_ = rpc::test::gathered(pieces);
        EXPECT_EQ(reply_.size(), answered.size_bytes);
        return answered;
    }
    void create_file() {
        static char name[] = "file";
        const CREATE3args args{{root(), name}, {UNCHECKED, {}}};
        Bytes call = rpc::test::call_message(1, {100003, 3, 8}, xdr_CREATE3args, args, 0);
        answer(call);
        Arena arena;
        auto reply = rpc::test::parse_reply(reply_).value();
        const auto res = reply.decode(xdr_CREATE3res, arena).value();
        const auto& handle = res.CREATE3res_u.resok.obj.post_op_fh3_u.handle.data;
        file_.assign(handle.data_val, handle.data_len);
    }

    fs::test::TestFileSystem files_{{.background = true}};
    ops::Service service_{*files_, 1};
    ops::Exports exports_{*ops::ExportTable::make({{.path = "/export"}})};
    ops::MountService mounts_{service_, exports_};
    Resolver resolver_{*files_};
    nlm::LockManager locks_{resolver_};
    rpc::ProgramSet programs_;
    rpc::Dispatcher dispatcher_{programs_};
    rpc::PeerAddress peer_ = *rpc::PeerAddress::parse("192.0.2.1", 1000);
    Bytes reply_;
    std::string root_;
    std::string file_;
};

Server& server() {
    static Server server;
    return server;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    server().receive({data, size});
    return 0;
}

namespace {

using Stream = std::vector<uint8_t>;

Stream stream_of(const Bytes& message) {
    const Bytes record = rpc::test::record_of(message);
    const auto* first = reinterpret_cast<const uint8_t*>(record.data());
    return {first, first + record.size()};
}

Stream read_hex(const std::filesystem::path& file) {
    Stream stream;
    std::ifstream lines(file);
    std::string digits;
    for (std::string line; std::getline(lines, line);)
        for (const char c : line.substr(0, line.find('#')))
            if (std::isxdigit(static_cast<unsigned char>(c))) digits += c;
    for (size_t i = 0; i + 1 < digits.size(); i += 2)
        stream.push_back(static_cast<uint8_t>(std::stoi(digits.substr(i, 2), nullptr, 16)));
    return stream;
}

// Valid calls of every procedure, so that mutations get past the decoder. Strings live as long as the process.
class Calls {
 public:
    std::vector<Stream> all() {
        static char name[] = "name";
        static char other[] = "other name";
        static char data[] = "some data that is written";
        const nfs_fh3 root = server().root();
        const nfs_fh3 file = server().file();
        const diropargs3 entry{root, name};
        const diropargs3 target{root, other};
        sattr3 attributes{};
        attributes.mode = {TRUE, {0755}};
        attributes.size = {TRUE, {100}};
        attributes.atime = {SET_TO_CLIENT_TIME, {{1, 2}}};

        add(100003, 1, xdr_GETATTR3args, GETATTR3args{root});
        add(100003, 2, xdr_SETATTR3args, SETATTR3args{root, attributes, {TRUE, {{1, 2}}}});
        add(100003, 3, xdr_LOOKUP3args, LOOKUP3args{entry});
        add(100003, 4, xdr_ACCESS3args, ACCESS3args{root, 63});
        add(100003, 5, xdr_READLINK3args, READLINK3args{file});
        add(100003, 6, xdr_READ3args, READ3args{file, 0, 4096});
        add(100003, 7, xdr_WRITE3args, WRITE3args{file, 0, sizeof data, UNSTABLE, {sizeof data, data}});
        static char much[20'000];
        add(100003, 7, xdr_WRITE3args, WRITE3args{file, 1000, sizeof much, FILE_SYNC, {sizeof much, much}});
        add(100003, 8, xdr_CREATE3args, CREATE3args{entry, {UNCHECKED, {attributes}}});
        add(100003, 9, xdr_MKDIR3args, MKDIR3args{target, attributes});
        add(100003, 10, xdr_SYMLINK3args, SYMLINK3args{target, {attributes, name}});
        add(100003, 11, xdr_MKNOD3args, MKNOD3args{target, {NF3FIFO, {{attributes, {1, 2}}}}});
        add(100003, 12, xdr_REMOVE3args, REMOVE3args{entry});
        add(100003, 13, xdr_RMDIR3args, RMDIR3args{target});
        add(100003, 14, xdr_RENAME3args, RENAME3args{entry, target});
        add(100003, 15, xdr_LINK3args, LINK3args{file, entry});
        add(100003, 16, xdr_READDIR3args, READDIR3args{root, 0, {}, 4096});
        add(100003, 17, xdr_READDIRPLUS3args, READDIRPLUS3args{root, 0, {}, 512, 4096});
        add(100003, 18, xdr_FSSTAT3args, FSSTAT3args{root});
        add(100003, 19, xdr_FSINFO3args, FSINFO3args{root});
        add(100003, 20, xdr_PATHCONF3args, PATHCONF3args{root});
        add(100003, 21, xdr_COMMIT3args, COMMIT3args{file, 0, 0});
        static char path[] = "/export/name";
        add(100005, 1, xdr_dirpath, dirpath{path});
        add(100005, 2, rpc::xdr_no_value, rpc::NoValue{});
        add(100005, 3, xdr_dirpath, dirpath{path});
        add(100005, 5, rpc::xdr_no_value, rpc::NoValue{});
        const nlm_netobj object{4, name};
        const nlm4_lock lock{name, {file.data.data_len, file.data.data_val}, object, 1, 10, 20};
        add(100021, 1, xdr_nlm4_testargs, nlm4_testargs{object, TRUE, lock}, 4);
        add(100021, 2, xdr_nlm4_lockargs, nlm4_lockargs{object, FALSE, TRUE, lock, FALSE, 0}, 4);
        add(100021, 3, xdr_nlm4_cancargs, nlm4_cancargs{object, FALSE, TRUE, lock}, 4);
        add(100021, 4, xdr_nlm4_unlockargs, nlm4_unlockargs{object, lock}, 4);
        add(100021, 23, xdr_nlm4_notify, nlm4_notify{name, 1}, 4);
        return std::move(calls_);
    }

 private:
    template <class Args>
    void add(uint32_t program, uint32_t procedure, bool_t (*xdr_args)(XDR*, Args*), Args args, uint32_t version = 3) {
        calls_.push_back(stream_of(rpc::test::call_message(1, {program, version, procedure}, xdr_args, args, 0)));
    }
    std::vector<Stream> calls_;
};

// One change of the kinds that break parsers: a bit, a length-like word, a cut, a repetition.
void mutate(Stream& stream, std::mt19937_64& random) {
    static constexpr uint32_t words[] = {0,   1,   2,    3,    4,          63,         64,         65,
                                         255, 256, 1024, 1025, 0x7fffffff, 0x80000000, 0xfffffffc, 0xffffffff};
    if (stream.size() < 8) return;
    // Heads are short, and more happens there.
    const size_t at = random() % (random() % 2 == 0 ? stream.size() : std::min<size_t>(stream.size(), 200));
    switch (random() % 5) {
        case 0:
            stream[at] ^= static_cast<uint8_t>(1u << random() % 8);
            break;
        case 1:
        case 2: {
            const uint32_t word = htonl(words[random() % std::size(words)]);
            std::memcpy(stream.data() + std::min(at / 4 * 4, stream.size() - 4), &word, 4);
            break;
        }
        case 3:
            stream.resize(at);
            break;
        default:
            stream.insert(stream.begin() + static_cast<ptrdiff_t>(at / 4 * 4), stream.begin(),
                          stream.begin() + static_cast<ptrdiff_t>(random() % stream.size()));
    }
}

// Makes the record mark right again, so that the change is seen by what lies behind it.
void mend_mark(Stream& stream) {
    if (stream.size() < 4) return;
    const uint32_t mark = htonl(0x80000000u | static_cast<uint32_t>(stream.size() - 4));
    std::memcpy(stream.data(), &mark, 4);
}

TEST(Fuzz, ValidCallsAreAnsweredByTheirProcedures) {
    size_t number = 0;
    for (const Stream& call : Calls().all()) {
        const auto answers = server().receive(call);
        ASSERT_EQ(answers.size(), 1u);
        EXPECT_EQ(answers[0].kind, rpc::Answer::Kind::reply) << "call " << number;
        EXPECT_EQ(answers[0].accept_status, 0u) << "call " << number;
        ++number;
    }
    EXPECT_EQ(number, 31u);
}

TEST(Fuzz, TheCorpusDoesNoHarm) {
    size_t files = 0;
    const char* root = std::getenv("LOCKSTEP_SOURCE_DIR");
    for (const auto& entry :
         std::filesystem::directory_iterator(std::string(root ? root : ".") + "/nfs_server/corpus")) {
        if (entry.path().extension() != ".hex") continue;
        const Stream stream = read_hex(entry.path());
        EXPECT_GE(stream.size(), 8u) << entry.path();
        LLVMFuzzerTestOneInput(stream.data(), stream.size());
        EXPECT_TRUE(server().is_alive()) << entry.path();
        ++files;
    }
    EXPECT_GE(files, 6u);
}

TEST(Fuzz, MutationsDoNoHarm) {
    const char* given = std::getenv("LOCKSTEP_FUZZ_SEED");
    const uint64_t seed = given ? std::stoull(given) : 1;
    SCOPED_TRACE(testing::Message() << "LOCKSTEP_FUZZ_SEED=" << seed);
    std::mt19937_64 random(seed);
    const auto calls = Calls().all();
    for (int i = 0; i < 40'000; ++i) {
        Stream stream = calls[random() % calls.size()];
        for (size_t changes = 1 + random() % 4; changes > 0; --changes) mutate(stream, random);
        if (random() % 8 != 0) mend_mark(stream);
        LLVMFuzzerTestOneInput(stream.data(), stream.size());
        ASSERT_TRUE(i % 100 != 0 || server().is_alive()) << "mutation " << i;
    }
    EXPECT_TRUE(server().is_alive());
}

}  // namespace
}  // namespace lockstep::server::test
