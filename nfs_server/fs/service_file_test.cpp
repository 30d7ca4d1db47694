#include "nfs_server/fs/service_file.hpp"

#include <gtest/gtest.h>

#include "nfs_server/fs/check.hpp"
#include "nfs_server/fs/test_file_system.hpp"

namespace lockstep::server::fs::test {
namespace {

TEST(ServiceFile, HoldsWhatWasWrittenLastAcrossACrash) {
    TestFileSystem test;
    EXPECT_EQ(read_service_file(*test), "");
    for (const std::string& text : {std::string("first"), std::string(20'000, 'x'), std::string("the last")}) {
        ASSERT_TRUE(write_service_file(*test, text));
        EXPECT_EQ(read_service_file(*test), text);
        test.crash();
        EXPECT_EQ(read_service_file(*test), text);
    }
    test.expect_sound();
}

}  // namespace
}  // namespace lockstep::server::fs::test
