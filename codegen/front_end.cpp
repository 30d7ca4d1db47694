#include "codegen/front_end.hpp"

#include <cstdlib>
#include <fstream>
#include <iterator>

#include "codegen/checks.hpp"
#include "codegen/dot_reader.hpp"
#include "codegen/dot_tokens.hpp"
#include "codegen/ltl_model.hpp"
#include "codegen/model_builder.hpp"

namespace lockstep::codegen {
namespace {

Reading read_ltl(const SourceText& source, const std::string& path, const TracepointDeclarations& tracepoints) {
    Reading reading;
    const syntax::LtlFile file = parse_ltl(source, reading.diagnostics);
    const std::string name = std::filesystem::path(path).stem().string();
    Model model = build_ltl_model(file, name, source, tracepoints, reading.diagnostics);
    model.path = path;
    if (!has_errors(reading.diagnostics)) check_bindings(model, reading.diagnostics);
    if (!has_errors(reading.diagnostics)) reading.model = std::move(model);
    sort_diagnostics(reading.diagnostics);
    return reading;
}

}  // namespace

Reading read_model(std::string text, const std::string& path, const TracepointDeclarations& tracepoints) {
    Reading reading;
    const SourceText source(std::move(text));
    if (path.ends_with(ltl_extension)) return read_ltl(source, path, tracepoints);
    const Picture picture = read_dot(source, reading.diagnostics);
    if (!has_errors(reading.diagnostics)) {
        BuiltModel built = build_model(picture, source, tracepoints, reading.diagnostics);
        built.model.path = path;
        check_model(built, reading.diagnostics);
        if (!has_errors(reading.diagnostics)) reading.model = std::move(built.model);
    }
    sort_diagnostics(reading.diagnostics);
    return reading;
}

Reading read_model_file(const std::filesystem::path& path, const TracepointDeclarations& tracepoints) {
    const auto unreadable = [&](const std::string& why) {
        return Reading{std::nullopt, {{Severity::error, "unreadable", {}, 1, "the file can't be read: " + why, {}}}};
    };
    std::error_code error;
    const auto status = std::filesystem::status(path, error);
    if (!std::filesystem::exists(status)) return unreadable("there is none of this name");
    if (std::filesystem::is_directory(status)) return unreadable("it is a folder");
    std::ifstream stream(path, std::ios::binary);
    if (!stream) return unreadable("it can't be opened");
    // One byte more than is allowed shows that it is too long; a device that never ends does no harm.
    std::string text(longest_source_bytes + 1, '\0');
    stream.read(text.data(), static_cast<std::streamsize>(text.size()));
    if (stream.bad()) return unreadable("an error of the device");
    text.resize(static_cast<std::size_t>(stream.gcount()));
    return read_model(std::move(text), path.string(), tracepoints);
}

std::filesystem::path default_tracepoint_folder() {
    if (const char* given = std::getenv("LOCKSTEP_TRACEPOINTS")) return given;
    std::error_code error;
    const auto program = std::filesystem::read_symlink("/proc/self/exe", error);
    const auto folder = program.parent_path().parent_path() / "lib" / "lockstep" / "tracepoints";
    return std::filesystem::is_directory(folder, error) ? folder : std::filesystem::path{};
}

}  // namespace lockstep::codegen
