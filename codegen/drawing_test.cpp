#include "codegen/drawing.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "codegen/files_for_test.hpp"
#include "codegen/model_for_test.hpp"

namespace lockstep::codegen {
namespace {

using testing::HasSubstr;
using testing::Not;

Model door() {
    auto reading = read_model(graph("per door_id\\lopen = door:opened\\lclose = door:closed\\lseen: set of who\\l",
                                    "idle -> ajar [label=\"open; floor < 3 && mode == EX; insert(seen, who)\"];\n"
                                    "idle -> idle [label=\"close\"];\n"
                                    "ajar -> idle [label=\"close\"];\n"),
                              "door.dot", test_tracepoints());
    EXPECT_TRUE(reading.model);
    return *reading.model;
}

// A name by which counts are found: state, event, state, line.
EdgeCount count_of(const Model& model, std::size_t edge, std::uint64_t taken) {
    const Edge& one = model.edges[edge];
    return {model.states[one.source].name, model.events[one.event].name, model.states[one.target].name,
            one.position.line, taken};
}

TEST(Drawing, ItShowsStatesEdgesGuardsActionsAndWhatTheEventsAre) {
    const std::string drawing = drawing_of(door());
    EXPECT_THAT(drawing, HasSubstr("<B>ajar</B>"));
    EXPECT_THAT(drawing, HasSubstr("<B>open</B>"));
    EXPECT_THAT(drawing, HasSubstr("[floor &lt; 3 &amp;&amp; mode == EX]"));
    EXPECT_THAT(drawing, HasSubstr("/ insert(seen, who)"));
    EXPECT_THAT(drawing, HasSubstr("= door:opened"));
    EXPECT_THAT(drawing, HasSubstr("one for each door_id"));
    EXPECT_THAT(drawing, Not(HasSubstr("×")));
}

TEST(Drawing, CountsSayWhereARunHasBeen) {
    const Model model = door();
    const std::string drawing = drawing_of(model, {count_of(model, 0, 7), {"no", "such", "edge", 1, 5}});
    EXPECT_THAT(drawing, HasSubstr("×7"));
    EXPECT_THAT(drawing, HasSubstr("×0"));
    EXPECT_THAT(drawing, HasSubstr("style=dashed"));
    EXPECT_THAT(drawing, Not(HasSubstr("×5")));
}

TEST(Drawing, AViolationIsDrawnWithThePathThatLedThere) {
    const std::string drawing = drawing_of(
        door(),
        ViolationPath{{{"idle", "open", "ajar"}, {"ajar", "close", "idle"}, {"idle", "open", "ajar"}}, "ajar", "open"});
    EXPECT_THAT(drawing, HasSubstr("<B>1 open, 3 open</B>"));
    EXPECT_THAT(drawing, HasSubstr("<B>2 close</B>"));
    EXPECT_THAT(drawing, HasSubstr("<B>✗</B> 4 open"));
    EXPECT_THAT(drawing, HasSubstr("state1 -> violation"));
    EXPECT_THAT(drawing, HasSubstr("style=dashed"));  // idle -> idle was not gone along
    EXPECT_THAT(render(drawing, "svg"), HasSubstr("4 open"));

    EXPECT_THAT(drawing_of(door(), ViolationPath{{}, "idle", ""}), HasSubstr("its time is over"));
    std::vector<ViolationPath::Step> round(20, {"idle", "close", "idle"});
    EXPECT_THAT(drawing_of(door(), ViolationPath{round, "idle", "close"}), HasSubstr("<B>… 15 close, 16 close,"));
    EXPECT_THAT(drawing_of(door(), ViolationPath{{}, "nowhere", "open"}), Not(HasSubstr("-> violation")));
}

TEST(Drawing, EveryPropertyOfOursIsDrawn) {
    TracepointDeclarations tracepoints;
    ASSERT_TRUE(tracepoints.read_folder(root() / "tracepoints").empty());
    for (const auto& file : std::filesystem::directory_iterator(root() / "dot")) {
        if (file.path().extension() != ".dot") continue;
        const auto reading = read_model_file(file.path(), tracepoints);
        ASSERT_TRUE(reading.model) << file.path();
        const std::string svg = render(drawing_of(*reading.model), "svg");
        EXPECT_THAT(svg, HasSubstr("</svg>"));
        for (const State& state : reading.model->states) EXPECT_THAT(svg, HasSubstr(">" + state.name + "<"));
    }
}

TEST(Drawing, APictureIsAPicture) {
    EXPECT_EQ(render(drawing_of(door()), "png").substr(1, 3), "PNG");
    EXPECT_THROW(render(drawing_of(door()), "no-such-format"), DrawingError);
    EXPECT_THROW(render("this is no graph", "svg"), DrawingError);
}

TEST(Drawing, WhatIsNoUtf8IsReplacedAndNothingBreaksOut) {
    Model model = door();
    model.states[0].name = "a\"b<c>&\xff\xc3";
    const std::string svg = render(drawing_of(model), "svg");
    EXPECT_THAT(svg, HasSubstr("a&quot;b&lt;c&gt;&amp;??"));
}

}  // namespace
}  // namespace lockstep::codegen
