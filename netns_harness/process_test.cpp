// Processes on hosts: their output, their end, their environment, and what a failed start says.
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "netns_harness/process.hpp"
#include "netns_harness/sandbox.hpp"

namespace lockstep::harness {
namespace {

namespace fs = std::filesystem;

// Runs `check` in a sandbox with one host and a directory for logs; 0 means that it holds.
int on_a_host(const std::function<int(Host&, const fs::path&)>& check) {
    return run_in_sandbox({}, [&](Sandbox&) {
        Network network("10.77.0.0/24");
        return check(network.add_host("a"), Sandbox::scratch);
    });
}

Command shell(const std::string& script) {
    return {.name = "shell", .program = "/bin/sh", .arguments = {"-c", script}, .environment = {}};
}

Clock::time_point soon() {
    return Clock::now() + milliseconds(10'000);
}

// A killed process stays visible until init has reaped it.
bool group_vanishes(pid_t group) {
    const auto deadline = soon();
    while (kill(-group, 0) == 0 && Clock::now() < deadline) poll(nullptr, 0, 1);
    return kill(-group, 0) == -1;
}

TEST(Process, ItRunsInItsHostsNamespaceAndItsOutputIsKept) {
    EXPECT_EQ(on_a_host([](Host& host, const fs::path& logs) {
                  Process process(shell("readlink /proc/self/ns/net; echo to errors >&2; exit 5"), host, logs);
                  const auto how = process.wait(soon());
                  if (!how || how->exit_status != 5 || how->signal != 0) return 1;
                  if (read_file(process.out_path()) != "net:[" + std::to_string(host.net_ns) + "]\n") return 2;
                  return read_file(process.err_path()) == "to errors\n" ? 0 : 3;
              }),
              0);
}

TEST(Process, AReadyLineIsWaitedFor) {
    EXPECT_EQ(on_a_host([](Host& host, const fs::path& logs) {
                  Process process(shell("echo starting; echo ready on port 5; exec sleep 100"), host, logs);
                  return process.wait_for_line("ready", soon()) == "ready on port 5" ? 0 : 1;
              }),
              0);
}

TEST(Process, OneThatHasNoRoomToSayThatItIsReadyIsSaidToHaveNone) {
    EXPECT_EQ(on_a_host([](Host& host, const fs::path& logs) {
                  const fs::path full = logs / "full";
                  fs::create_directory(full);
                  if (mount("tmpfs", full.c_str(), "tmpfs", 0, "size=4k") != 0) return 1;
                  std::ofstream(full / "filling") << std::string(4096, 'x');
                  Process process(shell("echo ready; exec sleep 100"), host, full);
                  try {
                      process.wait_for_line("ready", Clock::now() + milliseconds(50));
                  } catch (const Error& error) {
                      const std::string what = error.what();
                      return what.find("shell was not ready in time: no space is left at " + full.string()) == 0 ? 0
                                                                                                                 : 2;
                  }
                  return 3;
              }),
              0);
}

TEST(Process, OneThatEndsBeforeItIsReadyShowsItsLastLines) {
    EXPECT_EQ(on_a_host([](Host& host, const fs::path& logs) {
                  Process process(shell("for i in 1 2 3 4 5 6 7 8 9 10 11 12; do echo line $i >&2; done; exit 4"), host,
                                  logs);
                  try {
                      process.wait_for_line("ready", soon());
                  } catch (const Error& error) {
                      const std::string text = error.what();
                      if (text.find("exit status 4") == std::string::npos) return 1;
                      if (text.find("line 12") == std::string::npos || text.find("line 3\n") == std::string::npos)
                          return 2;
                      return text.find("line 2\n") == std::string::npos ? 0 : 3;
                  }
                  return 4;
              }),
              0);
}

TEST(Process, OneThatNeverGetsReadyIsGivenUpAtTheDeadline) {
    EXPECT_EQ(on_a_host([](Host& host, const fs::path& logs) {
                  Process process(shell("echo almost; exec sleep 100"), host, logs);
                  try {
                      process.wait_for_line("ready", Clock::now() + milliseconds(50));
                  } catch (const Error& error) {
                      return std::string(error.what()).find("almost") != std::string::npos ? 0 : 1;
                  }
                  return 2;
              }),
              0);
}

TEST(Process, AProgramThatDoesNotExistIsNamed) {
    EXPECT_EQ(on_a_host([](Host& host, const fs::path& logs) {
                  try {
                      Process process(
                          {.name = "server", .program = "/nonexistent/nfs_server", .arguments = {}, .environment = {}},
                          host, logs);
                  } catch (const Error& error) {
                      return std::string(error.what()).find("/nonexistent/nfs_server") != std::string::npos ? 0 : 1;
                  }
                  return 2;
              }),
              0);
}

TEST(Process, StoppingAsksFirstAndKillsTheGroupAfterwards) {
    EXPECT_EQ(
        on_a_host([](Host& host, const fs::path& logs) {
            Process polite(shell("trap 'echo bye; exit 0' TERM; echo ready; while :; do sleep 0.01; done"), host, logs);
            polite.wait_for_line("ready", soon());
            if (!polite.stop(milliseconds(5000)).well()) return 1;
            Process stubborn(shell("trap '' TERM; sleep 1000 & echo ready; while :; do sleep 0.01; done"), host, logs);
            stubborn.wait_for_line("ready", soon());
            if (stubborn.stop(milliseconds(20)).signal != SIGKILL) return 2;
            return group_vanishes(stubborn.pid()) ? 0 : 3;
        }),
        0);
}

TEST(Process, DroppingItKillsIt) {
    EXPECT_EQ(on_a_host([](Host& host, const fs::path& logs) {
                  pid_t pid = 0;
                  {
                      Process process(shell("exec sleep 1000"), host, logs);
                      pid = process.pid();
                  }
                  return kill(pid, 0) == -1 ? 0 : 1;
              }),
              0);
}

TEST(Process, AGatedProgramWaitsForItsGate) {
    EXPECT_EQ(on_a_host([](Host& host, const fs::path& logs) {
                  Command command = shell("echo ready; read line; echo went");
                  command.gated = true;
                  Process process(command, host, logs);
                  process.wait_for_line("ready", soon());
                  if (process.wait(Clock::now() + milliseconds(20))) return 1;
                  process.open_gate();
                  if (!process.wait(soon())) return 2;
                  return read_file(process.out_path()) == "ready\nwent\n" ? 0 : 3;
              }),
              0);
}

TEST(Process, ItsEnvironmentIsOursWithAdditions) {
    EXPECT_EQ(on_a_host([](Host& host, const fs::path& logs) {
                  setenv("LOCKSTEP_TEST_KEPT", "kept", 1);
                  setenv("LOCKSTEP_TEST_REPLACED", "old", 1);
                  Command command = shell("echo $LOCKSTEP_TEST_KEPT $LOCKSTEP_TEST_REPLACED $LOCKSTEP_TEST_ADDED");
                  command.environment = {{"LOCKSTEP_TEST_REPLACED", "new"}, {"LOCKSTEP_TEST_ADDED", "added"}};
                  Process process(command, host, logs);
                  if (!process.wait(soon())) return 1;
                  return read_file(process.out_path()) == "kept new added\n" ? 0 : 2;
              }),
              0);
}

}  // namespace
}  // namespace lockstep::harness
