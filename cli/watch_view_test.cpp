#include "cli/watch_view.hpp"

#include <gtest/gtest.h>

namespace lockstep::cli {
namespace {

using nlohmann::json;
using std::chrono::seconds;

json a_property(const std::string& name, std::uint64_t events, std::uint64_t taken, const std::string& verdict = "ok") {
    return {{"pid", 4711},
            {"name", name},
            {"verdict", verdict},
            {"reasons", json::array()},
            {"paused", false},
            {"changed_source", ""},
            {"counters", {{"events", events}, {"contexts_alive", 5}, {"contexts_pending", 3}, {"violations", 0}}},
            {"edges", {{{"from_state", "free"}, {"event", "grant"}, {"to_state", "held"}, {"taken", taken}}}},
            {"states", {{{"state", "free"}, {"contexts", 2}}, {{"state", "held"}, {"contexts", 3}}}},
            {"reports", json::array()}};
}

json violated(json property) {
    property["verdict"] = "violated";
    property["reports"] = {{{"keys", {{"file", "/a\033[2J"}}}, {"state", "held"}, {"event", "grant"}}};
    return property;
}

std::string text_of(const std::vector<std::string>& lines) {
    std::string text;
    for (const std::string& line : lines) text += line + "\n";
    return text;
}

TEST(WatchView, TellsContextsByStateRatesAndTheBusiestEdges) {
    WatchView view;
    const WatchView::Clock::time_point start;
    view.look({a_property("mutual_exclusion", 100, 40)}, start);
    EXPECT_EQ(text_of(view.lines({80, 24}, true, false)).find("/s\n"), std::string::npos) << "a rate of one look";
    view.look({a_property("mutual_exclusion", 700, 340)}, start + seconds(2));
    EXPECT_EQ(text_of(view.lines({80, 24}, true, false)),
              "process property         verdict      events/s contexts  pending violations\n"
              "   4711 mutual_exclusion ok                300        5        3          0\n"
              "        contexts        free 2, held 3\n"
              "        busiest         free -grant-> held 150/s\n");
}

TEST(WatchView, FitsIntoEveryWindowAndTellsWhatItLeavesOut) {
    WatchView view;
    for (int i = 0; i < 2; ++i)
        view.look({a_property("a_property_with_a_very_long_name_indeed", 1, 1), violated(a_property("b", 1, 1)),
                   a_property("c", 1, 1)},
                  WatchView::Clock::time_point() + seconds(i));
    for (std::size_t columns = 1; columns < 200; ++columns)
        for (const std::string& line : view.lines({columns, 0}, true, false)) ASSERT_LE(line.size(), columns);
    const auto few = view.lines({80, 4}, true, false);
    ASSERT_EQ(few.size(), 4U);
    EXPECT_NE(few.back().find("5 more lines"), std::string::npos) << few.back();
    EXPECT_EQ(view.lines({80, 7}, true, false).size(), 7U);
    EXPECT_EQ(text_of(view.lines({80, 8}, true, false)).find("more lines"), std::string::npos);
}

TEST(WatchView, ShowsTheLastViolationAndNothingThatSteersTheTerminal) {
    WatchView view;
    view.look({violated(a_property("p", 1, 1))}, {});
    const std::string text = text_of(view.lines({80, 24}, true, false));
    EXPECT_NE(text.find("last violation: in state held, event grant, of file=/a?[2J\n"), std::string::npos) << text;
    EXPECT_EQ(text_of(view.lines({}, false, false)).find("held 3"), std::string::npos)
        << "details where none are asked";
    EXPECT_NE(text_of(view.lines({}, false, false)).find("last violation"), std::string::npos);
    EXPECT_NE(text_of(view.lines({80, 24}, true, true)).find("\033[1;31mviolated\033[0m"), std::string::npos);
}

TEST(WatchView, KeepsWhatHasEndedAsItWasLast) {
    WatchView view;
    const WatchView::Clock::time_point start;
    view.look({violated(a_property("p", 1, 1)), a_property("q", 1, 1)}, start);
    view.look({a_property("q", 2, 1)}, start + seconds(1));
    EXPECT_NE(text_of(view.lines({80, 24}, false, false)).find("violated        ended"), std::string::npos)
        << text_of(view.lines({80, 24}, false, false));
    ASSERT_EQ(view.all().size(), 2U);
    EXPECT_EQ(view.all().front().at("verdict"), "violated");
    EXPECT_EQ(view.all().front().at("ended"), true);
    EXPECT_EQ(view.all().back().at("ended"), false);
}

}  // namespace
}  // namespace lockstep::cli
