// Large WRITEs as they come from a stream, their data received apart: the file is as if it had not been.
#include "nfs_server/ops/write_payload.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "nfs_server/fs/test_file_system.hpp"
#include "nfs_server/ops/nfs3_program.hpp"
#include "nfs_server/ops/reply_cache.hpp"
#include "nfs_server/rpc/dispatcher.hpp"
#include "nfs_server/rpc/record_reader.hpp"
#include "nfs_server/rpc/test_client.hpp"

namespace lockstep::server::ops {
namespace {

using rpc::test::Bytes;
using namespace wire;

class WritePayloadTest : public testing::Test {
 protected:
    WritePayloadTest() {
        programs_.add(make_nfs3_program(service_));
        const auto root = files_->handle_of(files_->root());
        handle_.assign(reinterpret_cast<const char*>(root.data()), root.size());
        static char name[] = "file";
        Arena arena;
        const auto made = call(8, xdr_CREATE3args, CREATE3args{{file(), name}, {UNCHECKED, {}}}, xdr_CREATE3res, arena);
        const auto& handle = made.CREATE3res_u.resok.obj.post_op_fh3_u.handle.data;
        handle_.assign(handle.data_val, handle.data_len);
    }

    nfs_fh3 file() { return {{static_cast<u_int>(handle_.size()), handle_.data()}}; }

    // What the message, read from a stream in pieces of read_bytes, is answered.
    template <class Res>
    Res receive(const Bytes& record, size_t read_bytes, bool_t (*xdr_res)(XDR*, Res*), Arena& arena) {
        rpc::RecordReader reader(size_t{2} << 20, budget_, &dispatcher_);
        std::vector<rpc::Record> records;
        std::span<const std::byte> stream = record;
        while (!stream.empty()) {
            size_t left = std::min(stream.size(), read_bytes), taken = 0;
            for (const iovec& piece : reader.room()) {
                const size_t size = std::min(piece.iov_len, left);
                std::memcpy(piece.iov_base, stream.data(), size);
                stream = stream.subspan(size);
                left -= size;
                taken += size;
            }
            EXPECT_TRUE(reader.take(taken, records));
        }
        EXPECT_EQ(records.size(), 1u);
        lay_apart_ = records.at(0).payload != nullptr;
        std::vector<iovec> pieces;
        Arena of_reply;
        dispatcher_.answer(records[0].bytes(), {.connection_id = 1, .peer = peer_}, of_reply, pieces,
                           records[0].placed_payload());
        reply_ = rpc::test::parse_reply(rpc::test::gathered(pieces)).value();
        return reply_.decode(xdr_res, arena).value();
    }
    template <class Args, class Res>
    Res call(uint32_t procedure, bool_t (*xdr_args)(XDR*, Args*), Args args, bool_t (*xdr_res)(XDR*, Res*),
             Arena& arena) {
        const Bytes message = rpc::test::call_message(++xid_, {NFS_PROGRAM, 3, procedure}, xdr_args, args, 0);
        return receive(rpc::test::record_of(message), SIZE_MAX, xdr_res, arena);
    }

    std::string data_of(size_t size) {
        std::string data(size, 0);
        for (char& c : data) c = static_cast<char>(random_());
        return data;
    }
    static WRITE3args write_args(const nfs_fh3& file, uint64_t offset, std::string& data) {
        const auto size = static_cast<u_int>(data.size());
        return {file, offset, size, UNSTABLE, {size, data.data()}};
    }
    Bytes write_message(uint64_t offset, std::string& data) {
        return rpc::test::call_message(++xid_, {NFS_PROGRAM, 3, 7}, xdr_WRITE3args, write_args(file(), offset, data),
                                       0);
    }
    std::string content() {
        std::string all;
        for (;;) {
            Arena arena;
            const auto res = call(6, xdr_READ3args, READ3args{file(), all.size(), 65536}, xdr_READ3res, arena);
            const auto& ok = res.READ3res_u.resok;
            all.append(ok.data.data_val, ok.data.data_len);
            if (ok.eof) return all;
        }
    }

    fs::test::TestFileSystem files_{{.background = true}};
    std::unique_ptr<ReplyCache> replies_ = std::move(*ReplyCache::open(*files_));
    Service service_{*files_, 1, replies_.get()};
    rpc::ProgramSet programs_;
    rpc::Dispatcher dispatcher_{programs_};
    rpc::MemoryBudget budget_{size_t{64} << 20};
    rpc::PeerAddress peer_ = *rpc::PeerAddress::parse("192.0.2.1", 1000);
    std::mt19937_64 random_{7};
    uint32_t xid_ = 0;
    std::string handle_;
    rpc::test::Reply reply_;
    bool lay_apart_ = false;
};

// Aligned or not, over what is there and past the end, whole blocks and parts of them, in any pieces.
TEST_F(WritePayloadTest, FilesAreAsIfTheDataHadComeInOnePiece) {
    std::string expected;
    for (int round = 0; round < 120; ++round) {
        const bool is_aligned = random_() % 3 == 0;
        const uint64_t offset = is_aligned ? random_() % 30 * 4096 : random_() % 120'000;
        std::string data = data_of(is_aligned && round % 2 == 0 ? 65'536 : 16'300 + random_() % 60'000);
        const Bytes record = rpc::test::record_of(write_message(offset, data));
        Arena arena;
        const auto res = receive(record, round % 2 == 0 ? 1000 + random_() % 5000 : SIZE_MAX, xdr_WRITE3res, arena);
        ASSERT_EQ(res.status, NFS3_OK);
        ASSERT_EQ(res.WRITE3res_u.resok.count, data.size());
        EXPECT_EQ(lay_apart_, record.size() - 4 >= 16'384) << record.size();
        expected.resize(std::max(expected.size(), offset + data.size()), 0);
        expected.replace(offset, data.size(), data);
        if (round % 10 == 9) {
            ASSERT_EQ(content(), expected) << "round " << round;
        }
    }
}

// Blocks are used again: what is around the data in them is somebody else's.
TEST_F(WritePayloadTest, NothingOfAFormerUseOfTheMemoryGetsIntoTheFile) {
    {
        std::vector<BlockBuffer> secrets(600);
        for (BlockBuffer& secret : secrets) {
            secret = BlockBuffer::uninitialised();
            std::memset(secret.mutable_data(), 'S', block_size_bytes);
        }
    }
    std::string data(20'001, 'd');
    Arena arena;
    ASSERT_EQ(receive(rpc::test::record_of(write_message(4096 + 77, data)), SIZE_MAX, xdr_WRITE3res, arena).status,
              NFS3_OK);
    EXPECT_TRUE(lay_apart_);
    // Grown by a hole: what was behind the end must read as zeros.
    std::string end = "e";
    ASSERT_EQ(receive(rpc::test::record_of(write_message(40'000, end)), SIZE_MAX, xdr_WRITE3res, arena).status,
              NFS3_OK);
    const std::string all = content();
    EXPECT_EQ(std::string(4096 + 77, 0) + data + std::string(40'000 - 4096 - 77 - data.size(), 0) + end, all);
}

TEST_F(WritePayloadTest, ACountOtherThanTheDataIsInvalid) {
    std::string data = data_of(20'000);
    WRITE3args args = write_args(file(), 0, data);
    args.count = 19'999;
    Arena arena;
    EXPECT_EQ(call(7, xdr_WRITE3args, args, xdr_WRITE3res, arena).status, NFS3ERR_INVAL);
    EXPECT_TRUE(lay_apart_);
    EXPECT_EQ(content(), "");
}

// In two fragments the data is not received apart; it is the same call all the same.
TEST_F(WritePayloadTest, ACallSentAgainInOtherPiecesIsAnsweredWithTheFirstReply) {
    std::string first = data_of(20'000), second = data_of(20'000);
    const Bytes message = write_message(0, first);
    Arena arena;
    const auto before = receive(rpc::test::record_of(message), SIZE_MAX, xdr_WRITE3res, arena);
    ASSERT_TRUE(lay_apart_);
    ASSERT_EQ(receive(rpc::test::record_of(write_message(0, second)), SIZE_MAX, xdr_WRITE3res, arena).status, NFS3_OK);
    const auto again = receive(rpc::test::record_of(message, 12'000), SIZE_MAX, xdr_WRITE3res, arena);
    ASSERT_FALSE(lay_apart_);
    EXPECT_EQ(content(), second) << "not written twice";
    EXPECT_EQ(again.WRITE3res_u.resok.file_wcc.after.post_op_attr_u.attributes.mtime.nseconds,
              before.WRITE3res_u.resok.file_wcc.after.post_op_attr_u.attributes.mtime.nseconds);
}

TEST_F(WritePayloadTest, DataThatTheMessageDoesNotHoldIsNotFound) {
    std::string data = data_of(20'000);
    Bytes message = write_message(0, data);
    message.resize(message.size() - 100);
    rpc::RecordReader reader(size_t{2} << 20, budget_, &dispatcher_);
    EXPECT_EQ(dispatcher_.find_payload(std::span(message).first(200), message.size()).result,
              rpc::PayloadSearch::Result::none);
    EXPECT_EQ(dispatcher_.find_payload(std::span(message).first(200), message.size() + 100).result,
              rpc::PayloadSearch::Result::found);
    EXPECT_EQ(dispatcher_.find_payload(std::span(message).first(40), message.size() + 100).result,
              rpc::PayloadSearch::Result::undecided);
}

}  // namespace
}  // namespace lockstep::server::ops
