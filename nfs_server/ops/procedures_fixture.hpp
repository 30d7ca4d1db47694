// For the tests of the procedures: a server, a client, and what wcc data must say. Layer: ops.
#pragma once

#include <gmock/gmock.h>

#include "nfs_server/ops/test_server.hpp"

namespace lockstep::server::ops::test {

using namespace wire;  // status codes

class Procedures : public testing::Test {
 protected:
    ~Procedures() override { server_.fs.expect_sound(); }

    /// A handle of a file that is gone.
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

inline bool equal(const nfstime3& a, const nfstime3& b) {
    return a.seconds == b.seconds && a.nseconds == b.nseconds;
}

inline bool is_after_of(const wcc_data& wcc, const fattr3& now) {
    const fattr3& after = wcc.after.post_op_attr_u.attributes;
    return wcc.after.attributes_follow && after.size == now.size && after.nlink == now.nlink &&
           equal(after.mtime, now.mtime) && equal(after.ctime, now.ctime);
}
inline bool is_before_of(const wcc_data& wcc, const fattr3& then) {
    const wcc_attr& before = wcc.before.pre_op_attr_u.attributes;
    return wcc.before.attributes_follow && before.size == then.size && equal(before.mtime, then.mtime) &&
           equal(before.ctime, then.ctime);
}

}  // namespace lockstep::server::ops::test
