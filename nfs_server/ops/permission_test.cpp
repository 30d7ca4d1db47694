#include "nfs_server/ops/permission.hpp"

#include <gtest/gtest.h>

#include "nfs_server/ops/test_server.hpp"

namespace lockstep::server::ops {
namespace {

using namespace wire;  // status codes
using test::Caller;
using test::Handle;

fs::InodeRecord file_of(std::uint32_t uid, std::uint32_t gid, std::uint16_t mode,
                        fs::FileType type = fs::FileType::regular) {
    fs::InodeRecord record{};
    record.type = type;
    record.uid = uid;
    record.gid = gid;
    record.mode = mode;
    return record;
}

// Every mode, every class of caller, every right: the class that applies first decides, whatever the others say.
TEST(Permission, TheCallersOwnClassDecidesAlone) {
    const std::uint32_t groups[] = {500, 20};
    Credentials owner, member, supplementary, other;
    owner.uid = 10, owner.gid = 20;
    member.uid = 11, member.gid = 20;
    supplementary.uid = 12, supplementary.gid = 21, supplementary.supplementary_gids = groups;
    other.uid = 13, other.gid = 21;
    for (std::uint16_t mode = 0; mode < 01000; ++mode) {
        const auto file = file_of(10, 20, mode);
        for (unsigned rights = 0; rights < 8; ++rights) {
            EXPECT_EQ(may(owner, file, rights), (mode >> 6 & rights) == rights);
            EXPECT_EQ(may(member, file, rights), (mode >> 3 & rights) == rights);
            EXPECT_EQ(may(supplementary, file, rights), (mode >> 3 & rights) == rights);
            EXPECT_EQ(may(other, file, rights), (mode & rights) == rights);
        }
    }
}

TEST(Permission, TheSuperuserMayEverythingButExecuteWhatNobodyMay) {
    Credentials root;
    root.uid = root.gid = 0;
    for (std::uint16_t mode = 0; mode < 01000; ++mode) {
        EXPECT_TRUE(may(root, file_of(10, 20, mode), right_read | right_write));
        EXPECT_EQ(may(root, file_of(10, 20, mode), right_execute), (mode & 0111) != 0);
        EXPECT_TRUE(may(root, file_of(10, 20, mode, fs::FileType::directory), right_execute));
    }
}

TEST(Permission, DataMayBeReadByTheOwnerAndByWhoMayExecute) {
    Credentials owner, other;
    owner.uid = 10, other.uid = 11;
    EXPECT_TRUE(may_read_data(owner, file_of(10, 20, 0)));
    EXPECT_TRUE(may_write_data(owner, file_of(10, 20, 0)));
    EXPECT_TRUE(may_read_data(other, file_of(10, 20, 01)));
    EXPECT_FALSE(may_write_data(other, file_of(10, 20, 05)));
    EXPECT_FALSE(may_read_data(other, file_of(10, 20, 0772)));
}

// The same through the procedures: which right each asks for.
class PermissionOf : public testing::Test {
 protected:
    PermissionOf() {
        client_.setattr(root_, test::with_mode(0777));
        client_.become(owner_);
        directory_ = client_.must_mkdir(root_, "directory", 0700);
        file_ = client_.must_create(directory_, "file", 0600);
        client_.write(file_, 0, "content");
    }
    void set_directory(std::uint32_t mode) { set(directory_, mode); }
    void set_file(std::uint32_t mode) { set(file_, mode); }
    void set(const Handle& handle, std::uint32_t mode) {
        client_.become(owner_);
        ASSERT_EQ(client_.setattr(handle, test::with_mode(mode)).status, NFS3_OK);
        client_.become(stranger_);
    }

    const Caller owner_{10, 20};
    const Caller stranger_{30, 40};
    test::TestServer server_;
    test::TestClient client_ = server_.make_client();
    const Handle root_ = server_.root();
    Handle directory_, file_;
};

TEST_F(PermissionOf, SearchingADirectoryTakesExecute) {
    set_directory(0776);
    EXPECT_EQ(client_.lookup(directory_, "file").status, NFS3ERR_ACCES);
    set_directory(0701);
    EXPECT_EQ(client_.lookup(directory_, "file").status, NFS3_OK);
}

TEST_F(PermissionOf, ListingADirectoryTakesRead) {
    set_directory(0773);
    EXPECT_EQ(client_.readdir(directory_).status, NFS3ERR_ACCES);
    EXPECT_EQ(client_.readdirplus(directory_).status, NFS3ERR_ACCES);
    set_directory(0704);
    EXPECT_EQ(client_.readdir(directory_).status, NFS3_OK);
    const auto listed = client_.readdirplus(directory_);
    ASSERT_EQ(listed.status, NFS3_OK);
    EXPECT_FALSE(listed.READDIRPLUS3res_u.resok.reply.entries->name_attributes.attributes_follow);
}

TEST_F(PermissionOf, ChangingADirectoryTakesWriteAndExecute) {
    for (const std::uint32_t mode : {0775u, 0776u}) {
        set_directory(mode);
        EXPECT_EQ(client_.create(directory_, "new").status, NFS3ERR_ACCES);
        EXPECT_EQ(client_.mkdir(directory_, "new").status, NFS3ERR_ACCES);
        EXPECT_EQ(client_.symlink(directory_, "new", "x").status, NFS3ERR_ACCES);
        EXPECT_EQ(client_.mknod(directory_, "new", NF3FIFO).status, NFS3ERR_ACCES);
        EXPECT_EQ(client_.remove(directory_, "file").status, NFS3ERR_ACCES);
        EXPECT_EQ(client_.rmdir(directory_, "file").status, NFS3ERR_ACCES);
        EXPECT_EQ(client_.rename(directory_, "file", root_, "x").status, NFS3ERR_ACCES);
        EXPECT_EQ(client_.rename(root_, "directory", directory_, "x").status, NFS3ERR_ACCES);
        EXPECT_EQ(client_.link(file_, directory_, "new").status, NFS3ERR_ACCES);
    }
    set_directory(0703);
    EXPECT_EQ(client_.create(directory_, "new").status, NFS3_OK);
    EXPECT_EQ(client_.remove(directory_, "file").status, NFS3_OK);
}

TEST_F(PermissionOf, ASupplementaryGroupHasTheGroupsRights) {
    set_directory(0750);
    set_file(0640);
    EXPECT_EQ(client_.lookup(directory_, "file").status, NFS3ERR_ACCES);
    client_.become({30, 40, {7, 8, 20}});
    EXPECT_EQ(client_.lookup(directory_, "file").status, NFS3_OK);
    EXPECT_EQ(client_.readdir(directory_).status, NFS3_OK);
    EXPECT_EQ(client_.read(file_, 0, 9).status, NFS3_OK);
    EXPECT_EQ(client_.write(file_, 0, "x").status, NFS3ERR_ACCES);
    EXPECT_EQ(client_.create(directory_, "new").status, NFS3ERR_ACCES);
    client_.become({30, 40, {7, 8, 21}});
    EXPECT_EQ(client_.read(file_, 0, 9).status, NFS3ERR_ACCES);
}

TEST_F(PermissionOf, DataTakesReadAndWrite) {
    set_file(0602);
    EXPECT_EQ(client_.read(file_, 0, 9).status, NFS3ERR_ACCES);
    EXPECT_EQ(client_.write(file_, 0, "x").status, NFS3_OK);
    set_file(0604);
    EXPECT_EQ(client_.read(file_, 0, 9).status, NFS3_OK);
    EXPECT_EQ(client_.write(file_, 0, "x").status, NFS3ERR_ACCES);
    EXPECT_EQ(client_.setattr(file_, test::with_size(0)).status, NFS3ERR_ACCES);
    set_directory(0707);
    EXPECT_EQ(client_.create(directory_, "file", UNCHECKED, test::with_size(0)).status, NFS3ERR_ACCES);
}

TEST_F(PermissionOf, AttributesAreTheOwners) {
    set_file(0666);
    EXPECT_EQ(client_.setattr(file_, test::with_mode(0777)).status, NFS3ERR_PERM);
    EXPECT_EQ(client_.setattr(file_, test::with_owner(30)).status, NFS3ERR_PERM);
    EXPECT_EQ(client_.setattr(file_, test::with_group(40)).status, NFS3ERR_PERM);
    EXPECT_EQ(client_.setattr(file_, test::with_times(SET_TO_CLIENT_TIME)).status, NFS3ERR_PERM);
    EXPECT_EQ(client_.setattr(file_, test::with_times(SET_TO_SERVER_TIME)).status, NFS3_OK);
    set_file(0644);
    EXPECT_EQ(client_.setattr(file_, test::with_times(SET_TO_SERVER_TIME)).status, NFS3ERR_ACCES);
    // The owner may not give the file away, but to a group of its own.
    client_.become({10, 20, {50}});
    EXPECT_EQ(client_.setattr(file_, test::with_owner(30)).status, NFS3ERR_PERM);
    EXPECT_EQ(client_.setattr(file_, test::with_group(40)).status, NFS3ERR_PERM);
    EXPECT_EQ(client_.setattr(file_, test::with_group(50)).status, NFS3_OK);
}

TEST_F(PermissionOf, SetIdBitsGoWithAForeignWriteOrAChangeOfGroup) {
    set_file(06777);
    EXPECT_EQ(client_.write(file_, 0, "x").status, NFS3_OK);
    EXPECT_EQ(client_.attributes(file_).mode, 0777u);
    client_.become({10, 20, {50}});
    client_.setattr(file_, test::with_mode(06777));
    EXPECT_EQ(client_.setattr(file_, test::with_group(50)).status, NFS3_OK);
    EXPECT_EQ(client_.attributes(file_).mode, 0777u);
    // Also when the superuser gives it away; its writes keep them, and so do directories.
    client_.setattr(file_, test::with_mode(06777));
    client_.become({0, 0});
    EXPECT_EQ(client_.write(file_, 0, "x").status, NFS3_OK);
    EXPECT_EQ(client_.attributes(file_).mode, 06777u);
    EXPECT_EQ(client_.setattr(file_, test::with_owner(30)).status, NFS3_OK);
    EXPECT_EQ(client_.attributes(file_).mode, 0777u);
    client_.setattr(directory_, test::with_mode(06777));
    EXPECT_EQ(client_.setattr(directory_, test::with_owner(30)).status, NFS3_OK);
    EXPECT_EQ(client_.attributes(directory_).mode, 06777u);
}

// Its `..` changes, which is in it.
TEST_F(PermissionOf, ADirectoryIsMovedToAnotherByWhoMayWriteIt) {
    set_directory(0777);
    client_.become(owner_);
    client_.must_mkdir(directory_, "owned", 0755);
    client_.become(stranger_);
    EXPECT_EQ(client_.rename(directory_, "owned", root_, "moved").status, NFS3ERR_ACCES);
    EXPECT_EQ(client_.rename(directory_, "owned", directory_, "renamed").status, NFS3_OK) << "within its parent";
    EXPECT_EQ(client_.rename(directory_, "file", root_, "moved").status, NFS3_OK) << "a file knows no parent";
    client_.become(owner_);
    EXPECT_EQ(client_.rename(directory_, "renamed", root_, "moved too").status, NFS3_OK);
}

TEST_F(PermissionOf, AStickyDirectoryKeepsTheNamesOfOthers) {
    set_directory(01777);
    EXPECT_EQ(client_.remove(directory_, "file").status, NFS3ERR_ACCES);
    EXPECT_EQ(client_.rename(directory_, "file", root_, "x").status, NFS3ERR_ACCES);
    client_.must_create(directory_, "mine");
    EXPECT_EQ(client_.rename(directory_, "mine", directory_, "file").status, NFS3ERR_ACCES);
    EXPECT_EQ(client_.remove(directory_, "mine").status, NFS3_OK);
    client_.must_mkdir(directory_, "subdirectory");
    client_.become({77, 77});
    EXPECT_EQ(client_.rmdir(directory_, "subdirectory").status, NFS3ERR_ACCES);
    client_.become(owner_);
    EXPECT_EQ(client_.rmdir(directory_, "subdirectory").status, NFS3_OK);
}

TEST_F(PermissionOf, AccessTellsWhatTheProceduresWouldAllow) {
    set_directory(0705);
    EXPECT_EQ(client_.access(directory_, 0x3f).ACCESS3res_u.resok.access,
              static_cast<std::uint32_t>(ACCESS3_READ | ACCESS3_LOOKUP));
    set_directory(0703);
    EXPECT_EQ(client_.access(directory_, 0x3f).ACCESS3res_u.resok.access,
              static_cast<std::uint32_t>(ACCESS3_LOOKUP | ACCESS3_MODIFY | ACCESS3_EXTEND | ACCESS3_DELETE));
    set_file(0603);
    EXPECT_EQ(client_.access(file_, 0x3f).ACCESS3res_u.resok.access,
              static_cast<std::uint32_t>(ACCESS3_MODIFY | ACCESS3_EXTEND | ACCESS3_EXECUTE));
    EXPECT_EQ(client_.access(file_, ACCESS3_READ).ACCESS3res_u.resok.access, 0u);
}

}  // namespace
}  // namespace lockstep::server::ops
