// What each procedure answers, and every error that it knows (RFC 1813 section 3.3).
#include "nfs_server/ops/procedures.hpp"

#include <gmock/gmock.h>

#include <set>

#include "nfs_server/ops/attributes.hpp"
#include "nfs_server/ops/test_server.hpp"

namespace lockstep::server::ops {
namespace {

using namespace wire;  // status codes
using test::Caller;
using test::Handle;
using test::TestClient;
using test::TestServer;
using test::to_handle;
using testing::ElementsAre;
using testing::UnorderedElementsAre;

class Procedures : public testing::Test {
 protected:
    ~Procedures() override { server_.fs.expect_sound(); }

    // A handle of a file that is gone.
    Handle stale() {
        const Handle file = client_.must_create(root_, "stale");
        EXPECT_EQ(client_.remove(root_, "stale").status, NFS3_OK);
        return file;
    }
    static Handle malformed() { return Handle(48, 'x'); }

    TestServer server_;
    TestClient client_ = server_.make_client();
    const Handle root_ = server_.root();
};

bool equal(const nfstime3& a, const nfstime3& b) {
    return a.seconds == b.seconds && a.nseconds == b.nseconds;
}

bool is_after_of(const wcc_data& wcc, const fattr3& now) {
    const fattr3& after = wcc.after.post_op_attr_u.attributes;
    return wcc.after.attributes_follow && after.size == now.size && after.nlink == now.nlink &&
           equal(after.mtime, now.mtime) && equal(after.ctime, now.ctime);
}
bool is_before_of(const wcc_data& wcc, const fattr3& then) {
    const wcc_attr& before = wcc.before.pre_op_attr_u.attributes;
    return wcc.before.attributes_follow && before.size == then.size && equal(before.mtime, then.mtime) &&
           equal(before.ctime, then.ctime);
}

// --- Handles: every procedure ----------------------------------------------------------------------------------------

TEST_F(Procedures, EveryProcedureRefusesAStaleHandleAndAMalformedOne) {
    for (const auto& [handle, expected] : {std::pair(stale(), NFS3ERR_STALE), std::pair(malformed(), NFS3ERR_BADHANDLE),
                                           std::pair(Handle(), NFS3ERR_BADHANDLE)}) {
        EXPECT_EQ(client_.getattr(handle).status, expected);
        EXPECT_EQ(client_.setattr(handle, test::with_mode(0)).status, expected);
        EXPECT_EQ(client_.lookup(handle, "x").status, expected);
        EXPECT_EQ(client_.access(handle, 63).status, expected);
        EXPECT_EQ(client_.readlink(handle).status, expected);
        EXPECT_EQ(client_.read(handle, 0, 1).status, expected);
        EXPECT_EQ(client_.write(handle, 0, "x").status, expected);
        EXPECT_EQ(client_.create(handle, "x").status, expected);
        EXPECT_EQ(client_.mkdir(handle, "x").status, expected);
        EXPECT_EQ(client_.symlink(handle, "x", "y").status, expected);
        EXPECT_EQ(client_.mknod(handle, "x", NF3FIFO).status, expected);
        EXPECT_EQ(client_.remove(handle, "x").status, expected);
        EXPECT_EQ(client_.rmdir(handle, "x").status, expected);
        EXPECT_EQ(client_.rename(handle, "x", root_, "y").status, expected);
        EXPECT_EQ(client_.rename(root_, "x", handle, "y").status, expected);
        EXPECT_EQ(client_.link(handle, root_, "x").status, expected);
        EXPECT_EQ(client_.readdir(handle).status, expected);
        EXPECT_EQ(client_.readdirplus(handle).status, expected);
        EXPECT_EQ(client_.fsstat(handle).status, expected);
        EXPECT_EQ(client_.fsinfo(handle).status, expected);
        EXPECT_EQ(client_.pathconf(handle).status, expected);
        EXPECT_EQ(client_.commit(handle).status, expected);
    }
    const Handle file = client_.must_create(root_, "file");
    EXPECT_EQ(client_.link(file, stale(), "x").status, NFS3ERR_STALE);
}

TEST_F(Procedures, AReusedInodeNeverAnswersToAnOldHandle) {
    const Handle old = client_.must_create(root_, "a");
    const auto number = client_.attributes(old).fileid;
    client_.remove(root_, "a");
    for (int i = 0; i < 300; ++i) {
        const Handle file = client_.must_create(root_, "b");
        ASSERT_EQ(client_.getattr(old).status, NFS3ERR_STALE);
        const bool reused = client_.attributes(file).fileid == number;
        client_.remove(root_, "b");
        if (reused) return;
    }
    FAIL() << "the inode was not used again";
}

TEST_F(Procedures, HandlesOutliveARestart) {
    const Handle file = client_.must_create(root_, "file");
    server_.restart();
    TestClient again = server_.make_client();
    EXPECT_EQ(again.getattr(file).status, NFS3_OK);
    EXPECT_EQ(to_handle(again.lookup(root_, "file").LOOKUP3res_u.resok.object), file);
}

TEST_F(Procedures, DirectoryProceduresRefuseAFile) {
    const Handle file = client_.must_create(root_, "file");
    EXPECT_EQ(client_.lookup(file, "x").status, NFS3ERR_NOTDIR);
    EXPECT_EQ(client_.create(file, "x").status, NFS3ERR_NOTDIR);
    EXPECT_EQ(client_.mkdir(file, "x").status, NFS3ERR_NOTDIR);
    EXPECT_EQ(client_.symlink(file, "x", "y").status, NFS3ERR_NOTDIR);
    EXPECT_EQ(client_.mknod(file, "x", NF3FIFO).status, NFS3ERR_NOTDIR);
    EXPECT_EQ(client_.remove(file, "x").status, NFS3ERR_NOTDIR);
    EXPECT_EQ(client_.rmdir(file, "x").status, NFS3ERR_NOTDIR);
    EXPECT_EQ(client_.rename(file, "x", root_, "y").status, NFS3ERR_NOTDIR);
    EXPECT_EQ(client_.rename(root_, "file", file, "y").status, NFS3ERR_NOTDIR);
    EXPECT_EQ(client_.link(file, file, "x").status, NFS3ERR_NOTDIR);
    EXPECT_EQ(client_.readdir(file).status, NFS3ERR_NOTDIR);
    EXPECT_EQ(client_.readdirplus(file).status, NFS3ERR_NOTDIR);
}

TEST_F(Procedures, IllegalNamesAreRefusedEverywhere) {
    const Handle file = client_.must_create(root_, "file");
    const std::string too_long(256, 'n');
    for (const auto& [name, expected] :
         {std::pair(std::string(), NFS3ERR_ACCES), std::pair(std::string("a/b"), NFS3ERR_ACCES),
          std::pair(too_long, NFS3ERR_NAMETOOLONG)}) {
        EXPECT_EQ(client_.lookup(root_, name).status, expected);
        EXPECT_EQ(client_.create(root_, name).status, expected);
        EXPECT_EQ(client_.mkdir(root_, name).status, expected);
        EXPECT_EQ(client_.symlink(root_, name, "y").status, expected);
        EXPECT_EQ(client_.mknod(root_, name, NF3FIFO).status, expected);
        EXPECT_EQ(client_.remove(root_, name).status, expected);
        EXPECT_EQ(client_.rmdir(root_, name).status, expected);
        EXPECT_EQ(client_.rename(root_, name, root_, "x").status, expected);
        EXPECT_EQ(client_.rename(root_, "file", root_, name).status, expected);
        EXPECT_EQ(client_.link(file, root_, name).status, expected);
    }
    EXPECT_EQ(client_.create(root_, std::string(255, 'n')).status, NFS3_OK);
}

TEST_F(Procedures, DotAndDotDotAreNoNamesToGiveOrTake) {
    const Handle file = client_.must_create(root_, "file");
    for (const std::string name : {".", ".."}) {
        EXPECT_EQ(client_.create(root_, name).status, NFS3ERR_EXIST);
        EXPECT_EQ(client_.mkdir(root_, name).status, NFS3ERR_EXIST);
        EXPECT_EQ(client_.symlink(root_, name, "y").status, NFS3ERR_EXIST);
        EXPECT_EQ(client_.mknod(root_, name, NF3FIFO).status, NFS3ERR_EXIST);
        EXPECT_EQ(client_.link(file, root_, name).status, NFS3ERR_EXIST);
        EXPECT_EQ(client_.remove(root_, name).status, NFS3ERR_ISDIR);
        EXPECT_EQ(client_.rename(root_, name, root_, "x").status, NFS3ERR_INVAL);
        EXPECT_EQ(client_.rename(root_, "file", root_, name).status, NFS3ERR_INVAL);
    }
    EXPECT_EQ(client_.rmdir(root_, ".").status, NFS3ERR_INVAL);
    EXPECT_EQ(client_.rmdir(root_, "..").status, NFS3ERR_EXIST);
}

TEST_F(Procedures, ADirectoryChangesExactlyAsItsWccSays) {
    auto before = client_.attributes(root_);
    auto expect_wcc = [&](const wcc_data& wcc, const char* what) {
        const auto now = client_.attributes(root_);
        EXPECT_TRUE(is_before_of(wcc, before)) << what;
        EXPECT_TRUE(is_after_of(wcc, now)) << what;
        before = now;
        server_.fs.clock().advance(1'000'000'007);
    };
    expect_wcc(client_.create(root_, "f").CREATE3res_u.resok.dir_wcc, "CREATE");
    expect_wcc(client_.mkdir(root_, "d").MKDIR3res_u.resok.dir_wcc, "MKDIR");
    expect_wcc(client_.symlink(root_, "s", "t").SYMLINK3res_u.resok.dir_wcc, "SYMLINK");
    expect_wcc(client_.mknod(root_, "p", NF3FIFO).MKNOD3res_u.resok.dir_wcc, "MKNOD");
    expect_wcc(client_.rename(root_, "f", root_, "g").RENAME3res_u.resok.todir_wcc, "RENAME");
    expect_wcc(client_.remove(root_, "g").REMOVE3res_u.resok.dir_wcc, "REMOVE");
    expect_wcc(client_.rmdir(root_, "d").RMDIR3res_u.resok.dir_wcc, "RMDIR");
    // Failures change nothing, and say so.
    expect_wcc(client_.create(root_, "s").CREATE3res_u.resfail.dir_wcc, "failed CREATE");
    expect_wcc(client_.mkdir(root_, "s").MKDIR3res_u.resfail.dir_wcc, "failed MKDIR");
    expect_wcc(client_.remove(root_, "none").REMOVE3res_u.resfail.dir_wcc, "failed REMOVE");
    expect_wcc(client_.rmdir(root_, "s").RMDIR3res_u.resfail.dir_wcc, "failed RMDIR");
    expect_wcc(client_.rename(root_, "none", root_, "x").RENAME3res_u.resfail.fromdir_wcc, "failed RENAME");
}

// --- SETATTR ---------------------------------------------------------------------------------------------------------

TEST_F(Procedures, SetattrSetsWhatItIsToldAndTheChangeTime) {
    const Handle file = client_.must_create(root_, "file");
    server_.fs.clock().advance(5'000'000'000);
    const nfstime3 time{123, 456};
    EXPECT_EQ(client_.setattr(file, test::with_mode(04751)).status, NFS3_OK);
    EXPECT_EQ(client_.setattr(file, test::with_owner(7)).status, NFS3_OK);
    EXPECT_EQ(client_.setattr(file, test::with_group(8)).status, NFS3_OK);
    EXPECT_EQ(client_.setattr(file, test::with_times(SET_TO_CLIENT_TIME, time)).status, NFS3_OK);
    const auto now = client_.attributes(file);
    EXPECT_EQ(now.mode, 04751u);
    EXPECT_EQ(now.uid, 7u);
    EXPECT_EQ(now.gid, 8u);
    EXPECT_TRUE(equal(now.atime, time) && equal(now.mtime, time));
    EXPECT_EQ(to_ns(now.ctime), static_cast<std::uint64_t>(server_.fs.clock().real_time_ns()));
}

TEST_F(Procedures, SetattrIsGuardedByTheChangeTime) {
    const Handle file = client_.must_create(root_, "file");
    const nfstime3 guard = client_.attributes(file).ctime;
    server_.fs.clock().advance(1);
    EXPECT_EQ(client_.setattr(file, test::with_mode(0600), &guard).status, NFS3_OK);
    const auto refused = client_.setattr(file, test::with_mode(0611), &guard);
    EXPECT_EQ(refused.status, NFS3ERR_NOT_SYNC);
    EXPECT_TRUE(is_after_of(refused.SETATTR3res_u.resfail.obj_wcc, client_.attributes(file)));
    EXPECT_EQ(client_.attributes(file).mode, 0600u);
}

TEST_F(Procedures, SetattrCutsAndExtendsRegularFilesOnly) {
    const Handle file = client_.must_create(root_, "file");
    client_.write(file, 0, "hello");
    EXPECT_EQ(client_.setattr(file, test::with_size(2)).status, NFS3_OK);
    EXPECT_EQ(client_.setattr(file, test::with_size(4)).status, NFS3_OK);
    EXPECT_EQ(client_.content(file), std::string("he\0\0", 4));
    EXPECT_EQ(client_.setattr(file, test::with_size(fs::max_file_bytes + 1)).status, NFS3ERR_FBIG);
    EXPECT_EQ(client_.setattr(root_, test::with_size(0)).status, NFS3ERR_INVAL);
    const auto pipe = to_handle(client_.mknod(root_, "pipe", NF3FIFO).MKNOD3res_u.resok.obj);
    EXPECT_EQ(client_.setattr(pipe, test::with_size(0)).status, NFS3ERR_INVAL);
}

TEST_F(Procedures, SetattrRefusesAnImpossibleTime) {
    EXPECT_EQ(client_.setattr(root_, test::with_times(SET_TO_CLIENT_TIME, {1, 1'000'000'000})).status, NFS3ERR_INVAL);
}

// --- LOOKUP ----------------------------------------------------------------------------------------------------------

TEST_F(Procedures, LookupFindsNamesAndItselfAndItsParent) {
    const Handle directory = client_.must_mkdir(root_, "directory");
    const Handle file = client_.must_create(directory, "file");
    EXPECT_EQ(to_handle(client_.lookup(directory, "file").LOOKUP3res_u.resok.object), file);
    EXPECT_EQ(to_handle(client_.lookup(directory, ".").LOOKUP3res_u.resok.object), directory);
    EXPECT_EQ(to_handle(client_.lookup(directory, "..").LOOKUP3res_u.resok.object), root_);
    EXPECT_EQ(to_handle(client_.lookup(root_, "..").LOOKUP3res_u.resok.object), root_);
    const auto missing = client_.lookup(directory, "none");
    EXPECT_EQ(missing.status, NFS3ERR_NOENT);
    EXPECT_TRUE(missing.LOOKUP3res_u.resfail.dir_attributes.attributes_follow);
}

// --- READ, WRITE, COMMIT ---------------------------------------------------------------------------------------------

TEST_F(Procedures, ReadTellsTheEnd) {
    const Handle file = client_.must_create(root_, "file");
    client_.write(file, 0, "0123456789");
    const auto part = client_.read(file, 2, 5).READ3res_u.resok;
    EXPECT_EQ(std::string(part.data.data_val, part.data.data_len), "23456");
    EXPECT_EQ(part.count, 5u);
    EXPECT_FALSE(part.eof);
    EXPECT_TRUE(client_.read(file, 2, 8).READ3res_u.resok.eof);
    const auto beyond = client_.read(file, 99, 8).READ3res_u.resok;
    EXPECT_TRUE(beyond.eof);
    EXPECT_EQ(beyond.count, 0u);
    EXPECT_EQ(client_.read(file, ~0ul, ~0u).status, NFS3_OK);
    EXPECT_FALSE(client_.read(file, 0, 0).READ3res_u.resok.eof);
}

TEST_F(Procedures, ReadAndWriteRefuseWhatIsNoRegularFile) {
    const auto link = to_handle(client_.symlink(root_, "link", "text").SYMLINK3res_u.resok.obj);
    for (const Handle& handle : {root_, link}) {
        EXPECT_EQ(client_.read(handle, 0, 1).status, NFS3ERR_INVAL);
        EXPECT_EQ(client_.write(handle, 0, "x").status, NFS3ERR_INVAL);
    }
}

TEST_F(Procedures, WriteRefusesACountThatItsDataDoesNotHave) {
    const Handle file = client_.must_create(root_, "file");
    EXPECT_EQ(client_.write_claiming(file, 0, "abc", 4).status, NFS3ERR_INVAL);
    EXPECT_EQ(client_.write_claiming(file, 0, "abc", 2).status, NFS3ERR_INVAL);
    EXPECT_EQ(client_.write_claiming(file, 0, "", ~0u).status, NFS3ERR_INVAL);
    EXPECT_EQ(client_.attributes(file).size, 0u);
}

TEST_F(Procedures, WriteRefusesWhatWouldPassTheLargestSize) {
    const Handle file = client_.must_create(root_, "file");
    EXPECT_EQ(client_.write(file, fs::max_file_bytes, "x").status, NFS3ERR_FBIG);
    EXPECT_EQ(client_.write(file, ~0ul, "xx").status, NFS3ERR_FBIG);
    EXPECT_EQ(client_.write(file, std::uint64_t{1} << 48, "x").status, NFS3_OK);
}

TEST_F(Procedures, AWriteOfTheOfferedSizeIsWrittenWhole) {
    const auto info = client_.fsinfo(root_).FSINFO3res_u.resok;
    EXPECT_EQ(info.wtmax, 1u << 20);
    const Handle file = client_.must_create(root_, "file");
    std::string data(info.wtmax, '\0');
    for (std::size_t i = 0; i < data.size(); ++i) data[i] = static_cast<char>(i * 7 + i / 251);
    const auto written = client_.write(file, 1000, data);
    ASSERT_EQ(written.status, NFS3_OK);
    EXPECT_EQ(written.WRITE3res_u.resok.count, info.wtmax);
    const auto back = client_.read(file, 1000, info.rtmax).READ3res_u.resok;
    EXPECT_EQ(std::string(back.data.data_val, back.data.data_len), data);
}

TEST_F(Procedures, AnEmptyWriteChangesNothing) {
    const Handle file = client_.must_create(root_, "file");
    const auto before = client_.attributes(file);
    server_.fs.clock().advance(1'000);
    const auto written = client_.write(file, 1 << 20, "");
    EXPECT_EQ(written.status, NFS3_OK);
    EXPECT_EQ(written.WRITE3res_u.resok.count, 0u);
    EXPECT_TRUE(is_after_of(written.WRITE3res_u.resok.file_wcc, before));
    EXPECT_EQ(client_.attributes(file).size, 0u);
}

TEST_F(Procedures, StableWritesAndWhatWasCommittedOutliveACrash) {
    const Handle stable = client_.must_create(root_, "stable");
    const Handle committed = client_.must_create(root_, "committed");
    EXPECT_EQ(client_.write(committed, 0, "2", UNSTABLE).WRITE3res_u.resok.committed, UNSTABLE);
    const auto verifier = get_verifier(client_.commit(committed).COMMIT3res_u.resok.verf);
    EXPECT_EQ(client_.write(stable, 0, "1", DATA_SYNC).WRITE3res_u.resok.committed, FILE_SYNC);
    EXPECT_EQ(get_verifier(client_.write(stable, 1, "1").WRITE3res_u.resok.verf), verifier);
    server_.restart();
    TestClient again = server_.make_client();
    EXPECT_EQ(again.content(stable), "11");
    EXPECT_EQ(again.content(committed), "2");
    EXPECT_NE(get_verifier(again.commit(committed).COMMIT3res_u.resok.verf), verifier);
}

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
