#include "cli/loadable_property.hpp"

#include <algorithm>
#include <stdexcept>

#include "cli/property_compiler.hpp"
#include "monitors/runtime/monitor.hpp"

namespace lockstep::cli {

LoadableProperty::LoadableProperty(const std::string& property) {
    if (!property.ends_with(".dot") && !property.ends_with(".ltl")) {
        file_ = monitors::find_monitor(property);
        return;
    }
    scratch_.emplace("lockstep-attach");
    file_ = scratch_->path() / (std::filesystem::path(property).stem().string() + ".so");
    const std::string source = generate(property, {});
    sound_ = !source.empty() && compile_monitor(source, file_, {});
}

std::vector<GroupMember> expand_groups(const std::vector<std::string>& properties) {
    namespace fs = std::filesystem;
    std::vector<GroupMember> all;
    for (const std::string& property : properties) {
        const bool is_path = property.find('/') != std::string::npos || property == "." || property == "..";
        const fs::path folder = is_path ? fs::path(property) : monitors::monitor_directory() / property;
        std::error_code none;
        if (!fs::is_directory(folder, none)) {
            all.push_back({property, ""});
            continue;
        }
        std::vector<std::string> members;
        for (const auto& entry : fs::directory_iterator(folder)) {
            const std::string extension = entry.path().extension();
            if (extension == ".so" || extension == ".dot" || extension == ".ltl")
                members.push_back(entry.path().string());
        }
        // An automaton beside its compiled property is what that was compiled from.
        std::erase_if(members, [&none](const std::string& member) {
            const fs::path compiled = fs::path(member).replace_extension(".so");
            return compiled != member && fs::exists(compiled, none);
        });
        if (members.empty()) throw std::runtime_error("the group " + folder.string() + " has no property in it");
        std::ranges::sort(members);
        const std::string group = fs::canonical(folder).filename();
        for (const std::string& member : members) all.push_back({member, group});
    }
    return all;
}

}  // namespace lockstep::cli
