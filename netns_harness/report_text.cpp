// The result of a run for people: what was run, a table, and for each violation its counterexample.
#include <fmt/format.h>

#include <map>

#include "netns_harness/counterexample.hpp"
#include "netns_harness/result.hpp"
#include "netns_harness/scenario.hpp"

namespace lockstep::harness {
namespace {

constexpr std::size_t violations_in_full = 1;   // of a property, with their lanes
constexpr std::size_t violations_in_short = 5;  // after these, a line each; the JSON has the rest
constexpr std::size_t oracle_failures_shown = 3;

class TextReport {
 public:
    TextReport(const RunResult& result, unsigned columns, bool colour)
        : result_(result), columns_(columns), colour_(colour) {}

    std::string write() {
        head();
        table();
        problems();
        for (const PropertyResult& property : result_.properties) violations(property);
        oracle_failures();
        end();
        return std::move(text_);
    }

 private:
    template <class... Args>
    void line(fmt::format_string<Args...> format, Args&&... arguments) {
        text_ += fmt::format(format, std::forward<Args>(arguments)...);
        text_ += '\n';
    }

    std::string painted(Verdict verdict) const {
        const std::string word = to_text(verdict);
        if (!colour_) return word;
        const char* code = verdict == Verdict::ok ? "32" : verdict == Verdict::violated ? "1;31" : "33";
        return fmt::format("\033[{}m{}\033[0m", code, word);
    }

    void head() {
        line("{}: {}", result_.scenario, result_.description);
        line("seed {} · {} of work · {} in all · hosts: {}", result_.seed, to_text(result_.workload_duration),
             to_text(result_.whole_duration), host_names());
        for (const ArmedFault& fault : result_.faults)
            line("DELIBERATE FAULT: {} in {}, struck {} times", fault.name, fault.server, fault.strikes_ns.size());
        injected_faults();
        calls();
        resources();
        if (result_.overhead) overhead(*result_.overhead);
        line("");
    }

    void overhead(const Overhead& overhead) {
        line(
            "live tracing makes the workload {:.1f} % slower: {:.0f} calls a second with it, {:.0f} without (medians "
            "of "
            "{} slices, in turn:{})",
            overhead.percent(), overhead.median(true), overhead.median(false), overhead.slices.size(),
            rates_of(overhead));
    }

    static std::string rates_of(const Overhead& overhead) {
        std::string rates;
        for (const Overhead::Slice& slice : overhead.slices)
            rates += fmt::format(" {:.0f}{}", slice.calls_per_second, slice.traced ? " with" : "");
        return rates;
    }

    void resources() {
        const Resources& resources = result_.resources;
        const CpuUse& cpu = resources.cpu;
        if (resources.samples.empty()) return;
        line(
            "CPU time: {:.2f} s of servers and clients, {:.2f} s of LTTng's daemons, {:.2f} s of the harness and its "
            "live properties",
            cpu.programs_s, cpu.tracing_s, cpu.harness_s);
        line("held, at the start → at the end (most): {}; {} → {} processes in {} → {} network namespaces", all_held(),
             resources.at_start.processes, resources.at_end.processes, resources.at_start.network_namespaces,
             resources.at_end.network_namespaces);
    }

    // "server 45 → 47 (50) MB, 43 → 43 (45) descriptors", for each.
    std::string all_held() const {
        std::map<std::string, std::vector<const HeldSample*>> by_name;
        for (const HeldSample& sample : result_.resources.samples) by_name[sample.who].push_back(&sample);
        std::string text;
        for (const auto& [name, samples] : by_name) {
            Held most;
            for (const HeldSample* sample : samples) {
                most.resident_kib = std::max(most.resident_kib, sample->held.resident_kib);
                most.descriptors = std::max(most.descriptors, sample->held.descriptors);
            }
            const Held &first = samples.front()->held, &last = samples.back()->held;
            const auto mb = [](std::uint64_t kib) { return static_cast<double>(kib) / 1024; };
            text +=
                fmt::format("{}{}{} {:.1f} → {:.1f} ({:.1f}) MB, {} → {} ({}) descriptors", text.empty() ? "" : "; ",
                            name, samples.back()->life > 1 ? fmt::format(" (life 1 to {})", samples.back()->life) : "",
                            mb(first.resident_kib), mb(last.resident_kib), mb(most.resident_kib), first.descriptors,
                            last.descriptors, most.descriptors);
        }
        return text;
    }

    void calls() {
        const CallSeries& calls = result_.calls;
        const double seconds = static_cast<double>(result_.workload_duration.count()) / 1000;
        if (calls.intervals.empty() || seconds <= 0) return;
        line("calls: {} ({:.0f} a second), half of them answered within {:.3g} ms, 99 of 100 within {:.3g} ms{}",
             calls.answered, static_cast<double>(calls.answered) / seconds, calls.p50_us / 1000, calls.p99_us / 1000,
             calls.unanswered > 0 ? fmt::format("; {} were not answered", calls.unanswered) : "");
    }

    // How often each was brought about.
    void injected_faults() {
        std::map<std::string, std::size_t> times;
        for (const InjectedFault& fault : result_.injected_faults) ++times[fault.text()];
        for (const auto& [text, count] : times) line("fault: {}, {} times", text, count);
    }

    std::string host_names() const {
        std::string names;
        for (const HostInfo& host : result_.hosts) names += (names.empty() ? "" : ", ") + host.name;
        return names;
    }

    void row(const std::string& property, const std::string& attached, const std::string& contexts,
             const std::string& events, const std::string& violations, const std::string& verdict) {
        line("{:<22}{:<22}{:>10}{:>12}{:>12}  {}", property, attached, contexts, events, violations, verdict);
    }

    void table() {
        row("property", "attached", "contexts", "events", "violations", "verdict");
        for (const PropertyResult& property : result_.properties) {
            row(property.name, property.attached, std::to_string(property.contexts), std::to_string(property.events),
                std::to_string(property.violation_count), painted(property.verdict));
            for (const std::string& reason : property.reasons) line("  └ {}", reason);
        }
        if (const auto verdict = result_.oracle_verdict())
            row("(workload's oracle)", "in the clients", "-", std::to_string(result_.oracle_checks()),
                std::to_string(result_.oracle_failures()), painted(*verdict));
        if (const auto verdict = result_.commands_verdict()) commands(*verdict);
        line("");
    }

    void commands(Verdict verdict) {
        std::uint64_t all = 0, ended = 0, failed = 0;
        for (const ClientResult& client : result_.clients) {
            all += client.commands;
            ended += client.ended_commands;
            failed += client.failed_commands;
        }
        row("(exit status)", fmt::format("{} commands", all), "-", "-", fmt::format("{} failed", failed),
            painted(verdict));
        if (ended > 0) line("  └ {} went on until the run ended them: they have no exit status", ended);
    }

    void problems() {
        for (const std::string& problem : result_.problems) line("PROBLEM: {}", problem);
        for (const std::string& remark : result_.remarks) line("remark: {}", remark);
        if (!result_.problems.empty() || !result_.remarks.empty()) line("");
    }

    void violations(const PropertyResult& property) {
        const RunView run{result_.hosts, result_.start_ns};
        std::size_t number = 0;
        for (const Violation& violation : property.violations) {
            ++number;
            if (number <= violations_in_full)
                in_full(property, number, violation, run);
            else if (number <= violations_in_full + violations_in_short)
                line("violation {}: {}", number, in_short(violation, run));
        }
        const std::size_t shown = std::min(number, violations_in_full + violations_in_short);
        if (shown > 0 && property.violation_count > shown)
            line("and {} more; --json has up to {} in full", property.violation_count - shown,
                 property.violations.size());
        if (shown > 0) line("");
    }

    void in_full(const PropertyResult& property, std::size_t number, const Violation& violation, const RunView& run) {
        line("violation {} of {} of {}", number, property.violation_count, property.name);
        for (const std::string& sentence : explain(violation, run)) line("  {}", sentence);
        line("");
        for (const std::string& lane : draw_lanes(violation, run, columns_)) line("{}", lane);
        line("");
    }

    void oracle_failures() {
        if (result_.oracle_failures() == 0) return;
        line("the workload's own oracle, without any monitor, saw {} times that a promise was not kept, for example:",
             result_.oracle_failures());
        std::size_t shown = 0;
        for (const ClientResult& client : result_.clients)
            for (const std::string& failure : client.first_oracle_failures)
                if (shown++ < oracle_failures_shown) line("  {}", failure);
        line("");
    }

    void end() {
        line("verdict: {}", painted(result_.verdict()));
        if (!result_.kept_in.empty()) line("logs and results: {}", result_.kept_in);
    }

    const RunResult& result_;
    unsigned columns_;
    bool colour_;
    std::string text_;
};

}  // namespace

std::string to_report(const RunResult& result, unsigned columns, bool colour) {
    return TextReport(result, columns, colour).write();
}

}  // namespace lockstep::harness
