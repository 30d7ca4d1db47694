// wcc data (RFC 1813 section 2.6): clients keep or drop what they cache by it, so it must be exact, for each procedure
// that changes something, whether it succeeds or not, and also when others change the same object. Layer: ops.
#include <algorithm>
#include <map>
#include <thread>
#include <utility>
#include <vector>

#include "nfs_server/ops/procedures_fixture.hpp"

namespace lockstep::server::ops {
namespace {

using namespace wire;  // status codes
using test::equal;
using test::Handle;
using test::is_before_of;
using test::to_handle;

bool same(const fattr3& a, const fattr3& b) {
    return a.type == b.type && a.mode == b.mode && a.nlink == b.nlink && a.uid == b.uid && a.gid == b.gid &&
           a.size == b.size && a.used == b.used && a.fsid == b.fsid && a.fileid == b.fileid &&
           equal(a.atime, b.atime) && equal(a.mtime, b.mtime) && equal(a.ctime, b.ctime);
}

// What a reply says, whichever its arm.
struct Answer {
    nfsstat3 status;
    std::vector<wcc_data> wcc;
};
template <class Res, class Arms>
Answer of_directory(const Res& res, Arms Res::*arms) {
    return {res.status, {res.status == NFS3_OK ? (res.*arms).resok.dir_wcc : (res.*arms).resfail.dir_wcc}};
}
template <class Res, class Arms>
Answer of_file(const Res& res, Arms Res::*arms) {
    return {res.status, {res.status == NFS3_OK ? (res.*arms).resok.file_wcc : (res.*arms).resfail.file_wcc}};
}
Answer answer(const CREATE3res& res) {
    return of_directory(res, &CREATE3res::CREATE3res_u);
}
Answer answer(const MKDIR3res& res) {
    return of_directory(res, &MKDIR3res::MKDIR3res_u);
}
Answer answer(const SYMLINK3res& res) {
    return of_directory(res, &SYMLINK3res::SYMLINK3res_u);
}
Answer answer(const MKNOD3res& res) {
    return of_directory(res, &MKNOD3res::MKNOD3res_u);
}
Answer answer(const REMOVE3res& res) {
    return of_directory(res, &REMOVE3res::REMOVE3res_u);
}
Answer answer(const RMDIR3res& res) {
    return of_directory(res, &RMDIR3res::RMDIR3res_u);
}
Answer answer(const WRITE3res& res) {
    return of_file(res, &WRITE3res::WRITE3res_u);
}
Answer answer(const COMMIT3res& res) {
    return of_file(res, &COMMIT3res::COMMIT3res_u);
}
Answer answer(const SETATTR3res& res) {
    const auto& arms = res.SETATTR3res_u;
    return {res.status, {res.status == NFS3_OK ? arms.resok.obj_wcc : arms.resfail.obj_wcc}};
}
Answer answer(const LINK3res& res) {
    const auto& arms = res.LINK3res_u;
    return {res.status, {res.status == NFS3_OK ? arms.resok.linkdir_wcc : arms.resfail.linkdir_wcc}};
}
Answer answer(const RENAME3res& res) {
    const auto& arms = res.RENAME3res_u;
    if (res.status == NFS3_OK) return {res.status, {arms.resok.fromdir_wcc, arms.resok.todir_wcc}};
    return {res.status, {arms.resfail.fromdir_wcc, arms.resfail.todir_wcc}};
}

class Wcc : public test::Procedures {
 protected:
    // The reply's wcc data are the attributes of `objects` before and after the call, all of them.
    template <class Call>
    void expect_exact(const char* what, nfsstat3 status, const std::vector<Handle>& objects, Call call) {
        std::vector<fattr3> before;
        for (const Handle& object : objects) before.push_back(attributes(object));
        server_.fs.clock().advance(1'000'000'007);
        const Answer reply = answer(call());
        EXPECT_EQ(reply.status, status) << what;
        ASSERT_EQ(reply.wcc.size(), objects.size()) << what;
        for (std::size_t i = 0; i < objects.size(); ++i) {
            const fattr3 after = attributes(objects[i]);
            EXPECT_TRUE(is_before_of(reply.wcc[i], before[i])) << what << ", before, object " << i;
            EXPECT_TRUE(reply.wcc[i].after.attributes_follow) << what << ", object " << i;
            EXPECT_TRUE(same(reply.wcc[i].after.post_op_attr_u.attributes, after)) << what << ", after, object " << i;
            EXPECT_EQ(same(before[i], after), status != NFS3_OK || !changes_) << what << ", object " << i;
        }
    }
    fattr3 attributes(const Handle& handle) {
        test::TestClient superuser = server_.make_client();
        return superuser.attributes(handle);
    }

    bool changes_ = true;  // what succeeds is seen in the attributes
    const Handle directory_ = client_.must_mkdir(root_, "directory");
    const Handle file_ = client_.must_create(directory_, "file");
};

TEST_F(Wcc, IsExactForEveryProcedureThatSucceeds) {
    const Handle other = client_.must_mkdir(root_, "other");
    expect_exact("SETATTR", NFS3_OK, {file_}, [&] { return client_.setattr(file_, test::with_mode(0640)); });
    expect_exact("SETATTR of the size", NFS3_OK, {file_}, [&] { return client_.setattr(file_, test::with_size(99)); });
    expect_exact("WRITE", NFS3_OK, {file_}, [&] { return client_.write(file_, 1000, "x"); });
    expect_exact("WRITE UNSTABLE", NFS3_OK, {file_}, [&] { return client_.write(file_, 50'000, "x", UNSTABLE); });
    expect_exact("CREATE", NFS3_OK, {directory_}, [&] { return client_.create(directory_, "new"); });
    expect_exact("CREATE EXCLUSIVE", NFS3_OK, {directory_},
                 [&] { return client_.create_exclusive(directory_, "exclusive", 7); });
    expect_exact("MKDIR", NFS3_OK, {directory_}, [&] { return client_.mkdir(directory_, "d"); });
    expect_exact("SYMLINK", NFS3_OK, {directory_}, [&] { return client_.symlink(directory_, "s", "t"); });
    expect_exact("MKNOD", NFS3_OK, {directory_}, [&] { return client_.mknod(directory_, "p", NF3FIFO); });
    expect_exact("LINK", NFS3_OK, {directory_}, [&] { return client_.link(file_, directory_, "linked"); });
    expect_exact("REMOVE", NFS3_OK, {directory_}, [&] { return client_.remove(directory_, "linked"); });
    expect_exact("RENAME", NFS3_OK, {directory_, other},
                 [&] { return client_.rename(directory_, "new", other, "moved"); });
    expect_exact("RENAME of a directory", NFS3_OK, {directory_, other},
                 [&] { return client_.rename(directory_, "d", other, "d"); });
    expect_exact("RENAME within a directory", NFS3_OK, {other, other},
                 [&] { return client_.rename(other, "moved", other, "again"); });
    expect_exact("RMDIR", NFS3_OK, {other}, [&] { return client_.rmdir(other, "d"); });
    changes_ = false;
    expect_exact("COMMIT", NFS3_OK, {file_}, [&] { return client_.commit(file_); });
    expect_exact("an empty WRITE", NFS3_OK, {file_}, [&] { return client_.write(file_, 0, ""); });
    expect_exact("UNCHECKED CREATE of what is there", NFS3_OK, {directory_},
                 [&] { return client_.create(directory_, "file", UNCHECKED, sattr3{}); });
    expect_exact("EXCLUSIVE CREATE again", NFS3_OK, {directory_},
                 [&] { return client_.create_exclusive(directory_, "exclusive", 7); });
}

TEST_F(Wcc, IsExactForEveryProcedureThatFails) {
    client_.must_create(client_.must_mkdir(root_, "full"), "file");
    client_.must_mkdir(root_, "empty");
    const nfstime3 guard{1, 1};
    expect_exact("SETATTR", NFS3ERR_NOT_SYNC, {file_},
                 [&] { return client_.setattr(file_, test::with_mode(0640), &guard); });
    expect_exact("SETATTR", NFS3ERR_INVAL, {directory_},
                 [&] { return client_.setattr(directory_, test::with_size(1)); });
    expect_exact("WRITE", NFS3ERR_FBIG, {file_}, [&] { return client_.write(file_, fs::max_file_bytes, "x"); });
    expect_exact("WRITE", NFS3ERR_INVAL, {directory_}, [&] { return client_.write(directory_, 0, "x"); });
    expect_exact("CREATE", NFS3ERR_EXIST, {directory_}, [&] { return client_.create(directory_, "file"); });
    expect_exact("CREATE EXCLUSIVE", NFS3ERR_EXIST, {directory_},
                 [&] { return client_.create_exclusive(directory_, "file", 8); });
    expect_exact("MKDIR", NFS3ERR_EXIST, {directory_}, [&] { return client_.mkdir(directory_, "file"); });
    expect_exact("MKDIR", NFS3ERR_NAMETOOLONG, {directory_},
                 [&] { return client_.mkdir(directory_, std::string(256, 'n')); });
    expect_exact("SYMLINK", NFS3ERR_EXIST, {directory_}, [&] { return client_.symlink(directory_, "file", "t"); });
    expect_exact("MKNOD", NFS3ERR_EXIST, {directory_}, [&] { return client_.mknod(directory_, "file", NF3FIFO); });
    expect_exact("MKNOD", NFS3ERR_BADTYPE, {directory_}, [&] { return client_.mknod(directory_, "x", NF3REG); });
    expect_exact("REMOVE", NFS3ERR_NOENT, {directory_}, [&] { return client_.remove(directory_, "none"); });
    expect_exact("REMOVE", NFS3ERR_ISDIR, {root_}, [&] { return client_.remove(root_, "directory"); });
    expect_exact("RMDIR", NFS3ERR_NOTDIR, {directory_}, [&] { return client_.rmdir(directory_, "file"); });
    expect_exact("RMDIR", NFS3ERR_NOTEMPTY, {root_}, [&] { return client_.rmdir(root_, "full"); });
    expect_exact("RENAME", NFS3ERR_NOENT, {directory_, root_},
                 [&] { return client_.rename(directory_, "none", root_, "x"); });
    expect_exact("RENAME", NFS3ERR_EXIST, {root_, root_},
                 [&] { return client_.rename(root_, "empty", root_, "full"); });
    expect_exact("RENAME", NFS3ERR_INVAL, {root_, directory_},
                 [&] { return client_.rename(root_, "directory", directory_, "x"); });
    expect_exact("LINK", NFS3ERR_EXIST, {directory_}, [&] { return client_.link(file_, directory_, "file"); });
    expect_exact("LINK", NFS3ERR_INVAL, {root_}, [&] { return client_.link(directory_, root_, "x"); });
    client_.become({10, 10});
    expect_exact("SETATTR", NFS3ERR_PERM, {file_}, [&] { return client_.setattr(file_, test::with_mode(0777)); });
    expect_exact("WRITE", NFS3ERR_ACCES, {file_}, [&] { return client_.write(file_, 0, "x"); });
    expect_exact("CREATE", NFS3ERR_ACCES, {directory_}, [&] { return client_.create(directory_, "x"); });
    expect_exact("MKDIR", NFS3ERR_ACCES, {directory_}, [&] { return client_.mkdir(directory_, "x"); });
    expect_exact("SYMLINK", NFS3ERR_ACCES, {directory_}, [&] { return client_.symlink(directory_, "x", "t"); });
    expect_exact("MKNOD", NFS3ERR_ACCES, {directory_}, [&] { return client_.mknod(directory_, "x", NF3FIFO); });
    expect_exact("REMOVE", NFS3ERR_ACCES, {directory_}, [&] { return client_.remove(directory_, "file"); });
    expect_exact("RMDIR", NFS3ERR_ACCES, {root_}, [&] { return client_.rmdir(root_, "empty"); });
    expect_exact("RENAME", NFS3ERR_ACCES, {directory_, root_},
                 [&] { return client_.rename(directory_, "file", root_, "x"); });
    expect_exact("LINK", NFS3ERR_ACCES, {directory_}, [&] { return client_.link(file_, directory_, "x"); });
}

// Each change gives the file a size of its own. What one reply calls `before` is what exactly one other calls `after`:
// the replies are a chain, with nothing between them that a client would miss.
TEST_F(Wcc, OfConcurrentChangesIsAChain) {
    constexpr std::uint64_t threads_count = 4, changes_count = 200;
    using Link = std::pair<std::uint64_t, std::uint64_t>;
    std::vector<std::vector<Link>> seen(threads_count);
    std::vector<std::thread> threads;
    for (std::uint64_t thread = 0; thread < threads_count; ++thread)
        threads.emplace_back([&, thread] {
            test::TestClient client = server_.make_client();
            for (std::uint64_t i = 0; i < changes_count; ++i) {
                const auto res = client.setattr(file_, test::with_size(1 + thread * changes_count + i));
                ASSERT_EQ(res.status, NFS3_OK);
                const wcc_data& wcc = res.SETATTR3res_u.resok.obj_wcc;
                seen[thread].emplace_back(wcc.before.pre_op_attr_u.attributes.size,
                                          wcc.after.post_op_attr_u.attributes.size);
                client.reset();
            }
        });
    for (auto& thread : threads) thread.join();
    std::map<std::uint64_t, std::uint64_t> next;
    for (const auto& links : seen)
        for (const auto& [before, after] : links) EXPECT_TRUE(next.emplace(before, after).second) << before;
    std::uint64_t size = 0, length = 0;
    for (auto place = next.find(size); place != next.end(); place = next.find(size)) {
        size = place->second;
        next.erase(place);
        ++length;
    }
    EXPECT_EQ(length, threads_count * changes_count);
    EXPECT_EQ(size, attributes(file_).size);
}

}  // namespace
}  // namespace lockstep::server::ops
