#include "netns_harness/uml/frame.hpp"

#include <cstring>

namespace lockstep::uml {
namespace {

constexpr std::size_t kind_at = 4;
constexpr std::size_t length_at = 5;
constexpr std::size_t header_bytes = 9;

}  // namespace

std::string encode(const Frame& frame) {
    const auto length = static_cast<std::uint32_t>(frame.body.size());
    std::string bytes(header_bytes, '\0');
    std::memcpy(bytes.data(), &frame.channel, sizeof frame.channel);
    bytes[kind_at] = static_cast<char>(frame.kind);
    std::memcpy(bytes.data() + length_at, &length, sizeof length);
    return bytes + frame.body;
}

std::optional<Frame> FrameParser::next() {
    const std::string_view rest = std::string_view(pending_).substr(consumed_);
    if (broken_ || rest.size() < header_bytes) return std::nullopt;
    std::uint32_t length = 0;
    std::memcpy(&length, rest.data() + length_at, sizeof length);
    if (length > frame_body_limit) {
        broken_ = true;
        return std::nullopt;
    }
    if (rest.size() < header_bytes + length) return std::nullopt;

    Frame frame;
    std::memcpy(&frame.channel, rest.data(), sizeof frame.channel);
    frame.kind = static_cast<FrameKind>(rest[kind_at]);
    frame.body = rest.substr(header_bytes, length);
    consumed_ += header_bytes + length;
    // Moving the rest to the front once it is the smaller part keeps the cost linear in the bytes fed.
    if (consumed_ > pending_.size() / 2) {
        pending_.erase(0, consumed_);
        consumed_ = 0;
    }
    return frame;
}

std::string join_arguments(const std::vector<std::string>& arguments) {
    std::string body;
    for (const std::string& argument : arguments) body.append(argument).push_back('\0');
    return body;
}

std::vector<std::string> split_arguments(std::string_view body) {
    std::vector<std::string> arguments;
    while (!body.empty()) {
        const std::size_t end = body.find('\0');
        arguments.emplace_back(body.substr(0, end));
        body.remove_prefix(end == std::string_view::npos ? body.size() : end + 1);
    }
    return arguments;
}

}  // namespace lockstep::uml
