#include "netns_harness/report_page.hpp"

#include <nlohmann/json.hpp>

namespace lockstep::harness {

extern const char* const report_page;  // report_page.html

namespace {

void replace(std::string& text, const std::string& mark, const std::string& content) {
    const std::size_t place = text.find(mark);
    if (place == std::string::npos) throw Error("the page has no place for " + mark);
    text.replace(place, mark.size(), content);
}

// Within a script element, "</" would end it, whatever JSON says; "<!--" would begin what is no JSON.
std::string safe_in_script(const std::string& json) {
    std::string safe;
    for (const char c : json) {
        if (c == '<')
            safe += "\\u003c";
        else
            safe += c;
    }
    return safe;
}

std::string safe_in_markup(const std::string& text) {
    std::string safe;
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (c == '&')
            safe += "&amp;";
        else if (c == '<')
            safe += "&lt;";
        else if (c == '>')
            safe += "&gt;";
        else if (c == '"')
            safe += "&quot;";
        else if (byte >= 0x20 && byte != 0x7f)
            safe += c;
        else
            safe += c == '\n' ? "&#10;" : " ";
    }
    return safe;
}

// The element alone: what Graphviz writes before it (XML declaration, DOCTYPE) has no place within a page.
std::string svg_element(const std::string& svg) {
    const std::size_t begin = svg.find("<svg");
    return begin == std::string::npos ? "" : svg.substr(begin);
}

std::string test_case(const std::string& run, const std::string& name, Verdict verdict, const std::string& why) {
    std::string text = "    <testcase classname=\"" + safe_in_markup(run) + "\" name=\"" + safe_in_markup(name) + "\"";
    if (verdict == Verdict::ok) return text + "/>\n";
    const std::string kind = verdict == Verdict::violated ? "failure" : "error";
    return text + ">\n      <" + kind + " message=\"" + safe_in_markup(why) + "\" type=\"" + to_text(verdict) +
           "\"/>\n    </testcase>\n";
}

std::string joined(const std::vector<std::string>& texts) {
    std::string all;
    for (const std::string& text : texts) all += (all.empty() ? "" : "; ") + text;
    return all;
}

}  // namespace

std::string to_page(const std::string& json, const std::map<std::string, std::string>& automata) {
    const auto parsed = nlohmann::json::parse(json, nullptr, false);
    if (!parsed.is_object() || !parsed.contains("properties") || !parsed.contains("verdict"))
        throw Error("this is no result of a run");
    std::string drawings;
    for (const auto& [name, svg] : automata)
        drawings +=
            "<div class=\"drawing\" data-automaton=\"" + safe_in_markup(name) + "\">" + svg_element(svg) + "</div>\n";
    std::string page = report_page;
    replace(page, "<!--AUTOMATA-->", drawings);
    replace(page, "/*RESULT*/", safe_in_script(json));
    return page;
}

std::string to_junit(const RunResult& result) {
    std::string cases;
    int failures = 0, errors = 0, tests = 0;
    const auto add = [&](const std::string& name, Verdict verdict, const std::string& why) {
        ++tests;
        failures += verdict == Verdict::violated ? 1 : 0;
        errors += verdict == Verdict::inconclusive ? 1 : 0;
        cases += test_case(result.scenario, name, verdict, why);
    };
    for (const PropertyResult& property : result.properties)
        add(property.name, property.verdict,
            property.verdict == Verdict::violated ? std::to_string(property.violation_count) + " violations"
                                                  : joined(property.reasons));
    std::vector<std::string> oracle;
    for (const ClientResult& client : result.clients)
        for (const std::string& failure : client.first_oracle_failures) oracle.push_back(client.name + ": " + failure);
    if (const auto verdict = result.oracle_verdict())
        add("workload's oracle", *verdict, oracle.empty() ? "it compared nothing" : joined(oracle));
    if (const auto verdict = result.commands_verdict()) add("commands' exit statuses", *verdict, "a command failed");
    add("the run itself", result.problems.empty() ? Verdict::ok : Verdict::inconclusive, joined(result.problems));
    const double seconds = static_cast<double>(result.whole_duration.count()) / 1000;
    return "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n  <testsuite name=\"" +
           safe_in_markup(result.scenario) + " seed " + std::to_string(result.seed) + "\" tests=\"" +
           std::to_string(tests) + "\" failures=\"" + std::to_string(failures) + "\" errors=\"" +
           std::to_string(errors) + "\" time=\"" + std::to_string(seconds) + "\">\n" + cases +
           "  </testsuite>\n</testsuites>\n";
}

}  // namespace lockstep::harness
