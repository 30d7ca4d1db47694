#include "cli/loadable_property.hpp"

#include <unistd.h>

#include <cstdlib>
#include <stdexcept>

#include "cli/property_compiler.hpp"
#include "monitors/runtime/monitor.hpp"

namespace lockstep::cli {

LoadableProperty::LoadableProperty(const std::string& property) {
    if (!property.ends_with(".dot") && !property.ends_with(".ltl")) {
        file_ = monitors::find_monitor(property);
        return;
    }
    std::string pattern = (std::filesystem::temp_directory_path() / "lockstep-attach-XXXXXX").string();
    if (mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("cannot make a temporary folder");
    scratch_ = pattern;
    file_ = scratch_ / (std::filesystem::path(property).stem().string() + ".so");
    const std::string source = generate(property, {});
    sound_ = !source.empty() && compile_monitor(source, file_, {});
}

LoadableProperty::~LoadableProperty() {
    std::error_code ignored;
    if (!scratch_.empty()) std::filesystem::remove_all(scratch_, ignored);
}

}  // namespace lockstep::cli
