#include "nfs_server/explore/step.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <span>

namespace lockstep::server::explore {
namespace {

// What follows a verb in its text.
enum class Shape : std::uint8_t { alone, path, two_paths, path_and_size, write };

struct VerbText {
    Verb verb;
    std::string_view name;
    Shape shape;
};

constexpr std::array verbs{
    VerbText{Verb::creat, "creat", Shape::path},
    VerbText{Verb::exclusive, "exclusive", Shape::path},
    VerbText{Verb::mkdir, "mkdir", Shape::path},
    VerbText{Verb::symlink, "symlink", Shape::path},
    VerbText{Verb::fifo, "fifo", Shape::path},
    VerbText{Verb::link, "link", Shape::two_paths},
    VerbText{Verb::rename, "rename", Shape::two_paths},
    VerbText{Verb::remove, "remove", Shape::path},
    VerbText{Verb::rmdir, "rmdir", Shape::path},
    VerbText{Verb::write, "write", Shape::write},
    VerbText{Verb::truncate, "truncate", Shape::path_and_size},
    VerbText{Verb::chmod, "chmod", Shape::path_and_size},
    VerbText{Verb::commit, "commit", Shape::alone},
    VerbText{Verb::settle, "settle", Shape::alone},
    VerbText{Verb::checkpoint, "checkpoint", Shape::alone},
    VerbText{Verb::restart, "restart", Shape::alone},
};

std::vector<std::string_view> split(std::string_view text, char separator) {
    std::vector<std::string_view> parts;
    while (!text.empty()) {
        const size_t end = std::min(text.find(separator), text.size());
        if (end > 0) parts.push_back(text.substr(0, end));
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return parts;
}

bool read_number(std::string_view text, std::uint64_t& number) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    return error == std::errc{} && end == text.data() + text.size();
}

bool read_arguments(Shape shape, std::span<const std::string_view> words, Step& step) {
    constexpr std::array<size_t, 5> counts{0, 1, 2, 2, 4};
    if (words.size() != counts[static_cast<size_t>(shape)]) return false;
    if (shape != Shape::alone) step.path = words[0];
    switch (shape) {
        case Shape::alone:
        case Shape::path:
            return true;
        case Shape::two_paths:
            step.other = words[1];
            return true;
        case Shape::path_and_size:
            return read_number(words[1], step.size);
        case Shape::write:
            step.stable = words[3] == "sync";
            return read_number(words[1], step.offset) && read_number(words[2], step.size) &&
                   (step.stable || words[3] == "unstable");
    }
    return false;
}

}  // namespace

std::string to_string(const Step& step) {
    const auto& text = *std::ranges::find(verbs, step.verb, &VerbText::verb);
    switch (text.shape) {
        case Shape::alone:
            return std::string(text.name);
        case Shape::path:
            return fmt::format("{} {}", text.name, step.path);
        case Shape::two_paths:
            return fmt::format("{} {} {}", text.name, step.path, step.other);
        case Shape::path_and_size:
            return fmt::format("{} {} {}", text.name, step.path, step.size);
        case Shape::write:
            return fmt::format("{} {} {} {} {}", text.name, step.path, step.offset, step.size,
                               step.stable ? "sync" : "unstable");
    }
    return {};
}

std::string to_string(const Steps& steps) {
    std::vector<std::string> texts;
    for (const Step& step : steps) texts.push_back(to_string(step));
    return fmt::format("{}", fmt::join(texts, "; "));
}

Result<Steps, std::string> parse_steps(std::string_view text) {
    Steps steps;
    for (const std::string_view part : split(text, ';')) {
        const auto words = split(part, ' ');
        if (words.empty()) continue;
        const auto found = std::ranges::find(verbs, words.front(), &VerbText::name);
        Step step;
        if (found == verbs.end() || !read_arguments(found->shape, std::span(words).subspan(1), step))
            return fail(
                fmt::format("\"{}\" is not a step (for example: creat A/foo; write foo 0 100 sync; commit)", part));
        step.verb = found->verb;
        steps.push_back(std::move(step));
    }
    return steps;
}

}  // namespace lockstep::server::explore
