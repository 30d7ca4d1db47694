// Recorded calls against the model: right replies pass, each kind of wrong one is told.
#include "nfs_server/model/call_judge.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace lockstep::server::model {
namespace {

using testing::HasSubstr;

class Judged : public testing::Test {
 protected:
    Judged() { judge("start", "1"); }
    // Empty when the reply is the model's.
    std::string judge(const char* call, const char* reply, std::uint32_t uid = 0) {
        return judge_.judge(uid, call, reply).value_or("");
    }
    void make_file() {
        EXPECT_EQ("", judge("create 2.1 a guarded mode=644", "0 file=7.1 attr=1,644,1,0"));
        EXPECT_EQ("", judge("write 7.1 0 5 68656c6c6f", "0 count=5 attr=1,644,1,5"));
    }
    CallJudge judge_;
};

TEST_F(Judged, RightRepliesPass) {
    make_file();
    EXPECT_EQ("", judge("read 7.1 1 100", "0 count=4 eof=1 data=656c6c6f attr=1,644,1,5"));
    EXPECT_EQ("", judge("mkdir 2.1 d%20d mode=755", "0 file=8.1 attr=2,755,2,4096"));
    EXPECT_EQ("", judge("rename 2.1 a 8.1 b", "0"));
    EXPECT_EQ("", judge("lookup 8.1 b", "0 file=7.1 attr=1,644,1,5"));
    EXPECT_EQ("", judge("lookup 2.1 a", "2"));
    EXPECT_EQ("", judge("readdir 8.1 0", "0 eof=1 names=.,..,b,"));
    EXPECT_EQ("", judge("setattr 7.1 size=2 mode=600", "0 attr=1,600,1,2"));
    EXPECT_EQ("", judge("symlink 8.1 s to/x=1", "0 file=9.1 attr=5,777,1,6"));
    EXPECT_EQ("", judge("readlink 9.1", "0 text=to/x=1"));
    EXPECT_EQ("", judge("remove 8.1 b", "0"));
    EXPECT_EQ("", judge("getattr 7.1", "70"));
    EXPECT_EQ(judge_.judged(), 13u);
    EXPECT_TRUE(judge_.doubts().empty());
}

TEST_F(Judged, AWrongStatusIsTold) {
    make_file();
    EXPECT_THAT(judge("create 2.1 a guarded", "0 file=8.1"), HasSubstr("the model answers 17"));
}

TEST_F(Judged, OtherBytesAreTold) {
    make_file();
    EXPECT_THAT(judge("read 7.1 0 5", "0 count=5 eof=1 data=68656c6c70"), HasSubstr("other bytes"));
}

TEST_F(Judged, AShortReadThatClaimsTheEndIsTold) {
    make_file();
    EXPECT_EQ("", judge("read 7.1 0 5", "0 count=2 eof=0 data=6865"));
    EXPECT_THAT(judge("read 7.1 0 5", "0 count=2 eof=1 data=6865"), HasSubstr("not the file's end"));
}

TEST_F(Judged, OtherAttributesAreTold) {
    make_file();
    EXPECT_THAT(judge("getattr 7.1", "0 attr=1,644,1,6"), HasSubstr("the size is 5"));
    EXPECT_THAT(judge("getattr 7.1", "0 attr=1,644,2,5"), HasSubstr("there are 1 links"));
    EXPECT_THAT(judge("getattr 7.1", "0 attr=1,4644,1,5"), HasSubstr("the mode is 644"));
}

TEST_F(Judged, RightsThatTheSuperuserHasNotAreTold) {
    make_file();
    EXPECT_EQ("", judge("access 7.1 63", "0 rights=13 attr=1,644,1,5"));
    EXPECT_EQ("", judge("access 2.1 63", "0 rights=31"));
    EXPECT_EQ("", judge("access 7.1 63", "0 rights=1")) << "through a read-only export";
    EXPECT_EQ("", judge("access 7.1 63", "0 rights=0", 10)) << "another user's are not known";
    EXPECT_THAT(judge("access 7.1 63", "0 rights=45"), HasSubstr("the rights are 13"));
}

TEST_F(Judged, WhatIsSaidOfANameInAListingIsTold) {
    make_file();
    EXPECT_EQ("", judge("readdirplus 2.1 0", "0 eof=1 names=.,..,a, files=2.1:2,755,2,0/-/7.1:1,644,1,5/"));
    EXPECT_THAT(judge("readdirplus 2.1 0", "0 eof=1 names=a,.,.., files=7.1:1,644,1,6/-/-/"),
                HasSubstr("of \"a\": the size is 5"));
}

TEST_F(Judged, AHandleOfAnotherFileInAListingIsTold) {
    make_file();
    EXPECT_EQ("", judge("create 2.1 b guarded", "0 file=8.1"));
    EXPECT_THAT(judge("readdirplus 2.1 0", "0 eof=1 names=.,..,a,b, files=-/-/8.1/8.1/"),
                HasSubstr("of \"a\": the model finds 7.1"));
}

TEST_F(Judged, AttributesBesideOtherRepliesAreTold) {
    for (const char* verb : {"commit", "fsstat", "fsinfo", "pathconf"}) {
        CallJudge judge;
        judge.judge(0, "start", "1");
        const std::string call = std::string(verb) + " 2.1";
        EXPECT_EQ(judge.judge(0, call, "0 attr=2,755,2,0"), std::nullopt);
        EXPECT_THAT(judge.judge(0, call, "0 attr=2,755,3,0").value_or(""), HasSubstr("there are 2 links")) << verb;
        EXPECT_EQ(judge.judged_procedures().at(verb), 2u);
    }
}

TEST_F(Judged, AnotherFilesHandleIsTold) {
    make_file();
    EXPECT_EQ("", judge("create 2.1 b guarded mode=644", "0 file=8.1 attr=1,644,1,0"));
    EXPECT_THAT(judge("lookup 2.1 a", "0 file=8.1"), HasSubstr("the model finds 7.1"));
    EXPECT_THAT(judge("create 2.1 c guarded", "0 file=8.1"), HasSubstr("an old one's handle"));
}

TEST_F(Judged, AMissingNameIsTold) {
    make_file();
    EXPECT_THAT(judge("readdir 2.1 0", "0 eof=1 names=.,..,"), HasSubstr("3 names"));
    EXPECT_THAT(judge("readdir 2.1 0", "0 eof=0 names=.,..,b,"), HasSubstr("no name \"b\""));
}

TEST_F(Judged, WhatTheModelCantKnowIsADoubtOrSkipped) {
    EXPECT_EQ("", judge("getattr 99.3", "0 attr=1,644,1,0"));
    EXPECT_FALSE(judge_.doubts().empty());
    EXPECT_EQ("", judge("create 2.1 a guarded", "28")) << "no space";
    EXPECT_EQ("", judge("remove 2.1 a", "13", 1000)) << "not allowed";
    EXPECT_EQ("", judge("other", "0"));
    EXPECT_EQ(judge_.judged(), 0u);
    EXPECT_EQ(judge_.skipped(), 4u);
}

TEST(CallJudge, KnowsNothingWithoutTheBeginning) {
    CallJudge late;
    EXPECT_FALSE(late.judge(0, "getattr 2.1", "0 attr=2,755,9,4096"));
    EXPECT_FALSE(late.doubts().empty());
    CallJudge full;
    EXPECT_FALSE(full.judge(0, "start", "7"));
    EXPECT_FALSE(full.judge(0, "getattr 2.1", "0 attr=2,755,9,4096"));
    EXPECT_FALSE(full.doubts().empty());
}

}  // namespace
}  // namespace lockstep::server::model
