// What `lockstep watch` shows: a table of properties, and below each the contexts by state, the busiest edges and the
// last violation. Text in, text out: who looks, how often, and at what terminal is watch.cpp's.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

namespace lockstep::cli {

// The room for a view, in characters. Without a terminal there is room for everything.
struct ViewSize {
    std::size_t columns = 0;  // 0: as many as it takes
    std::size_t rows = 0;     // 0: as many as it takes
};

// Counts of two looks make rates, so looks are to come in their order. One thread.
class WatchView {
 public:
    using Clock = std::chrono::steady_clock;

    // `properties` as agents tell them, each with the "pid" of its process. A property that was there before and is no
    // longer stays in the view as it was last, marked `ended`.
    void look(const std::vector<nlohmann::json>& properties, Clock::time_point at);

    // The view of the last look: lines without their ends. With `details`, what is below each property too; with
    // `colour`, verdicts have one.
    std::vector<std::string> lines(ViewSize size, bool details, bool colour) const;

    // What was last seen of every property that was there at any time.
    std::vector<nlohmann::json> all() const;

 private:
    struct Row {
        nlohmann::json property;
        Clock::time_point at;
        bool ended = false;
        std::optional<double> events_per_s;  // none: seen once only
        std::vector<std::pair<double, std::string>> busiest;
    };

    static void add_rates(Row& row, const Row& before);
    std::size_t name_width(ViewSize size) const;
    void add_details(std::vector<std::string>& lines, const Row& row) const;

    std::map<std::pair<int, std::string>, Row> rows_;  // by process and property
};

}  // namespace lockstep::cli
