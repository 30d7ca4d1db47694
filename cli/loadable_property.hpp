// A property as commands take it: the name of a compiled one, the path of one, or an automaton that is compiled first.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "cli/scratch_folder.hpp"

namespace lockstep::cli {

// A process that has loaded it keeps the code when the file is gone.
class LoadableProperty {
 public:
    // Throws std::runtime_error when there is no such property. Diagnostics of an automaton go to stderr.
    explicit LoadableProperty(const std::string& property);

    // False: the automaton has errors, and there is no file.
    bool sound() const { return sound_; }
    const std::filesystem::path& file() const { return file_; }

 private:
    std::filesystem::path file_;
    std::optional<ScratchFolder> scratch_;  // of an automaton that was compiled
    bool sound_ = true;
};

// A property as LoadableProperty takes it, and the name of the group that it was named by; empty: by itself.
struct GroupMember {
    std::string property;
    std::string group;
};

// Groups replaced by what is in them, in the order of names: a group is a folder, of compiled properties or automata
// (.so, .dot, .ltl), named by its path or, below the folder of installed properties, by its name; the rest stays as it
// is. Throws std::runtime_error for a folder with no property in it.
std::vector<GroupMember> expand_groups(const std::vector<std::string>& properties);

}  // namespace lockstep::cli
