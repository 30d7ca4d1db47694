// What the procedures on names answer, and every error that they know (RFC 1813 section 3.3).
#include <gmock/gmock.h>

#include <map>
#include <set>

#include "nfs_server/ops/procedures_fixture.hpp"
#include "nfs_server/wire/xdr_encoder.hpp"

namespace lockstep::server::ops {
namespace {

using namespace wire;  // status codes
using test::Handle;
using test::Procedures;
using test::to_handle;
using testing::ElementsAre;
using testing::UnorderedElementsAre;

// --- CREATE ----------------------------------------------------------------------------------------------------------

TEST_F(Procedures, CreateGuardedRefusesANameThatIsThere) {
    EXPECT_EQ(client_.create(root_, "file", GUARDED).status, NFS3_OK);
    EXPECT_EQ(client_.create(root_, "file", GUARDED).status, NFS3ERR_EXIST);
}

TEST_F(Procedures, CreateUncheckedKeepsAFileThatIsThereAndCutsItOnlyWhenAsked) {
    const Handle file = client_.must_create(root_, "file", 0640);
    client_.write(file, 0, "content");
    const auto kept = client_.create(root_, "file", UNCHECKED, test::with_mode(0777));
    ASSERT_EQ(kept.status, NFS3_OK);
    EXPECT_EQ(to_handle(kept.CREATE3res_u.resok.obj), file);
    EXPECT_EQ(client_.content(file), "content");
    EXPECT_EQ(client_.attributes(file).mode, 0640u);
    EXPECT_EQ(client_.create(root_, "file", UNCHECKED, test::with_size(0)).status, NFS3_OK);
    EXPECT_EQ(client_.content(file), "");
    client_.must_mkdir(root_, "directory");
    EXPECT_EQ(client_.create(root_, "directory", UNCHECKED).status, NFS3ERR_EXIST);
}

TEST_F(Procedures, CreateExclusiveMayBeRepeatedWithItsVerifierAndNoOther) {
    const auto first = client_.create_exclusive(root_, "file", 77);
    ASSERT_EQ(first.status, NFS3_OK);
    const auto again = client_.create_exclusive(root_, "file", 77);
    ASSERT_EQ(again.status, NFS3_OK);
    EXPECT_EQ(to_handle(again.CREATE3res_u.resok.obj), to_handle(first.CREATE3res_u.resok.obj));
    EXPECT_EQ(client_.create_exclusive(root_, "file", 78).status, NFS3ERR_EXIST);
    client_.must_create(root_, "plain");
    EXPECT_EQ(client_.create_exclusive(root_, "plain", 0).status, NFS3ERR_EXIST);
    EXPECT_EQ(client_.create_exclusive(root_, "zero", 0).status, NFS3_OK) << "a verifier like others";
    EXPECT_EQ(client_.create_exclusive(root_, "zero", 0).status, NFS3_OK);
    EXPECT_EQ(client_.create_exclusive(root_, "zero", 1).status, NFS3ERR_EXIST);
}

TEST_F(Procedures, CreateTakesOwnerFromTheCallerAndGroupFromASetgidDirectory) {
    client_.must_mkdir(root_, "plain", 0777);
    const Handle plain = to_handle(client_.lookup(root_, "plain").LOOKUP3res_u.resok.object);
    const Handle setgid = client_.must_mkdir(root_, "setgid", 02777);
    client_.setattr(setgid, test::with_group(99));
    client_.setattr(setgid, test::with_mode(02777));
    client_.become({10, 20});
    const auto in_plain = client_.attributes(client_.must_create(plain, "file"));
    EXPECT_EQ(in_plain.uid, 10u);
    EXPECT_EQ(in_plain.gid, 20u);
    EXPECT_EQ(client_.attributes(client_.must_create(setgid, "file")).gid, 99u);
    const auto below = client_.attributes(client_.must_mkdir(setgid, "directory"));
    EXPECT_EQ(below.gid, 99u);
    EXPECT_EQ(below.mode, 02755u);
}

// --- MKDIR, SYMLINK, READLINK, MKNOD ---------------------------------------------------------------------------------

TEST_F(Procedures, MkdirCountsLinks) {
    const auto before = client_.attributes(root_).nlink;
    const Handle directory = client_.must_mkdir(root_, "directory");
    EXPECT_EQ(client_.attributes(directory).nlink, 2u);
    EXPECT_EQ(client_.attributes(root_).nlink, before + 1);
    EXPECT_EQ(client_.mkdir(root_, "directory").status, NFS3ERR_EXIST);
    EXPECT_EQ(client_.rmdir(root_, "directory").status, NFS3_OK);
    EXPECT_EQ(client_.attributes(root_).nlink, before);
}

TEST_F(Procedures, SymlinksKeepTheirText) {
    for (const std::size_t length : {1ul, 128ul, 129ul, 4095ul}) {
        const std::string name = "link " + std::to_string(length);
        const std::string text(length, 't');
        const auto made = client_.symlink(root_, name, text);
        ASSERT_EQ(made.status, NFS3_OK);
        const Handle link = to_handle(made.SYMLINK3res_u.resok.obj);
        EXPECT_EQ(client_.readlink(link).READLINK3res_u.resok.data, text);
        EXPECT_EQ(client_.attributes(link).type, NF3LNK);
        EXPECT_EQ(client_.attributes(link).size, length);
        EXPECT_EQ(client_.remove(root_, name).status, NFS3_OK);
    }
    EXPECT_EQ(client_.symlink(root_, "x", std::string(4096, 't')).status, NFS3ERR_NAMETOOLONG);
    EXPECT_EQ(client_.symlink(root_, "x", "").status, NFS3ERR_ACCES);
    client_.must_create(root_, "file");
    EXPECT_EQ(client_.symlink(root_, "file", "t").status, NFS3ERR_EXIST);
    EXPECT_EQ(client_.readlink(root_).status, NFS3ERR_INVAL);
}

TEST_F(Procedures, MknodMakesSpecialFilesAndNoOthers) {
    const auto device = client_.mknod(root_, "device", NF3CHR, {5, 6});
    ASSERT_EQ(device.status, NFS3_OK);
    const auto attributes = client_.attributes(to_handle(device.MKNOD3res_u.resok.obj));
    EXPECT_EQ(attributes.type, NF3CHR);
    EXPECT_EQ(attributes.rdev.specdata1, 5u);
    EXPECT_EQ(attributes.rdev.specdata2, 6u);
    EXPECT_EQ(client_.mknod(root_, "block", NF3BLK).status, NFS3_OK);
    EXPECT_EQ(client_.mknod(root_, "socket", NF3SOCK).status, NFS3_OK);
    EXPECT_EQ(client_.mknod(root_, "socket", NF3FIFO).status, NFS3ERR_EXIST);
    for (const ftype3 type : {NF3REG, NF3DIR, NF3LNK})
        EXPECT_EQ(client_.mknod(root_, "x", type).status, NFS3ERR_BADTYPE);
    client_.setattr(root_, test::with_mode(0777));
    client_.become({10, 10});
    EXPECT_EQ(client_.mknod(root_, "y", NF3BLK).status, NFS3ERR_ACCES);
    EXPECT_EQ(client_.mknod(root_, "y", NF3FIFO).status, NFS3_OK);
}

// --- REMOVE, RMDIR, LINK ---------------------------------------------------------------------------------------------

TEST_F(Procedures, RemoveTakesNamesOfFilesAndRmdirOfEmptyDirectories) {
    client_.must_create(root_, "file");
    const Handle directory = client_.must_mkdir(root_, "directory");
    client_.must_create(directory, "inside");
    EXPECT_EQ(client_.remove(root_, "directory").status, NFS3ERR_ISDIR);
    EXPECT_EQ(client_.rmdir(root_, "file").status, NFS3ERR_NOTDIR);
    EXPECT_EQ(client_.rmdir(root_, "directory").status, NFS3ERR_NOTEMPTY);
    EXPECT_EQ(client_.remove(root_, "none").status, NFS3ERR_NOENT);
    EXPECT_EQ(client_.rmdir(root_, "none").status, NFS3ERR_NOENT);
    EXPECT_EQ(client_.remove(directory, "inside").status, NFS3_OK);
    EXPECT_EQ(client_.rmdir(root_, "directory").status, NFS3_OK);
    EXPECT_EQ(client_.getattr(directory).status, NFS3ERR_STALE);
    EXPECT_EQ(client_.remove(root_, "file").status, NFS3_OK);
    EXPECT_THAT(client_.names(root_), ElementsAre(".", ".."));
}

TEST_F(Procedures, AFileLivesAsLongAsItHasAName) {
    const Handle file = client_.must_create(root_, "one");
    client_.write(file, 0, "content");
    const auto linked = client_.link(file, root_, "two");
    ASSERT_EQ(linked.status, NFS3_OK);
    EXPECT_EQ(linked.LINK3res_u.resok.file_attributes.post_op_attr_u.attributes.nlink, 2u);
    EXPECT_EQ(client_.link(file, root_, "two").status, NFS3ERR_EXIST);
    EXPECT_EQ(client_.link(root_, root_, "three").status, NFS3ERR_INVAL);
    EXPECT_EQ(client_.remove(root_, "one").status, NFS3_OK);
    EXPECT_EQ(client_.content(file), "content");
    EXPECT_EQ(client_.remove(root_, "two").status, NFS3_OK);
    EXPECT_EQ(client_.getattr(file).status, NFS3ERR_STALE);
}

TEST_F(Procedures, AFileHasAsManyNamesAsPathconfSaysAndNoMore) {
    const Handle file = client_.must_create(root_, "one");
    const auto limit = client_.pathconf(file).PATHCONF3res_u.resok.linkmax;
    const std::uint64_t number = client_.attributes(file).fileid;
    // Making 65000 names takes a while: the count is set, and set back before the checker looks.
    auto set_links = [&](std::uint32_t links) {
        server_.fs.must([&](fs::Operation& op) -> fs::Outcome<void> {
            LOCKSTEP_TRY(fs::Inode * inode, op.lock_inode(number, txn::LockMode::exclusive));
            inode->change().nlink = links;
            return {};
        });
    };
    set_links(limit);
    EXPECT_EQ(client_.link(file, root_, "two").status, NFS3ERR_MLINK);
    set_links(limit - 1);
    EXPECT_EQ(client_.link(file, root_, "two").status, NFS3_OK);
    set_links(2);
}

// --- RENAME ----------------------------------------------------------------------------------------------------------

TEST_F(Procedures, RenameMovesAndReplaces) {
    const Handle a = client_.must_mkdir(root_, "a");
    const Handle b = client_.must_mkdir(root_, "b");
    const Handle file = client_.must_create(a, "file");
    const Handle victim = client_.must_create(b, "victim");
    EXPECT_EQ(client_.rename(a, "file", b, "victim").status, NFS3_OK);
    EXPECT_EQ(to_handle(client_.lookup(b, "victim").LOOKUP3res_u.resok.object), file);
    EXPECT_EQ(client_.getattr(victim).status, NFS3ERR_STALE);
    EXPECT_EQ(client_.lookup(a, "file").status, NFS3ERR_NOENT);
    EXPECT_EQ(client_.rename(b, "victim", b, "victim").status, NFS3_OK);
    EXPECT_EQ(client_.rename(b, "victim", b, "other").status, NFS3_OK);
    EXPECT_THAT(client_.names(b), UnorderedElementsAre(".", "..", "other"));
    EXPECT_EQ(client_.rename(a, "none", b, "x").status, NFS3ERR_NOENT);
}

TEST_F(Procedures, RenameOfOneFileOntoItsOtherNameDoesNothing) {
    const Handle file = client_.must_create(root_, "one");
    client_.link(file, root_, "two");
    EXPECT_EQ(client_.rename(root_, "one", root_, "two").status, NFS3_OK);
    EXPECT_THAT(client_.names(root_), UnorderedElementsAre(".", "..", "one", "two"));
    EXPECT_EQ(client_.attributes(file).nlink, 2u);
}

TEST_F(Procedures, RenameMovesDirectoriesWithTheirParentAndLinks) {
    const Handle a = client_.must_mkdir(root_, "a");
    const Handle b = client_.must_mkdir(root_, "b");
    const Handle moved = client_.must_mkdir(a, "moved");
    EXPECT_EQ(client_.rename(a, "moved", b, "here").status, NFS3_OK);
    EXPECT_EQ(to_handle(client_.lookup(moved, "..").LOOKUP3res_u.resok.object), b);
    EXPECT_EQ(client_.attributes(a).nlink, 2u);
    EXPECT_EQ(client_.attributes(b).nlink, 3u);
    const Handle empty = client_.must_mkdir(a, "empty");
    EXPECT_EQ(client_.rename(b, "here", a, "empty").status, NFS3_OK);
    EXPECT_EQ(client_.getattr(empty).status, NFS3ERR_STALE);
    EXPECT_EQ(client_.attributes(a).nlink, 3u);
}

TEST_F(Procedures, RenameReplacesOnlyWhatIsCompatible) {
    const Handle full = client_.must_mkdir(root_, "full");
    client_.must_create(full, "inside");
    client_.must_mkdir(root_, "empty");
    client_.must_create(root_, "file");
    EXPECT_EQ(client_.rename(root_, "file", root_, "empty").status, NFS3ERR_EXIST);
    EXPECT_EQ(client_.rename(root_, "empty", root_, "file").status, NFS3ERR_EXIST);
    EXPECT_EQ(client_.rename(root_, "empty", root_, "full").status, NFS3ERR_EXIST);
    EXPECT_EQ(client_.rename(root_, "full", root_, "empty").status, NFS3_OK);
}

TEST_F(Procedures, RenameOfADirectoryBelowItselfIsRefused) {
    const Handle a = client_.must_mkdir(root_, "a");
    const Handle b = client_.must_mkdir(a, "b");
    const Handle c = client_.must_mkdir(b, "c");
    EXPECT_EQ(client_.rename(root_, "a", a, "x").status, NFS3ERR_INVAL);
    EXPECT_EQ(client_.rename(root_, "a", c, "x").status, NFS3ERR_INVAL);
    EXPECT_EQ(client_.rename(a, "b", b, "x").status, NFS3ERR_INVAL);
    EXPECT_EQ(client_.rename(a, "b", root_, "b").status, NFS3_OK);
}

// --- READDIR, READDIRPLUS --------------------------------------------------------------------------------------------

TEST_F(Procedures, ReaddirListsEverythingWhateverTheReplySize) {
    std::set<std::string> expected{".", ".."};
    for (int i = 0; i < 500; ++i) {
        const std::string name = "file " + std::to_string(i) + std::string(static_cast<std::size_t>(i % 40), 'x');
        client_.must_create(root_, name);
        expected.insert(name);
    }
    for (const std::uint32_t size : {256u, 1000u, 8192u, 65536u, ~0u}) {
        std::multiset<std::string> seen;
        std::uint64_t cookie = 0, verifier = 0;
        for (bool eof = false; !eof;) {
            const auto res = client_.readdir(root_, cookie, verifier, size);
            ASSERT_EQ(res.status, NFS3_OK);
            const auto& ok = res.READDIR3res_u.resok;
            verifier = get_verifier(ok.cookieverf);
            for (const entry3* entry = ok.reply.entries; entry != nullptr; entry = entry->nextentry) {
                seen.insert(entry->name);
                cookie = entry->cookie;
            }
            eof = ok.reply.eof;
        }
        EXPECT_EQ(std::set<std::string>(seen.begin(), seen.end()), expected);
        EXPECT_EQ(seen.size(), expected.size());
        client_.reset();
    }
}

template <class T>
std::size_t encoded_bytes(bool_t (*xdr_value)(XDR*, T*), T value) {
    Arena arena;
    std::vector<iovec> pieces;
    XdrEncoder encoder(arena, pieces);
    EXPECT_TRUE(encoder.encode(xdr_value, value));
    return encoder.size_bytes();
}

TEST_F(Procedures, AReaddirReplyIsNoLargerThanAsked) {
    for (int i = 0; i < 100; ++i) client_.must_create(root_, "file " + std::to_string(i));
    for (const std::uint32_t size : {400u, 512u, 1000u, 2000u, 5000u}) {
        const auto listed = client_.readdir(root_, 0, 0, size);
        ASSERT_EQ(listed.status, NFS3_OK);
        const std::size_t listed_bytes = encoded_bytes(xdr_READDIR3resok, listed.READDIR3res_u.resok);
        EXPECT_LE(listed_bytes, size);
        EXPECT_TRUE(listed.READDIR3res_u.resok.reply.eof || listed_bytes > size - 40);  // and not much smaller
        const auto plus = client_.readdirplus(root_, 0, 0, 10'000, size);
        ASSERT_EQ(plus.status, NFS3_OK);
        const std::size_t plus_bytes = encoded_bytes(xdr_READDIRPLUS3resok, plus.READDIRPLUS3res_u.resok);
        EXPECT_LE(plus_bytes, size);
        EXPECT_GT(plus_bytes, size - 200);
    }
}

TEST_F(Procedures, ReaddirRefusesRepliesWithoutRoomAndForeignCookies) {
    EXPECT_EQ(client_.readdir(root_, 0, 0, 0).status, NFS3ERR_TOOSMALL);
    EXPECT_EQ(client_.readdir(root_, 0, 0, 100).status, NFS3ERR_TOOSMALL);
    EXPECT_EQ(client_.readdirplus(root_, 0, 0, 1000, 100).status, NFS3ERR_TOOSMALL);
    EXPECT_EQ(client_.readdir(root_, 5, 0xbad).status, NFS3ERR_BAD_COOKIE);
    EXPECT_EQ(client_.readdirplus(root_, 5, 0xbad).status, NFS3ERR_BAD_COOKIE);

    // The highest cookie was never given: behind it there is nothing, and the listing does not begin again.
    client_.must_create(root_, "file");
    const std::uint64_t verifier = get_verifier(client_.readdir(root_).READDIR3res_u.resok.cookieverf);
    const auto behind = client_.readdir(root_, UINT64_MAX, verifier);
    ASSERT_EQ(behind.status, NFS3_OK);
    EXPECT_EQ(behind.READDIR3res_u.resok.reply.entries, nullptr);
    EXPECT_TRUE(behind.READDIR3res_u.resok.reply.eof);
}

TEST_F(Procedures, ReaddirplusGivesAttributesAndHandles) {
    const Handle directory = client_.must_mkdir(root_, "directory");
    std::map<std::string, Handle> expected{{".", directory}, {"..", root_}};
    for (int i = 0; i < 50; ++i) {
        const std::string name = "file " + std::to_string(i);
        expected[name] = client_.must_create(directory, name);
        client_.write(expected[name], 0, std::string(static_cast<std::size_t>(i), 'x'));
    }
    std::map<std::string, Handle> seen;
    std::uint64_t cookie = 0, verifier = 0;
    for (bool eof = false; !eof;) {
        const auto res = client_.readdirplus(directory, cookie, verifier, 300, 4096);
        ASSERT_EQ(res.status, NFS3_OK);
        const auto& ok = res.READDIRPLUS3res_u.resok;
        verifier = get_verifier(ok.cookieverf);
        for (const entryplus3* entry = ok.reply.entries; entry != nullptr; entry = entry->nextentry) {
            seen[entry->name] = to_handle(entry->name_handle);
            const auto now = client_.attributes(seen[entry->name]);
            EXPECT_EQ(entry->name_attributes.post_op_attr_u.attributes.size, now.size);
            EXPECT_EQ(entry->fileid, now.fileid);
            cookie = entry->cookie;
        }
        eof = ok.reply.eof;
    }
    EXPECT_EQ(seen, expected);
}

// --- FSSTAT, FSINFO, PATHCONF ----------------------------------------------------------------------------------------

TEST_F(Procedures, FsstatFollowsWhatIsUsed) {
    const auto before = client_.fsstat(root_).FSSTAT3res_u.resok;
    const Handle file = client_.must_create(root_, "file");
    client_.write(file, 0, std::string(100'000, 'x'));
    const auto after = client_.fsstat(root_).FSSTAT3res_u.resok;
    EXPECT_EQ(after.ffiles, before.ffiles - 1);
    EXPECT_LE(after.fbytes, before.fbytes - 100'000);
    EXPECT_EQ(after.tbytes, before.tbytes);
    EXPECT_EQ(client_.attributes(file).used % fs::block_bytes, 0u);
    client_.remove(root_, "file");
    const auto end = client_.fsstat(root_).FSSTAT3res_u.resok;
    EXPECT_EQ(end.ffiles, before.ffiles);
}

TEST_F(Procedures, FsinfoAndPathconfTellTheLimits) {
    const auto info = client_.fsinfo(root_).FSINFO3res_u.resok;
    EXPECT_GE(info.maxfilesize, std::uint64_t{1} << 48);
    EXPECT_EQ(info.time_delta.nseconds, 1u);
    const auto conf = client_.pathconf(root_).PATHCONF3res_u.resok;
    EXPECT_EQ(conf.name_max, 255u);
    EXPECT_TRUE(conf.no_trunc && conf.chown_restricted && conf.case_preserving && !conf.case_insensitive);
}

}  // namespace
}  // namespace lockstep::server::ops
