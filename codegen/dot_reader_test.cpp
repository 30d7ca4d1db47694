#include "codegen/dot_reader.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

namespace lockstep::codegen {
namespace {

struct Result {
    Picture picture;
    std::vector<Diagnostic> diagnostics;
    SourceText source;
};

Result read_text(const std::string& text) {
    Result result{{}, {}, SourceText(text)};
    result.picture = read_dot(result.source, result.diagnostics);
    return result;
}

// The place of each byte of a label, as the text that stands there in the source.
std::string source_of(const Result& result, const LocatedText& label) {
    std::string text;
    for (std::size_t i = 0; i < label.text.size(); ++i) text += result.source.text()[label.offsets[i]];
    return text;
}

TEST(DotReader, KnowsWhereEveryByteOfALabelStands) {
    const Result result = read_text("digraph x {\n  a -> b [label=\"one;\\ntwo\\l\\\"three\\\"\"];\n}\n");
    ASSERT_TRUE(result.diagnostics.empty());
    const LocatedText& label = result.picture.edges.at(0).label;
    EXPECT_EQ(label.text, "one;\ntwo\n\"three\"");
    // An escape stands where its backslash does.
    EXPECT_EQ(source_of(result, label), "one;\\two\\\\three\\");
    EXPECT_EQ(result.source.position(label.offsets[label.text.find("two")]), (SourcePosition{2, 24}));
}

TEST(DotReader, JoinsContinuedAndConcatenatedTexts) {
    const Result result = read_text("digraph x { a -> b [label=\"one \\\ntwo\" + \" three\"]; }");
    ASSERT_TRUE(result.diagnostics.empty());
    EXPECT_EQ(result.picture.edges.at(0).label.text, "one two three");
    EXPECT_EQ(source_of(result, result.picture.edges.at(0).label), "one two three");
}

TEST(DotReader, TellsParallelEdgesApart) {
    const Result result = read_text(
        "digraph x {\n a -> b [label=first];\n c -> a [label=other];\n a -> b [label=second];\n a -> b -> c "
        "[label=third];\n}");
    ASSERT_TRUE(result.diagnostics.empty());
    std::vector<std::pair<std::string, std::uint32_t>> edges;
    for (const PictureEdge& edge : result.picture.edges)
        edges.emplace_back(edge.label.text, result.source.position(edge.span.begin).line);
    using Edges = decltype(edges);
    EXPECT_EQ(edges, (Edges{{"first", 2}, {"other", 3}, {"second", 4}, {"third", 5}, {"third", 5}}));
}

TEST(DotReader, FollowsDefaultsScopesAndGroups) {
    const Result result = read_text(
        "digraph x {\n node [shape=box]; edge [label=rest];\n a -> {b c};\n subgraph cluster_1 { edge [label=inner]; "
        "b:p:n -> c:q }\n"
        " a -> c [label=own]; d, e [label=named];\n}");
    ASSERT_TRUE(result.diagnostics.empty()) << result.diagnostics[0].message;
    std::vector<std::string> labels;
    for (const PictureEdge& edge : result.picture.edges) labels.push_back(edge.label.text);
    EXPECT_EQ(labels, (std::vector<std::string>{"rest", "rest", "inner", "own"}));
    EXPECT_EQ(source_of(result, result.picture.edges[0].label), "rest");
    EXPECT_EQ(result.picture.nodes.at(4).label.text, "named");
}

// Files of the kernel declare `doublecircle`, then `circle`; their generator takes the first.
TEST(DotReader, TheFirstShapeThatIsDeclaredForANodeCounts) {
    const Result result = read_text(
        "digraph x { node [shape=box]; {node [shape = doublecircle] \"a\"}; {node [shape = circle] \"a\"}; b; b "
        "[shape=ellipse]; b [shape=circle]; c; }");
    ASSERT_TRUE(result.diagnostics.empty());
    EXPECT_EQ(result.picture.nodes.at(0).shape, "doublecircle");
    EXPECT_EQ(result.picture.nodes.at(1).shape, "ellipse");
    EXPECT_EQ(result.picture.nodes.at(2).shape, "box");
}

TEST(DotReader, CommentsAreKeptWithTheirLines) {
    const Result result = read_text("// one\n//   two\n# three\n\n/* four\n * five\n */\ndigraph x { a } // six\n");
    ASSERT_TRUE(result.diagnostics.empty());
    std::vector<std::string> lines;
    for (const CommentLine& line : result.picture.comments)
        lines.push_back(line.text.text + (line.follows_former ? "|" : ""));
    EXPECT_EQ(lines, (std::vector<std::string>{" one", "   two|", " three|", "four", " five|", "|", " six|"}));
}

TEST(DotReader, AByteOrderMarkAndOtherLineEndsDoNoHarm) {
    const Result result = read_text(
        "\xEF\xBB\xBF"
        "digraph x {\r\n a -> b [label=\"one\\\r\ntwo\"];\r\n}\r\n");
    ASSERT_TRUE(result.diagnostics.empty()) << result.diagnostics[0].message;
    EXPECT_EQ(result.picture.edges.at(0).label.text, "onetwo");
}

// What Graphviz can't take never reaches it: these break its parser for the rest of the process, or take it seconds.
TEST(DotReader, RefusesWhatWouldHarmTheParserAndReadsOnAfterwards) {
    const std::string deep = "digraph x " + std::string(20'000, '{') + std::string(20'000, '}');
    const std::string long_label = "digraph x { a [label=\"" + std::string(4'000'000, 'x') + "\"]; }";
    const std::string huge(5 << 20, ' ');
    for (const std::string& text :
         {std::string("digraph x { /* "), std::string("digraph x { a [label=\""),
          std::string("digraph x { a [label=<b"), std::string("digraph x { a } digraph y { b }"),
          std::string("digraph x {"), std::string(), std::string(1, '\0'),
          std::string("digraph x { a [label=\"a\0b\"]; }", 30), deep, long_label, huge,
          std::string("\x7f"
                      "ELF\x02\x01"),
          std::string("digraph x { a -> b [label=x"), std::string("}"), std::string("digraph x { subgraph s")}) {
        const Result result = read_text(text);
        EXPECT_FALSE(result.diagnostics.empty()) << text.substr(0, 40);
        EXPECT_LE(result.diagnostics.size(), 100U) << text.substr(0, 40);
        EXPECT_TRUE(read_text("digraph x { a -> b }").diagnostics.empty()) << "after " << text.substr(0, 40);
    }
}

TEST(DotReader, ReadsFromSeveralThreads) {
    std::vector<std::thread> threads;
    std::atomic<int> wrong = 0;
    for (int thread = 0; thread < 4; ++thread)
        threads.emplace_back([&wrong, thread] {
            for (int i = 0; i < 50; ++i) {
                const std::string name = "n" + std::to_string(thread);
                const Result good = read_text("digraph x { " + name + " -> b [label=\"" + name + "\"] }");
                const Result bad = read_text("digraph x { " + name + " -> ");
                if (!good.diagnostics.empty() || good.picture.edges.at(0).label.text != name || bad.diagnostics.empty())
                    ++wrong;
            }
        });
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(wrong, 0);
}

}  // namespace
}  // namespace lockstep::codegen
