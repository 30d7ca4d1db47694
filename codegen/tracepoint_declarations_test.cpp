#include "codegen/tracepoint_declarations.hpp"

#include <dlfcn.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

namespace lockstep::codegen {
namespace {

TEST(TracepointDeclarations, KeepArgumentsFieldsAndDocumentation) {
    TracepointDeclarations declarations;
    const auto diagnostics = declarations.parse(R"(
/* A comment with TRACEPOINT_EVENT(no, nothing) in it. */
#define UNRELATED TRACEPOINT_EVENT(no, nothing, \
    and, so on)
/** The lock is
 *  held. */
LTTNG_UST_TRACEPOINT_EVENT(
    lock, taken,
    LTTNG_UST_TP_ARGS(uint64_t,   id, const  char*, who, struct place *, where),
    LTTNG_UST_TP_FIELDS(
        lttng_ust_field_integer(uint64_t, id, id)   /* a comment, with (parentheses */
        lttng_ust_field_string(who, who)
        lttng_ust_field_integer_hex(int, depth, where->depth + f(1, 2))
        lttng_ust_field_float(double, share, 0.5)
    )))",
                                                "lock.tp");
    ASSERT_TRUE(diagnostics.empty()) << diagnostics.front().message;
    const auto* taken = declarations.find("lock", "taken");
    ASSERT_NE(taken, nullptr);
    EXPECT_EQ(taken->documentation, "The lock is held.");
    EXPECT_EQ(taken->signature, "uint64_t, id, const char*, who, struct place *, where");
    ASSERT_EQ(taken->arguments.size(), 3U);
    EXPECT_EQ(taken->arguments[2].c_type, "struct place *");
    ASSERT_EQ(taken->fields.size(), 3U);
    EXPECT_EQ(taken->fields[0].c_expression, "id");
    EXPECT_EQ(taken->fields[1].type.type, Type::string);
    EXPECT_EQ(taken->fields[2].c_expression, "where->depth + f(1, 2)");
    EXPECT_TRUE(taken->fields[2].type.is_signed);
    EXPECT_EQ(taken->other_fields, std::vector<std::string>{"share"});
    EXPECT_EQ(taken->position.line, 7U);
    EXPECT_EQ(declarations.all().size(), 1U);
}

TEST(TracepointDeclarations, OlderSpellingsAndClassesMeanTheSame) {
    TracepointDeclarations declarations;
    const auto diagnostics = declarations.parse(R"(
TRACEPOINT_EVENT(old, plain, TP_ARGS(int, a), TP_FIELDS(ctf_integer(int, a, a)))
TRACEPOINT_EVENT_CLASS(old, shape, TP_ARGS(int, a, char *, s), TP_FIELDS(ctf_integer(int, a, a) ctf_string(s, s)))
TRACEPOINT_EVENT_INSTANCE(old, shape, round, TP_ARGS(int, a, char *, s))
LTTNG_UST_TRACEPOINT_EVENT_INSTANCE(old, shape, fresh, square, LTTNG_UST_TP_ARGS(int, a, char *, s))
LTTNG_UST_TRACEPOINT_EVENT(old, bare, LTTNG_UST_TP_ARGS(void), LTTNG_UST_TP_FIELDS())
)",
                                                "old.tp");
    ASSERT_TRUE(diagnostics.empty()) << diagnostics.front().message;
    EXPECT_NE(declarations.find("fresh", "square"), nullptr);
    ASSERT_NE(declarations.find("old", "plain"), nullptr);
    ASSERT_NE(declarations.find("old", "round"), nullptr);
    EXPECT_EQ(declarations.find("old", "round")->fields.size(), 2U);
    ASSERT_NE(declarations.find("old", "bare"), nullptr);
    EXPECT_TRUE(declarations.find("old", "bare")->arguments.empty());
}

TEST(TracepointDeclarations, WhatIsMalformedIsADiagnosticWithItsPlace) {
    TracepointDeclarations declarations;
    const auto diagnostics = declarations.parse(
        "\nTRACEPOINT_EVENT(a, b)\n"
        "TRACEPOINT_EVENT(a, c, TP_ARGS(int), TP_FIELDS())\n"
        "TRACEPOINT_EVENT(a, d, TP_ARGS(int, x), TP_FIELDS(ctf_integer(quux_t, x, x)))\n"
        "TRACEPOINT_EVENT(a, d, TP_ARGS(int, x), TP_FIELDS(ctf_integer(int, x, x)))\n"
        "TRACEPOINT_EVENT(a, e, TP_ARGS(int, x), TP_FIELDS(",
        "bad.tp");
    std::vector<std::string> codes;
    for (const auto& diagnostic : diagnostics) {
        codes.push_back(diagnostic.code);
        EXPECT_GT(diagnostic.position.line, 1U);
    }
    EXPECT_EQ(codes, (std::vector<std::string>{"malformed-tracepoint", "malformed-tracepoint", "unknown-c-type",
                                               "malformed-tracepoint", "duplicate-tracepoint"}));
}

TEST(TracepointDeclarations, AMissingFolderIsADiagnostic) {
    TracepointDeclarations declarations;
    const auto diagnostics = declarations.read_folder("/nonexistent");
    ASSERT_EQ(diagnostics.size(), 1U);
    EXPECT_EQ(diagnostics[0].code, "unreadable");
}

// LTTng compares signatures byte for byte: a wrong one would silence the event for everybody. Field `signature` is what
// the provider library itself exports.
TEST(TracepointDeclarations, SignaturesAreThoseOfTheProviderLibrary) {
    struct ExportedTracepoint {  // the head of struct lttng_ust_tracepoint, <lttng/tracepoint-types.h>
        std::uint32_t struct_size;
        const char* provider_name;
        const char* event_name;
        int state;
        void* probes;
        int* tracepoint_provider_ref;
        const char* signature;
    };
    const std::filesystem::path build = std::getenv("LOCKSTEP_BUILD_DIR");
    void* library = dlopen((build / "lib" / "liblockstep_tracepoints.so").c_str(), RTLD_NOW);
    ASSERT_NE(library, nullptr) << dlerror();
    TracepointDeclarations declarations;
    ASSERT_TRUE(
        declarations.read_folder(std::filesystem::path(std::getenv("LOCKSTEP_SOURCE_DIR")) / "tracepoints").empty());
    const auto all = declarations.all();
    EXPECT_GT(all.size(), 20U);
    for (const TracepointDeclaration* declaration : all) {
        const std::string symbol = "lttng_ust_tracepoint_" + declaration->provider + "___" + declaration->name;
        EXPECT_FALSE(declaration->documentation.empty()) << symbol;
        EXPECT_TRUE(declaration->other_fields.empty()) << symbol;
        if (declaration->provider == "lockstep") continue;  // linked into what runs monitors, and nowhere else
        const auto* exported = static_cast<const ExportedTracepoint*>(dlsym(library, symbol.c_str()));
        ASSERT_NE(exported, nullptr) << symbol;
        EXPECT_EQ(declaration->signature, exported->signature) << symbol;
    }
}

}  // namespace
}  // namespace lockstep::codegen
