// What the server promises to hold: names of 255 bytes, files of 2^48, times to the nanosecond; and that it still holds
// them after a crash. Layer: ops.
#include "nfs_server/ops/limits.hpp"

#include <atomic>
#include <optional>
#include <set>
#include <string>
#include <thread>

#include "nfs_server/ops/procedures_fixture.hpp"

namespace lockstep::server::ops {
namespace {

using namespace wire;  // status codes
using test::equal;
using test::Handle;
using test::to_handle;

class Limits : public test::Procedures {
 protected:
    // Clients of before must not be used any more.
    void crash() {
        server_.restart();
        after_.emplace(server_.make_client());
    }
    std::optional<test::TestClient> after_;
};

// Every byte that a name may hold.
std::string long_name(char first) {
    std::string name(255, first);
    unsigned byte = 0;
    for (std::size_t i = 1; i < name.size(); ++i) {
        do ++byte;
        while (byte == '/');
        name[i] = static_cast<char>(byte);
    }
    return name;
}

TEST_F(Limits, NamesOf255BytesAreTakenByEveryProcedure) {
    const std::string file = long_name('f'), linked = long_name('l'), moved = long_name('m');
    const std::string directory = long_name('d'), symlink = long_name('s'), pipe = long_name('p');
    const Handle made = client_.must_create(root_, file);
    const Handle below = client_.must_mkdir(root_, directory);
    EXPECT_EQ(client_.symlink(root_, symlink, "text").status, NFS3_OK);
    EXPECT_EQ(client_.mknod(root_, pipe, NF3FIFO).status, NFS3_OK);
    EXPECT_EQ(client_.link(made, below, linked).status, NFS3_OK);
    EXPECT_EQ(client_.rename(root_, file, root_, moved).status, NFS3_OK);
    crash();
    EXPECT_EQ(to_handle(after_->lookup(root_, moved).LOOKUP3res_u.resok.object), made);
    EXPECT_THAT(after_->names(root_), testing::UnorderedElementsAre(".", "..", directory, symlink, pipe, moved));
    EXPECT_THAT(after_->names(below), testing::UnorderedElementsAre(".", "..", linked));
    EXPECT_EQ(after_->remove(below, linked).status, NFS3_OK);
    EXPECT_EQ(after_->remove(root_, moved).status, NFS3_OK);
    EXPECT_EQ(after_->rmdir(root_, directory).status, NFS3_OK);
    EXPECT_EQ(after_->lookup(root_, moved + "x").status, NFS3ERR_NAMETOOLONG);
}

TEST_F(Limits, AFileOf2ToThe48BytesIsHolesAndAFewBlocks) {
    constexpr std::uint64_t size = std::uint64_t{1} << 48;
    const Handle file = client_.must_create(root_, "file");
    EXPECT_EQ(client_.write(file, 0, "begin").status, NFS3_OK);
    EXPECT_EQ(client_.write(file, size - 3, "end").status, NFS3_OK);
    crash();
    const auto attributes = after_->attributes(file);
    EXPECT_EQ(attributes.size, size);
    EXPECT_LE(attributes.used, 64u << 10);
    const auto bytes_at = [&](std::uint64_t offset, std::uint32_t count) {
        const auto ok = after_->read(file, offset, count).READ3res_u.resok;
        EXPECT_EQ(ok.eof, offset + count >= size);
        return std::string(ok.data.data_val, ok.data.data_len);
    };
    EXPECT_EQ(bytes_at(0, 8), std::string("begin\0\0\0", 8));
    EXPECT_EQ(bytes_at(size / 2, 9), std::string(9, '\0'));
    EXPECT_EQ(bytes_at(size - 4, 100), std::string("\0end", 4));
    EXPECT_EQ(after_->setattr(file, test::with_size(5)).status, NFS3_OK);
    EXPECT_EQ(after_->content(file), "begin");
}

TEST_F(Limits, TimesAreKeptToTheNanosecond) {
    const Handle file = client_.must_create(root_, "file");
    const nfstime3 given{4'000'000'000, 123'456'789};
    EXPECT_EQ(client_.setattr(file, test::with_times(SET_TO_CLIENT_TIME, given)).status, NFS3_OK);
    server_.fs.clock().advance(1);
    EXPECT_EQ(client_.setattr(root_, test::with_times(SET_TO_SERVER_TIME)).status, NFS3_OK);
    const auto now = static_cast<std::uint64_t>(server_.fs.clock().real_time_ns());
    crash();
    EXPECT_TRUE(equal(after_->attributes(file).mtime, given) && equal(after_->attributes(file).atime, given));
    const nfstime3 root_time = after_->attributes(root_).mtime;
    EXPECT_EQ(root_time.seconds * 1'000'000'000ull + root_time.nseconds, now);
    EXPECT_EQ(after_->fsinfo(root_).FSINFO3res_u.resok.time_delta.nseconds, 1u);
}

TEST_F(Limits, AnExclusiveCreateIsRememberedAcrossACrash) {
    const auto first = client_.create_exclusive(root_, "file", 0x1122334455667788);
    ASSERT_EQ(first.status, NFS3_OK);
    const Handle file = to_handle(first.CREATE3res_u.resok.obj);
    crash();
    const auto again = after_->create_exclusive(root_, "file", 0x1122334455667788);
    ASSERT_EQ(again.status, NFS3_OK);
    EXPECT_EQ(to_handle(again.CREATE3res_u.resok.obj), file);
    EXPECT_EQ(after_->create_exclusive(root_, "file", 0x1122334455667789).status, NFS3ERR_EXIST);
    EXPECT_EQ(after_->create(root_, "file", GUARDED).status, NFS3ERR_EXIST);
}

// A client that lists a directory in small parts, by either procedure.
template <class List>
std::multiset<std::string> listed(List list) {
    std::multiset<std::string> seen;
    std::uint64_t cookie = 0, verifier = 0;
    for (bool is_end = false; !is_end;) {
        const auto reply = list(cookie, verifier);
        EXPECT_TRUE(cookie == 0 || get_verifier(reply.cookieverf) == verifier) << "it stays the same";
        verifier = get_verifier(reply.cookieverf);
        for (const auto* entry = reply.reply.entries; entry != nullptr; entry = entry->nextentry) {
            seen.insert(entry->name);
            cookie = entry->cookie;
        }
        is_end = reply.reply.eof;
    }
    return seen;
}

// Between the parts, and at any moment beside them, another client makes, renames and removes other names.
TEST_F(Limits, AListingInPartsSeesWhatStaysOnceWhateverOthersChange) {
    const Handle directory = client_.must_mkdir(root_, "directory");
    std::set<std::string> staying{".", ".."};
    for (int i = 0; i < 150; ++i) staying.insert("stays " + std::to_string(i));
    for (const std::string& name : staying)
        if (name.front() != '.') client_.must_create(directory, name);
    std::atomic<bool> stopping{false};
    std::atomic<int> changes{0};
    std::thread other([&] {
        test::TestClient changer = server_.make_client();
        for (int i = 0; !stopping; ++i) {
            const std::string name = "passes " + std::to_string(i % 60);
            changer.create(directory, name, UNCHECKED);
            changer.rename(directory, name, directory, "moved " + std::to_string(i % 40));
            changer.remove(directory, "moved " + std::to_string((i + 20) % 40));
            changer.reset();
            ++changes;
        }
    });
    const auto expect_staying = [&](const std::multiset<std::string>& seen, const char* what) {
        for (const std::string& name : staying) EXPECT_EQ(seen.count(name), 1u) << what << ", " << name;
        client_.reset();
    };
    for (int round = 0; round < 10; ++round) {
        for (const int before = changes; changes < before + 20;) std::this_thread::yield();
        expect_staying(listed([&](std::uint64_t cookie, std::uint64_t verifier) {
                           const auto res = client_.readdir(directory, cookie, verifier, 600);
                           EXPECT_EQ(res.status, NFS3_OK);
                           return res.READDIR3res_u.resok;
                       }),
                       "READDIR");
        expect_staying(listed([&](std::uint64_t cookie, std::uint64_t verifier) {
                           const auto res = client_.readdirplus(directory, cookie, verifier, 600, 3000);
                           EXPECT_EQ(res.status, NFS3_OK);
                           return res.READDIRPLUS3res_u.resok;
                       }),
                       "READDIRPLUS");
    }
    stopping = true;
    other.join();
}

}  // namespace
}  // namespace lockstep::server::ops
