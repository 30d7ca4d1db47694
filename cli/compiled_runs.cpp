#include "cli/compiled_runs.hpp"

#include <fmt/format.h>

#include <filesystem>
#include <stdexcept>

#include "cli/scratch_folder.hpp"
#include "codegen/emit/emitter.hpp"
#include "monitors/compiled/agreement.hpp"
#include "monitors/compiled/property_library.hpp"

namespace lockstep::cli {

std::optional<std::string> compare_compiled(const codegen::Model& model, const std::vector<codegen::GeneratedRun>& runs,
                                            const CompileOptions& options) {
    const ScratchFolder scratch("lockstep-test");
    const auto file = scratch.path() / "property.so";
    if (!compile_monitor(codegen::emit_monitor(model, {options.encoding}), file, options))
        throw std::runtime_error("the compiler refused the generated monitor of " + model.name);
    const monitors::PropertyLibrary library(file);
    monitors::Agreement agreement(model, library.symbol<monitors::MonitorDescriptor>(monitors::descriptor_symbol));
    for (const codegen::GeneratedRun& run : runs) {
        agreement.start_over();
        for (const codegen::TracepointHit& hit : run.hits)
            if (const auto difference = agreement.deliver(hit)) return fmt::format("{}, in {}", *difference, run.text);
    }
    return std::nullopt;
}

}  // namespace lockstep::cli
