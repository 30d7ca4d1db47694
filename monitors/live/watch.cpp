#include "monitors/live/watch.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <stdexcept>

namespace lockstep::monitors {
namespace {

using nlohmann::json;

// Violations arrive after the live timer anyway.
constexpr std::chrono::milliseconds tick{2};

}  // namespace

Watch::Watch(std::vector<std::shared_ptr<WatchedProperty>> properties, std::string what,
             const std::filesystem::path& socket)
    : properties_(std::move(properties)), what_(std::move(what)), server_(socket) {
    reaction_ = std::thread([this] { react(); });
    control_ = std::thread([this] { server_.serve([this](const json& request) { return answer(request); }); });
}

Watch::~Watch() {
    finish();
}

void Watch::finish() {
    server_.stop();
    if (control_.joinable()) control_.join();
    {
        const std::lock_guard hold(mutex_);
        stopping_ = true;
    }
    changed_.notify_all();
    if (reaction_.joinable()) reaction_.join();
}

bool Watch::all_detached() const {
    return std::ranges::all_of(properties_, [](const auto& property) { return property->detached(); });
}

void Watch::react() {
    for (bool last = false; !last;) {
        {
            std::unique_lock lock(mutex_);
            last = changed_.wait_for(lock, tick, [this] { return stopping_; });
        }
        for (const auto& property : properties_) property->handle_violations();
    }
}

json Watch::answer(const json& request) {
    const std::string what = request.value("do", "");
    if (what == "status") {
        json all = json::array();
        for (const auto& each : properties_)
            if (!each->detached()) all.push_back(each->status());
        return {{"pid", getpid()}, {"watches", what_}, {"properties", all}};
    }
    if (what == "detach") {
        const auto detached = property(request);
        detached->detach();
        return {{"summary", detached->status()}};
    }
    if (what == "pause") return property(request)->pause(), json::object();
    if (what == "resume") return property(request)->resume(), json::object();
    if (what == "react") {
        property(request)->set_reactors(request.value("reactors", std::vector<std::string>{"log"}));
        return json::object();
    }
    if (what == "attach")
        throw std::invalid_argument("properties cannot be added to a running `lockstep attach`: start another");
    throw std::invalid_argument("\"do\" is one of detach, status, pause, resume, react");
}

std::shared_ptr<WatchedProperty> Watch::property(const json& request) const {
    const std::string name = request.value("property", "");
    const auto found = std::ranges::find_if(
        properties_, [&](const auto& property) { return !property->detached() && property->name() == name; });
    if (found == properties_.end())
        throw std::invalid_argument(fmt::format("no property named \"{}\" is attached", name));
    return *found;
}

LiveResult judge_again_if_broken_off(LiveVerifier& verifier, const LiveResult& seen,
                                     const std::vector<std::shared_ptr<WatchedProperty>>& properties) {
    const auto interrupted = [](const auto& property) { return property->interrupted(); };
    if (!seen.recorded || std::ranges::any_of(properties, interrupted)) return seen;
    std::vector<std::unique_ptr<Monitor>> fresh;
    std::vector<Monitor*> borrowed;
    for (const auto& property : properties) {
        fresh.push_back(property->another_run());
        borrowed.push_back(fresh.back().get());
    }
    LiveResult result = verifier.judge_again(seen, borrowed);
    if (result.read_again_because.empty()) return result;
    for (std::size_t i = 0; i < properties.size(); ++i) properties[i]->replace_monitor(std::move(fresh[i]));
    return result;
}

}  // namespace lockstep::monitors
