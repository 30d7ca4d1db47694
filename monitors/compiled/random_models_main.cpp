// random_models FIRST COUNT OUT.cpp [boost_msm|branches]: the compiled form of random models, COUNT seeds from FIRST
// on, in one translation unit: the compiler reads the runtime's headers once for all of them. The shared object made of
// it exports `lockstep_random_models`, an array of RandomModel that ends with a null descriptor.
#include <cstdio>
#include <exception>
#include <fstream>
#include <sstream>
#include <string>

#include "codegen/emit/emitter.hpp"
#include "codegen/front_end.hpp"
#include "monitors/compiled/random_model.hpp"

namespace {

using namespace lockstep;

constexpr std::string_view include_word = "#include ";
constexpr std::string_view descriptor = "lockstep_monitor_descriptor";

// A generated file as a part of a larger one: without its includes, in a namespace of its own, its descriptor renamed.
std::string as_part(const std::string& generated, std::uint64_t seed) {
    const std::string number = std::to_string(seed);
    std::string part = "namespace model_" + number + " {\n";
    std::istringstream lines(generated);
    for (std::string line; std::getline(lines, line);) {
        if (line.starts_with(include_word)) continue;
        if (const auto at = line.find(" ::Registers"); at != std::string::npos) line.insert(at + 1, "model_" + number);
        if (const auto at = line.find(descriptor); at != std::string::npos)
            line.replace(at, descriptor.size(), "descriptor_" + number);
        part += line + "\n";
    }
    return part + "}\n\n";
}

int run(std::uint64_t first, std::uint64_t count, const std::string& out_path, codegen::Encoding encoding) {
    codegen::TracepointDeclarations tracepoints;
    tracepoints.parse(monitors::random_tracepoints, "random.tp");
    std::string table;
    std::ofstream out(out_path);
    out << "#include \"codegen/emit/msm_stepper.hpp\"\n#include \"monitors/runtime/generated.hpp\"\n"
           "#include \"monitors/compiled/random_model_table.hpp\"\n#include <stdint.h>\n#include <sys/types.h>\n\n";
    for (std::uint64_t seed = first; seed < first + count; ++seed) {
        const auto reading = codegen::read_model(monitors::random_model(seed), "chance.dot", tracepoints);
        if (!reading.model) continue;  // left out: codegen/README.md says why the checker turns a model away
        out << as_part(codegen::emit_monitor(*reading.model, {encoding}), seed);
        table += "    {" + std::to_string(seed) + "U, &model_" + std::to_string(seed) + "::descriptor_" +
                 std::to_string(seed) + "},\n";
    }
    out << "extern \"C\" __attribute__((visibility(\"default\"))) const lockstep::monitors::RandomModel "
           "lockstep_random_models[];\nconst lockstep::monitors::RandomModel lockstep_random_models[] = {\n"
        << table << "    {0, nullptr}};\n";
    out.close();
    if (out) return 0;
    std::fprintf(stderr, "%s: cannot be written\n", out_path.c_str());
    return 2;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 4 && argc != 5) {
        std::fprintf(stderr, "usage: random_models FIRST COUNT OUT.cpp [boost_msm|branches]\n");
        return 2;
    }
    try {
        const bool msm = argc == 5 && std::string_view(argv[4]) == "boost_msm";
        return run(std::stoull(argv[1]), std::stoull(argv[2]), argv[3],
                   msm ? codegen::Encoding::boost_msm : codegen::Encoding::branches);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "random_models: %s\n", error.what());
        return 2;
    }
}
