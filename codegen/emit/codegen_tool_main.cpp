// lockstep_codegen_tool FILE.dot OUT.cpp TRACEPOINT_FOLDER [boost_msm|branches]: what the build runs for each property.
// Diagnostics go to stderr as a compiler's do; exit status 1 when the model has errors, 2 when something could not be
// read or written.
#include <cstdio>
#include <exception>
#include <fstream>
#include <string>

#include "codegen/emit/emitter.hpp"
#include "codegen/front_end.hpp"

namespace {

using namespace lockstep::codegen;

int run(const std::string& model_path, const std::string& out_path, const std::string& tracepoint_folder,
        const EmitOptions& options) {
    TracepointDeclarations tracepoints;
    bool sound = true;
    const auto tell = [&sound](const std::vector<Diagnostic>& diagnostics, const std::string& path) {
        for (const Diagnostic& each : diagnostics) {
            std::fprintf(stderr, "%s:%u:%u: %s\n", path.c_str(), each.position.line, each.position.column,
                         each.message.c_str());
            if (each.severity == Severity::error) sound = false;
        }
    };
    tell(tracepoints.read_folder(tracepoint_folder), tracepoint_folder);
    const Reading reading = read_model_file(model_path, tracepoints);
    tell(reading.diagnostics, model_path);
    if (!sound || !reading.model) return 1;

    const std::string text = emit_monitor(*reading.model, options);
    std::ofstream out(out_path, std::ios::binary | std::ios::trunc);
    out << text;
    out.close();
    if (out) return 0;
    std::fprintf(stderr, "%s: cannot be written\n", out_path.c_str());
    return 2;
}

// Without an argument the emitter chooses.
Encoding encoding_named(const std::string& name) {
    if (name.empty()) return Encoding::automatic;
    if (name == "boost_msm") return Encoding::boost_msm;
    if (name == "branches") return Encoding::branches;
    throw EmitError("there is no encoding " + name);
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 4 && argc != 5) {
        std::fprintf(stderr, "usage: lockstep_codegen_tool FILE.dot OUT.cpp TRACEPOINT_FOLDER [boost_msm|branches]\n");
        return 2;
    }
    try {
        return run(argv[1], argv[2], argv[3], {encoding_named(argc == 5 ? argv[4] : "")});
    } catch (const std::exception& error) {
        std::fprintf(stderr, "%s: %s\n", argv[1], error.what());
        return 2;
    }
}
