// What the .tp files declare: every tracepoint with its arguments and fields. They are LTTng-UST's own declaration
// files, read here as text, so that names and types of an event are written down once.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "codegen/diagnostic.hpp"
#include "codegen/model.hpp"

namespace lockstep::codegen {

struct TracepointDeclaration {
    std::string provider;
    std::string name;
    std::string documentation;  // the /** … */ comment before it, on one line
    std::string signature;      // the argument list as LTTng keeps it: "uint64_t, block, uint32_t, count_blocks"
    std::vector<Field> arguments;
    std::vector<Field> fields;              // integers and strings; other kinds (arrays, floats) are left out
    std::vector<std::string> other_fields;  // names of those left out, for messages
    std::string path;                       // of the .tp file
    SourcePosition position;
};

// All tracepoints that are known, by provider and name. A value; reading is safe from several threads.
class TracepointDeclarations {
 public:
    // Adds every tracepoint of the text of one .tp file; a second declaration of the same name is a diagnostic.
    // Understands LTTNG_UST_TRACEPOINT_EVENT, _EVENT_CLASS and _EVENT_INSTANCE, and the same names without LTTNG_UST_.
    std::vector<Diagnostic> parse(std::string_view text, const std::string& path);

    // Reads all *.tp of a folder in the order of their names. Errors: a file that can't be read is a diagnostic.
    std::vector<Diagnostic> read_folder(const std::filesystem::path& folder);

    // nullptr: there is none of that name.
    const TracepointDeclaration* find(std::string_view provider, std::string_view name) const;

    std::vector<const TracepointDeclaration*> all() const;

 private:
    std::map<std::pair<std::string, std::string>, TracepointDeclaration> declarations_;
};

}  // namespace lockstep::codegen
