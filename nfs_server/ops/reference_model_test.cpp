// The server against the reference model: random procedures from a seed, the same answers, the same tree at the end,
// with crashes in between.
#include "nfs_server/model/reference_model.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <random>

#include "nfs_server/ops/test_server.hpp"

namespace lockstep::server::ops {
namespace {

using namespace wire;  // status codes
using model::ReferenceModel;
using test::Handle;
using test::to_handle;
using Node = ReferenceModel::Node;

class AgainstTheModel : public testing::TestWithParam<unsigned> {
 protected:
    AgainstTheModel() : random_(GetParam()) { handles_.push_back(server_.root()); }

    std::uint64_t below(std::uint64_t limit) { return random_() % limit; }
    // Mostly nodes of late, living and dead.
    Node any_node() {
        const auto count = static_cast<std::uint64_t>(model_.node_count());
        const auto recent = std::min<std::uint64_t>(count, 30);
        return static_cast<Node>(below(4) == 0 ? below(count) : count - 1 - below(recent));
    }
    Node any_directory() {
        for (int i = 0; i < 50; ++i) {
            const Node node = any_node();
            ReferenceModel::Attributes attributes;
            if (model_.getattr(node, attributes) == NFS3_OK && attributes.type == NF3DIR) return node;
        }
        return below(10) == 0 ? any_node() : ReferenceModel::root;
    }
    std::string any_name() {
        if (below(60) == 0) return below(2) == 0 ? "." : "..";
        if (below(200) == 0) return std::string(below(2) * 300, 'n');
        return fmt::format("{}", below(25)) + std::string(below(20) == 0 ? 200 : 0, 'l');
    }
    std::string any_data() {
        return std::string(below(3) == 0 ? below(20'000) : below(200), static_cast<char>('a' + below(26)));
    }
    const Handle& handle(Node node) { return handles_[static_cast<std::size_t>(node)]; }

    // A node that the model has just made gets the server's handle; one that it has found must have it.
    void match(const ReferenceModel::Reply& expected, nfsstat3 status, const Handle& found) {
        ASSERT_EQ(status, expected.status);
        if (status != NFS3_OK) return;
        if (static_cast<std::size_t>(expected.node) == handles_.size()) handles_.push_back(found);
        ASSERT_EQ(handle(expected.node), found);
    }
    template <class Res>
    void match_made(const ReferenceModel::Reply& expected, nfsstat3 status, const Res& ok) {
        match(expected, status, status == NFS3_OK ? to_handle(ok.obj) : Handle());
    }

    void step() {
        const Node directory = any_directory();
        const std::string name = any_name();
        const std::uint64_t offset = below(4) == 0 ? below(200'000) : below(300);
        client_->reset();
        server_.fs.clock().advance(1'000);
        switch (below(16)) {
            case 0:
            case 1: {
                const auto mode = below(2) == 0 ? GUARDED : UNCHECKED;
                const auto res = client_->create(handle(directory), name, mode, test::with_mode(0640));
                return match_made(model_.create(directory, name, mode, {}, 0640), res.status, res.CREATE3res_u.resok);
            }
            case 2: {
                const std::uint64_t verifier = below(3);
                const auto res = client_->create_exclusive(handle(directory), name, verifier);
                return match_made(model_.create_exclusive(directory, name, verifier), res.status,
                                  res.CREATE3res_u.resok);
            }
            case 3:
            case 4: {
                const auto res = client_->mkdir(handle(directory), name, test::with_mode(0750));
                return match_made(model_.mkdir(directory, name, 0750), res.status, res.MKDIR3res_u.resok);
            }
            case 5: {
                const std::string text(1 + below(300), 't');
                const auto res = client_->symlink(handle(directory), name, text);
                return match_made(model_.symlink(directory, name, text), res.status, res.SYMLINK3res_u.resok);
            }
            case 6: {
                const auto res = client_->lookup(handle(directory), name);
                return match(model_.lookup(directory, name), res.status,
                             res.status == NFS3_OK ? to_handle(res.LOOKUP3res_u.resok.object) : Handle());
            }
            case 7:
            case 8:
                return expect(model_.remove(directory, name), client_->remove(handle(directory), name).status);
            case 9:
                return expect(model_.rmdir(directory, name), client_->rmdir(handle(directory), name).status);
            case 10: {
                const Node to = any_directory();
                const std::string to_name = any_name();
                return expect(model_.rename(directory, name, to, to_name),
                              client_->rename(handle(directory), name, handle(to), to_name).status);
            }
            case 11: {
                const Node file = any_node();
                return expect(model_.link(file, directory, name),
                              client_->link(handle(file), handle(directory), name).status);
            }
            case 12: {
                const Node file = any_node();
                return expect(model_.set_size(file, offset),
                              client_->setattr(handle(file), test::with_size(offset)).status);
            }
            case 13: {
                const Node file = any_node();
                const auto mode = static_cast<std::uint32_t>(below(010000));
                return expect(model_.set_mode(file, mode),
                              client_->setattr(handle(file), test::with_mode(mode)).status);
            }
            default: {
                const Node file = any_node();
                const std::string data = any_data();
                const auto stable = below(2) == 0 ? UNSTABLE : FILE_SYNC;
                return expect(model_.write(file, offset, data),
                              client_->write(handle(file), offset, data, stable).status);
            }
        }
    }
    static void expect(nfsstat3 model, nfsstat3 server) { ASSERT_EQ(server, model); }

    void compare_node(Node node) {
        SCOPED_TRACE(fmt::format("node {}", node));
        client_->reset();
        ReferenceModel::Attributes expected{};
        const auto status = model_.getattr(node, expected);
        const auto attributes = client_->getattr(handle(node));
        ASSERT_EQ(attributes.status, status);
        if (status != NFS3_OK) return;
        const auto& now = attributes.GETATTR3res_u.resok.obj_attributes;
        const bool is_directory = now.type == NF3DIR;
        EXPECT_EQ((ReferenceModel::Attributes{now.type, now.mode, now.nlink, is_directory ? 0 : now.size}), expected);
        std::string data;
        if (model_.read(node, 0, 1 << 20, data) == NFS3_OK) {
            EXPECT_EQ(client_->content(handle(node)), data);
        }
        if (model_.readlink(node, data) == NFS3_OK) {
            EXPECT_EQ(client_->readlink(handle(node)).READLINK3res_u.resok.data, data);
        }
        std::map<std::string, Node> names;
        if (model_.readdir(node, names) == NFS3_OK) compare_names(node, names);
    }
    void compare_names(Node directory, const std::map<std::string, Node>& expected) {
        std::map<std::string, Node> names;
        for (const std::string& name : client_->names(handle(directory))) {
            const auto found = client_->lookup(handle(directory), name);
            ASSERT_EQ(found.status, NFS3_OK);
            const auto at = std::find(handles_.begin(), handles_.end(), to_handle(found.LOOKUP3res_u.resok.object));
            EXPECT_TRUE(names.emplace(name, static_cast<Node>(at - handles_.begin())).second);
        }
        EXPECT_EQ(names, expected);
    }
    void compare_all() {
        for (Node node = 0; node < model_.node_count(); ++node) ASSERT_NO_FATAL_FAILURE(compare_node(node));
    }

    // Everything but unstable writes is durable by now; those, a COMMIT makes so.
    void crash() {
        ASSERT_EQ(client_->commit(server_.root()).status, NFS3_OK);
        client_.reset();
        server_.restart();
        client_.emplace(*server_.service);
    }

    std::mt19937_64 random_;
    test::TestServer server_;
    std::optional<test::TestClient> client_{std::in_place, *server_.service};
    ReferenceModel model_;
    std::vector<Handle> handles_;
};

TEST_P(AgainstTheModel, TheServerAnswersAsTheModelDoes) {
    for (int i = 0; i < 2500; ++i) {
        SCOPED_TRACE(fmt::format("seed {} step {}", GetParam(), i));
        ASSERT_NO_FATAL_FAILURE(step());
        if (i % 500 == 499) {
            ASSERT_NO_FATAL_FAILURE(crash());
            ASSERT_NO_FATAL_FAILURE(compare_all());
            server_.fs.expect_sound();
        }
    }
}

INSTANTIATE_TEST_SUITE_P(Seeds, AgainstTheModel, testing::Values(1u, 2u, 3u, 4u));

}  // namespace
}  // namespace lockstep::server::ops
