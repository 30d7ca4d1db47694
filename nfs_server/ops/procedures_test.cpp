// What the procedures on files answer, what all have in common, and every error that they know (RFC 1813 section 3.3).
#include <gmock/gmock.h>

#include "nfs_server/ops/attributes.hpp"
#include "nfs_server/ops/procedures_fixture.hpp"

namespace lockstep::server::ops {
namespace {

using namespace wire;  // status codes
using test::equal;
using test::Handle;
using test::is_after_of;
using test::is_before_of;
using test::Procedures;
using test::TestClient;
using test::to_handle;

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
    EXPECT_EQ(client_.setattr(file, test::with_owner(7)).status, NFS3_OK);
    EXPECT_EQ(client_.setattr(file, test::with_group(8)).status, NFS3_OK);
    EXPECT_EQ(client_.setattr(file, test::with_mode(04751)).status, NFS3_OK);
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

}  // namespace
}  // namespace lockstep::server::ops
