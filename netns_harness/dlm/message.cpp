#include "netns_harness/dlm/message.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <vector>

namespace lockstep::dlm {
namespace {

using Kind = Message::Kind;
using Words = std::vector<std::string_view>;

constexpr std::array<std::string_view, 7> kind_names{"hello",   "lock",    "cancel",  "unlock",
                                                     "granted", "refused", "released"};
constexpr std::array<std::string_view, 3> reason_names{"busy", "deadlock", "withdrawn"};

template <class Enum, std::size_t count>
std::optional<Enum> named(const std::array<std::string_view, count>& names, std::string_view name) {
    const auto found = std::ranges::find(names, name);
    if (found == names.end()) return std::nullopt;
    return static_cast<Enum>(found - names.begin());
}

Words split(std::string_view line) {
    Words words;
    for (std::size_t begin = 0; begin <= line.size();) {
        const std::size_t end = std::min(line.find(' ', begin), line.size());
        words.push_back(line.substr(begin, end - begin));
        begin = end + 1;
    }
    return words;
}

std::optional<std::uint32_t> number(std::string_view word) {
    std::uint32_t value = 0;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
    if (error != std::errc() || end != word.data() + word.size()) return std::nullopt;
    if (word.size() > 1 && word.front() == '0') return std::nullopt;  // one way to write each
    return value;
}

bool is_name(std::string_view word) {
    const auto printable = [](char c) { return c > ' ' && c < 127; };
    return !word.empty() && word.size() <= longest_name && std::ranges::all_of(word, printable);
}

std::size_t words_of(Kind kind) {
    switch (kind) {
        case Kind::lock:
            return 5;
        case Kind::cancel:
        case Kind::unlock:
        case Kind::refused:
            return 3;
        default:
            return 2;
    }
}

bool has_resource(Kind kind) {
    return kind == Kind::lock || kind == Kind::cancel || kind == Kind::unlock;
}

bool take_request(const Words& words, Message& message) {
    const auto request = number(words[1]);
    if (request) message.request = *request;
    return request.has_value();
}

bool take_name(std::string_view word, Message& message) {
    message.name = word;
    return is_name(word);
}

bool take_mode(const Words& words, Message& message) {
    const auto mode = mode_named(words[3]);
    if (!mode || (words[4] != "wait" && words[4] != "try")) return false;
    message.mode = *mode;
    message.may_wait = words[4] == "wait";
    return true;
}

bool take_reason(const Words& words, Message& message) {
    const auto reason = named<Message::Reason>(reason_names, words[2]);
    if (reason) message.reason = *reason;
    return reason.has_value();
}

}  // namespace

std::optional<Message> parse_line(std::string_view line) {
    if (line.size() >= longest_line) return std::nullopt;
    const Words words = split(line);
    const auto kind = named<Kind>(kind_names, words[0]);
    if (!kind || words.size() != words_of(*kind)) return std::nullopt;
    Message message{.kind = *kind};
    const bool good = *kind == Kind::hello
                          ? take_name(words[1], message)
                          : take_request(words, message) && (!has_resource(*kind) || take_name(words[2], message)) &&
                                (*kind != Kind::lock || take_mode(words, message)) &&
                                (*kind != Kind::refused || take_reason(words, message));
    if (!good) return std::nullopt;
    return message;
}

std::string to_line(const Message& message) {
    std::string line(kind_names[static_cast<std::size_t>(message.kind)]);
    const auto add = [&line](std::string_view word) { (line += ' ') += word; };
    if (message.kind == Kind::hello)
        add(message.name);
    else
        add(std::to_string(message.request));
    if (has_resource(message.kind)) add(message.name);
    if (message.kind == Kind::lock) {
        add(name_of(message.mode));
        add(message.may_wait ? "wait" : "try");
    }
    if (message.kind == Kind::refused) add(name_of(message.reason));
    return line + '\n';
}

std::string_view name_of(Message::Reason reason) {
    return reason_names[static_cast<std::size_t>(reason)];
}

std::optional<std::string> LineReader::next() {
    const std::size_t end = bytes_.find('\n');
    if (end == std::string::npos) return std::nullopt;
    std::string line = bytes_.substr(0, end);
    bytes_.erase(0, end + 1);
    return line;
}

}  // namespace lockstep::dlm
