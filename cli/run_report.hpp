// The files that a run leaves behind for people and programs.
#pragma once

#include <filesystem>

#include "netns_harness/result.hpp"

namespace lockstep::cli {

// Writes report.html into `directory`, made from the result.json there: each automaton is drawn with what the run
// visited; one that can't be drawn is left out, and a line on stderr says why. Throws harness::Error when there is no
// result.
void write_page(const std::filesystem::path& directory);

// Writes result.json, report.txt, junit.xml and report.html.
void write_results(const harness::RunResult& result, const std::filesystem::path& directory);

}  // namespace lockstep::cli
