// Round trips of rpcgen's types over our streams, and what happens to lies.
#include <gtest/gtest.h>

#include <arpa/inet.h>

#include <cstring>
#include <random>
#include <string>

#include "nfs_server/wire/mount3.hpp"
#include "nfs_server/wire/nfs3.hpp"
#include "nfs_server/wire/nlm4.hpp"
#include "nfs_server/wire/nsm1.hpp"
#include "nfs_server/wire/rpc_auth.hpp"
#include "nfs_server/wire/xdr_decoder.hpp"
#include "nfs_server/wire/xdr_encoder.hpp"

namespace lockstep::server::wire {
namespace {

template <class T>
std::vector<std::byte> encoded(bool_t (*xdr_value)(XDR*, T*), T& value) {
    Arena arena;
    std::vector<iovec> pieces;
    XdrEncoder encoder(arena, pieces);
    EXPECT_TRUE(encoder.encode(xdr_value, value));
    encoder.finish();
    std::vector<std::byte> bytes;
    for (const iovec& piece : pieces) {
        const auto* start = static_cast<const std::byte*>(piece.iov_base);
        bytes.insert(bytes.end(), start, start + piece.iov_len);
    }
    EXPECT_EQ(bytes.size(), encoder.size_bytes());
    return bytes;
}

WRITE3args write_args(std::string& handle, std::string& data) {
    WRITE3args args{};
    args.file.data.data_val = handle.data();
    args.file.data.data_len = static_cast<u_int>(handle.size());
    args.offset = 0x1122334455667788;
    args.count = static_cast<count3>(data.size());
    args.stable = FILE_SYNC;
    args.data.data_val = data.data();
    args.data.data_len = static_cast<u_int>(data.size());
    return args;
}

TEST(Xdr, WriteArgumentsOfEverySizeComeBack) {
    for (const size_t size : {0, 1, 2, 3, 4, 5, 2047, 2048, 2049, 2051, 1 << 20}) {
        std::string handle = "handle";
        std::string data(size, 'd');
        WRITE3args args = write_args(handle, data);
        auto bytes = encoded(xdr_WRITE3args, args);
        ASSERT_EQ(bytes.size() % 4, 0u);

        Arena arena;
        XdrDecoder decoder(bytes, arena);
        WRITE3args back{};
        ASSERT_TRUE(decoder.decode(xdr_WRITE3args, back)) << size;
        EXPECT_EQ(decoder.remaining_bytes(), 0u);
        EXPECT_EQ(back.offset, args.offset);
        EXPECT_EQ(back.stable, FILE_SYNC);
        EXPECT_EQ(std::string(back.data.data_val, back.data.data_len), data);
        EXPECT_EQ(arena.held_bytes(), 0u) << "write data is not copied";
    }
}

TEST(Xdr, NamesAreTerminatedInPlace) {
    for (const std::string text : {"", "a", "ab", "abc", "abcd", "abcde", "a name with spaces"}) {
        std::string handle = "h";
        std::string name = text;
        std::string target = text + text;
        SYMLINK3args args{};
        args.where.dir.data = {1, handle.data()};
        args.where.name = name.data();
        args.symlink.symlink_data = target.data();
        auto bytes = encoded(xdr_SYMLINK3args, args);
        Arena arena;
        XdrDecoder decoder(bytes, arena);
        SYMLINK3args back{};
        ASSERT_TRUE(decoder.decode(xdr_SYMLINK3args, back));
        EXPECT_STREQ(back.where.name, text.c_str());
        EXPECT_EQ(back.symlink.symlink_data, target);
    }
}

TEST(Xdr, AListOfEntriesComesBack) {
    Arena arena;
    READDIR3res res{};
    entry3** tail = &res.READDIR3res_u.resok.reply.entries;
    for (uint64_t i = 0; i < 2000; ++i) {
        auto* entry = arena.make<entry3>();
        entry->fileid = i;
        entry->name = const_cast<char*>("name");
        *tail = entry;
        tail = &entry->nextentry;
    }
    auto bytes = encoded(xdr_READDIR3res, res);
    XdrDecoder decoder(bytes, arena);
    READDIR3res back{};
    ASSERT_TRUE(decoder.decode(xdr_READDIR3res, back));
    uint64_t count = 0;
    for (entry3* entry = back.READDIR3res_u.resok.reply.entries; entry; entry = entry->nextentry)
        ASSERT_EQ(entry->fileid, count++);
    EXPECT_EQ(count, 2000u);
}

// Every prefix of a valid value is refused: none reads beyond its end (AddressSanitizer watches).
TEST(Xdr, EveryTruncationIsRefused) {
    std::string handle(64, 'h');
    std::string data(40, 'd');
    WRITE3args args = write_args(handle, data);
    const auto whole = encoded(xdr_WRITE3args, args);
    for (size_t size = 0; size < whole.size(); ++size) {
        auto cut = std::make_unique<std::byte[]>(size);
        std::memcpy(cut.get(), whole.data(), size);
        Arena arena;
        XdrDecoder decoder({cut.get(), size}, arena);
        WRITE3args back{};
        EXPECT_FALSE(decoder.decode(xdr_WRITE3args, back)) << size;
    }
}

std::vector<std::byte> words(std::initializer_list<uint32_t> values) {
    std::vector<std::byte> bytes(values.size() * 4);
    size_t offset = 0;
    for (const uint32_t value : values) {
        const uint32_t word = htonl(value);
        std::memcpy(bytes.data() + offset, &word, 4);
        offset += 4;
    }
    return bytes;
}

TEST(Xdr, LengthsThatLieTakeNoMemory) {
    for (const uint32_t lie : {65u, 1000u, 0x7fffffffu, 0xfffffffdu, 0xffffffffu}) {
        auto bytes = words({lie, 1, 2, 3});
        Arena arena;
        {
            XdrDecoder decoder(bytes, arena);
            GETATTR3args args{};
            EXPECT_FALSE(decoder.decode(xdr_GETATTR3args, args));
        }
        auto gids = words({0, 0, 0, 0, lie, 1});
        XdrDecoder decoder(gids, arena);
        auth_sys_parms parms{};
        EXPECT_FALSE(decoder.decode(xdr_auth_sys_parms, parms));
        EXPECT_EQ(arena.held_bytes(), 0u);
    }
}

TEST(Xdr, AnEnumerationOutsideItsRangeIsRefused) {
    for (const uint32_t value : {0u, 1u, 2u, 3u, 77u, 0xffffffffu}) {
        auto bytes = words({value, 1, 2});
        Arena arena;
        XdrDecoder decoder(bytes, arena);
        stable_how how{};
        EXPECT_EQ(decoder.decode(xdr_stable_how, how), value <= 2) << value;
    }
}

TEST(Xdr, AStringWithANulInsideIsRefused) {
    std::vector<std::byte> bytes = words({4, 0x61006263});
    Arena arena;
    XdrDecoder decoder(bytes, arena);
    filename3 name{};
    EXPECT_FALSE(decoder.decode(xdr_filename3, name));
}

TEST(Xdr, AListDeeperThanTheLimitIsRefused) {
    // An export list of `length` entries: present, an empty path, no groups; then the end.
    const auto decodes = [](size_t length) {
        std::vector<std::byte> bytes((length * 3 + 1) * 4);
        for (size_t i = 0; i < length; ++i) bytes[i * 12 + 3] = std::byte{1};
        Arena arena;
        XdrDecoder decoder(bytes, arena);
        exports list{};
        return decoder.decode(xdr_exports, list);
    };
    EXPECT_TRUE(decodes(4000));
    EXPECT_FALSE(decodes(100'000));
}

template <class T>
void decode_random(std::mt19937_64& random, bool_t (*xdr_value)(XDR*, T*)) {
    const size_t size = (random() % 64) * 4;
    auto bytes = std::make_unique<std::byte[]>(size);
    // Mostly small words, so that lengths and discriminants are often plausible.
    for (size_t i = 0; i < size; ++i)
        bytes[i] = static_cast<std::byte>(i % 4 == 3 ? random() % 8 : random() % 40 == 0 ? random() : 0);
    Arena arena;
    XdrDecoder decoder({bytes.get(), size}, arena);
    T value{};
    (void)decoder.decode(xdr_value, value);
    EXPECT_LT(arena.held_bytes(), size_t{64} << 10);
}

TEST(Xdr, RandomBytesNeverReadBeyondTheRecord) {
    const uint64_t seed = 20240501;
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    std::mt19937_64 random(seed);
    for (int i = 0; i < 3000; ++i) {
        decode_random(random, xdr_WRITE3args);
        decode_random(random, xdr_SETATTR3args);
        decode_random(random, xdr_CREATE3args);
        decode_random(random, xdr_MKNOD3args);
        decode_random(random, xdr_RENAME3args);
        decode_random(random, xdr_nlm4_lockargs);
        decode_random(random, xdr_nlm4_shareargs);
        decode_random(random, xdr_nlm4_notify);
        decode_random(random, xdr_mon);
        decode_random(random, xdr_exports);
        decode_random(random, xdr_READDIRPLUS3res);
        decode_random(random, xdr_auth_sys_parms);
    }
}

}  // namespace
}  // namespace lockstep::server::wire
