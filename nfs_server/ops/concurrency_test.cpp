// Many threads at once: operations stay atomic, nothing deadlocks, the disk stays sound. Meant for ThreadSanitizer,
// too.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <atomic>
#include <mutex>
#include <random>
#include <set>
#include <thread>

#include "nfs_server/ops/test_server.hpp"

namespace lockstep::server::ops {
namespace {

using namespace wire;  // status codes
using test::Handle;
using test::to_handle;

class Concurrency : public testing::Test {
 protected:
    // Runs `body(client, random)` in each of `count` threads.
    template <class Body>
    void run_threads(unsigned count, Body&& body) {
        std::vector<std::jthread> threads;
        for (unsigned seed = 0; seed < count; ++seed) {
            threads.emplace_back([&, seed] {
                test::TestClient client = server_.make_client();
                std::mt19937_64 random(seed);
                body(client, random, seed);
            });
        }
    }
    void expect_sound() {
        ASSERT_TRUE(server_.fs->reap());
        server_.fs.expect_sound();
    }

    test::TestServer server_;
    const Handle root_ = server_.root();
};

// What a random procedure may answer here: the protocol's refusals, never a failure of the server.
bool is_legal(nfsstat3 status) {
    static const std::set<nfsstat3> legal{NFS3_OK,       NFS3ERR_NOENT,    NFS3ERR_EXIST, NFS3ERR_NOTDIR,
                                          NFS3ERR_ISDIR, NFS3ERR_NOTEMPTY, NFS3ERR_STALE, NFS3ERR_INVAL};
    return legal.contains(status);
}

TEST_F(Concurrency, RandomProceduresKeepTheTreeSound) {
    std::mutex mutex;
    std::vector<Handle> handles{root_};
    std::atomic<int> illegal{0};
    run_threads(4, [&](test::TestClient& client, std::mt19937_64& random, unsigned) {
        auto any = [&] {
            std::lock_guard hold(mutex);
            return handles[random() % handles.size()];
        };
        auto name = [&] { return fmt::format("{}", random() % 8); };
        auto keep = [&](nfsstat3 status, const post_op_fh3& handle) {
            if (status != NFS3_OK) return status;
            std::lock_guard hold(mutex);
            handles.push_back(to_handle(handle));
            if (handles.size() > 40) handles.erase(handles.begin() + 1);
            return status;
        };
        auto one = [&]() -> nfsstat3 {
            switch (random() % 11) {
                case 0: {
                    const auto res = client.create(any(), name(), UNCHECKED);
                    return keep(res.status, res.CREATE3res_u.resok.obj);
                }
                case 1: {
                    const auto res = client.mkdir(any(), name());
                    return keep(res.status, res.MKDIR3res_u.resok.obj);
                }
                case 2:
                    return client.remove(any(), name()).status;
                case 3:
                    return client.rmdir(any(), name()).status;
                case 4:
                case 5:
                    return client.rename(any(), name(), any(), name()).status;
                case 6:
                    return client.link(any(), any(), name()).status;
                case 7:
                    return client.write(any(), random() % 9'000, std::string(500, 'x'), UNSTABLE).status;
                case 8:
                    return client.readdirplus(any()).status;
                case 9:
                    return client.setattr(any(), test::with_size(random() % 9'000)).status;
                default:
                    return client.lookup(any(), random() % 4 == 0 ? ".." : name()).status;
            }
        };
        for (int i = 0; i < 1'000; ++i) {
            client.reset();
            if (const nfsstat3 status = one(); !is_legal(status)) {
                ++illegal;
                ADD_FAILURE() << "status " << status;
            }
        }
    });
    EXPECT_EQ(illegal, 0);
    expect_sound();
}

TEST_F(Concurrency, AWriteIsSeenWholeOrNotAtAll) {
    constexpr std::size_t size = 20'000;
    test::TestClient setup = server_.make_client();
    const Handle file = setup.must_create(root_, "file");
    setup.write(file, 100, std::string(size, 'a'));
    run_threads(4, [&](test::TestClient& client, std::mt19937_64& random, unsigned thread) {
        for (int i = 0; i < 200; ++i) {
            client.reset();
            if (thread % 2 == 0) {
                const auto letter = static_cast<char>('a' + random() % 26);
                EXPECT_EQ(client.write(file, 100, std::string(size, letter), UNSTABLE).status, NFS3_OK);
            } else {
                const std::string content = client.content(file).substr(100);
                EXPECT_EQ(content, std::string(size, content.front()));
            }
        }
    });
    expect_sound();
}

TEST_F(Concurrency, RenamesInOppositeDirectionsNeitherDeadlockNorLoseAnything) {
    test::TestClient setup = server_.make_client();
    std::vector<Handle> directories;
    for (int i = 0; i < 3; ++i) directories.push_back(setup.must_mkdir(root_, fmt::format("directory {}", i)));
    for (int i = 0; i < 6; ++i) setup.must_create(directories[0], fmt::format("file {}", i));
    run_threads(4, [&](test::TestClient& client, std::mt19937_64& random, unsigned) {
        for (int i = 0; i < 500; ++i) {
            client.reset();
            const std::string name = fmt::format("file {}", random() % 6);
            const auto status = client.rename(directories[random() % 3], name, directories[random() % 3], name).status;
            EXPECT_TRUE(status == NFS3_OK || status == NFS3ERR_NOENT) << status;
        }
    });
    std::multiset<std::string> names;
    for (const Handle& directory : directories)
        for (const std::string& name : setup.names(directory))
            if (name.size() > 2) names.insert(name);
    EXPECT_EQ(names.size(), 6u);
    EXPECT_EQ(std::set<std::string>(names.begin(), names.end()).size(), 6u);
    expect_sound();
}

TEST_F(Concurrency, DirectoriesThatMoveIntoEachOtherNeverFormACircle) {
    test::TestClient setup = server_.make_client();
    std::vector<Handle> directories{root_};
    for (int i = 0; i < 5; ++i) directories.push_back(setup.must_mkdir(root_, fmt::format("{}", i)));
    run_threads(4, [&](test::TestClient& client, std::mt19937_64& random, unsigned) {
        for (int i = 0; i < 500; ++i) {
            client.reset();
            const std::string name = fmt::format("{}", random() % 5);
            const auto status = client.rename(directories[random() % 6], name, directories[random() % 6], name).status;
            EXPECT_TRUE(status == NFS3_OK || status == NFS3ERR_NOENT || status == NFS3ERR_INVAL) << status;
        }
    });
    expect_sound();
}

TEST_F(Concurrency, CreatorsOfOneNameHaveOneWinnerEachRound) {
    std::atomic<int> created{0}, removed{0};
    run_threads(4, [&](test::TestClient& client, std::mt19937_64& random, unsigned) {
        for (int i = 0; i < 500; ++i) {
            client.reset();
            if (random() % 2 == 0) {
                if (client.create(root_, "name", GUARDED).status == NFS3_OK) ++created;
            } else {
                if (client.remove(root_, "name").status == NFS3_OK) ++removed;
            }
        }
    });
    test::TestClient client = server_.make_client();
    const bool there = client.lookup(root_, "name").status == NFS3_OK;
    EXPECT_EQ(created - removed, there ? 1 : 0);
    EXPECT_GT(removed, 0);
    expect_sound();
}

}  // namespace
}  // namespace lockstep::server::ops
