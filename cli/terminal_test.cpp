#include "cli/terminal.hpp"

#include <gtest/gtest.h>
#include <pty.h>
#include <unistd.h>

#include <cstdlib>

namespace lockstep::cli {
namespace {

// A pseudo-terminal of that size, while it lives.
struct Terminal {
    Terminal(unsigned short columns, unsigned short rows) {
        const winsize size{rows, columns, 0, 0};
        if (openpty(&master, &slave, nullptr, nullptr, &size) != 0) std::abort();
    }
    ~Terminal() {
        close(master);
        close(slave);
    }
    Terminal(const Terminal&) = delete;
    Terminal& operator=(const Terminal&) = delete;

    int master = -1;
    int slave = -1;
};

TEST(FittedLine, CountsCharactersAndMarksWhatIsLeftOut) {
    EXPECT_EQ(fitted("working · 5 events", 0), "working · 5 events");
    EXPECT_EQ(fitted("working · 5 events", 18), "working · 5 events");
    EXPECT_EQ(fitted("working · 5 events", 10), "working ·>");
    EXPECT_EQ(fitted("working · 5 events", 9), "working >");
    EXPECT_EQ(fitted("ab", 1), ">");
}

TEST(FittedLine, LetsNothingThroughThatSteersTheTerminal) {
    EXPECT_EQ(fitted("a\033[2Jb\rc\nd\x7f", 0), "a?[2Jb?c?d?");
}

TEST(TerminalSize, IsThatOfATerminalAndOfNothingElse) {
    const Terminal terminal(61, 17);
    ASSERT_TRUE(terminal_size(terminal.slave).has_value());
    EXPECT_EQ(terminal_size(terminal.slave)->columns, 61U);
    EXPECT_EQ(terminal_size(terminal.slave)->rows, 17U);
    EXPECT_EQ(terminal_size(Terminal(0, 0).slave)->columns, 80U);
    int pipe_ends[2];
    ASSERT_EQ(pipe(pipe_ends), 0);
    EXPECT_FALSE(terminal_size(pipe_ends[1]).has_value());
    close(pipe_ends[0]);
    close(pipe_ends[1]);
}

TEST(Colours, AreForTerminalsWhereNobodyForbidsThem) {
    const Terminal terminal(80, 24);
    unsetenv("NO_COLOR");
    EXPECT_TRUE(colours_are_wanted(terminal.slave));
    EXPECT_FALSE(colours_are_wanted(-1));
    setenv("NO_COLOR", "", 1);
    EXPECT_TRUE(colours_are_wanted(terminal.slave));
    setenv("NO_COLOR", "1", 1);
    EXPECT_FALSE(colours_are_wanted(terminal.slave));
    unsetenv("NO_COLOR");
}

}  // namespace
}  // namespace lockstep::cli
