#include "netns_harness/counterexample.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>

namespace lockstep::harness {
namespace {

constexpr const char* end_of_file = "18446744073709551615";

const Field* find(const std::vector<Field>& fields, const std::string& name) {
    const auto found = std::ranges::find(fields, name, &Field::name);
    return found == fields.end() ? nullptr : &*found;
}

std::string range_text(const std::string& first, const std::string& last) {
    return fmt::format("[{}, {}]", first, last == end_of_file ? "end" : last);
}

// The modes of a distributed lock manager; which two may be held at once.
constexpr const char* mode_names[] = {"NL", "CR", "CW", "PR", "PW", "EX"};
constexpr bool compatible_modes[6][6] = {
    {true, true, true, true, true, true},     {true, true, true, true, true, false},
    {true, true, true, false, false, false},  {true, true, false, true, false, false},
    {true, true, false, false, false, false}, {true, false, false, false, false, false}};

std::optional<unsigned> mode_number(const std::string& text) {
    if (text.size() == 1 && text[0] >= '0' && text[0] <= '5') return static_cast<unsigned>(text[0] - '0');
    return std::nullopt;
}

std::string mode_text(const std::string& text) {
    const auto mode = mode_number(text);
    return mode ? mode_names[*mode] : text;
}

bool overlap(const Field& first_a, const Field& last_a, const Field& first_b, const Field& last_b) {
    const auto number = [](const Field& field) { return std::strtoull(field.value.c_str(), nullptr, 10); };
    return number(first_a) <= number(last_b) && number(first_b) <= number(last_a);
}

std::string host_of(const RunView& run, std::uint64_t net_ns) {
    const auto found = std::ranges::find(run.hosts, net_ns, &HostInfo::net_ns);
    if (found != run.hosts.end()) return found->name;
    return net_ns == 0 ? "an unknown namespace" : fmt::format("namespace {}", net_ns);
}

std::string place_of(const RunView& run, const ContextEvent& event) {
    return fmt::format("on {} (namespace {}, process {}, thread {})", host_of(run, event.net_ns), event.net_ns,
                       event.pid, event.tid);
}

// The latest event by which `owner` showed where it lives.
const ContextEvent* last_event_of(const Violation& violation, const std::string& owner) {
    for (auto event = violation.history.rbegin(); event != violation.history.rend(); ++event)
        if (const Field* field = find(event->fields, "owner"); field != nullptr && field->value == owner)
            return &*event;
    return nullptr;
}

// One entry of a ranges register that the offending event's lock can't coexist with, in words; nothing for others.
std::optional<std::string> conflict_with(const std::vector<Field>& row, const Violation& violation,
                                         const RunView& run) {
    const Field *owner = find(row, "owner"), *first = find(row, "first"), *last = find(row, "last"),
                *mode = find(row, "mode");
    const std::vector<Field>& asked = violation.event.fields;
    const Field *asked_owner = find(asked, "owner"), *asked_first = find(asked, "first_byte"),
                *asked_last = find(asked, "last_byte"), *asked_mode = find(asked, "mode");
    for (const Field* field : {owner, first, last, mode, asked_owner, asked_first, asked_last, asked_mode})
        if (field == nullptr) return std::nullopt;
    const auto held_mode = mode_number(mode->value), wanted_mode = mode_number(asked_mode->value);
    if (owner->value == asked_owner->value || !overlap(*first, *last, *asked_first, *asked_last)) return std::nullopt;
    if (held_mode && wanted_mode && compatible_modes[*held_mode][*wanted_mode]) return std::nullopt;
    const ContextEvent* origin = last_event_of(violation, owner->value);
    return fmt::format("{} holds {} {}{}", owner->value, range_text(first->value, last->value), mode_text(mode->value),
                       origin != nullptr ? ", " + place_of(run, *origin) : "");
}

std::string key_text(const std::vector<Field>& keys) {
    std::string result;
    for (const Field& key : keys) result += fmt::format("{}{} {}", result.empty() ? "" : ", ", key.name, key.value);
    return result.empty() ? "the whole run" : result;
}

std::string join(const std::vector<std::string>& words) {
    return fmt::format("{}", fmt::join(words, ", "));
}

std::string register_text(const RegisterContent& content) {
    std::string result = content.name + ":";
    if (content.rows.empty()) result += " empty";
    for (const auto& row : content.rows) {
        result += result.back() == ':' ? " " : "; ";
        for (const Field& field : row)
            result += fmt::format("{}{}={}", &field == &row.front() ? "" : " ", field.name, field.value);
    }
    return result;
}

std::string time_text(const ContextEvent& event, const RunView& run) {
    if (event.time_ns == 0) return "";
    return fmt::format("{:.3f}", (static_cast<double>(event.time_ns) - static_cast<double>(run.start_ns)) / 1e6);
}

// Cuts `text` into lines of at most `width` characters, at blanks where there are any.
std::vector<std::string> wrap(std::string text, std::size_t width) {
    std::vector<std::string> lines;
    while (text.size() > width) {
        const std::size_t blank = text.rfind(' ', width);
        const bool at_blank = blank != std::string::npos && blank > 0;
        lines.push_back(text.substr(0, at_blank ? blank : width));
        text.erase(0, at_blank ? blank + 1 : width);
    }
    lines.push_back(std::move(text));
    return lines;
}

// The table of lanes: the hosts that take part, as columns of equal width.
class Lanes {
 public:
    Lanes(const Violation& violation, const RunView& run, unsigned columns) : violation_(violation), run_(run) {
        for (const HostInfo& host : run.hosts)
            if (takes_part(host.net_ns)) lanes_.push_back(host.net_ns);
        for (const ContextEvent& event : violation.history) add_lane(event.net_ns);
        add_lane(violation.event.net_ns);
        constexpr unsigned beside_lanes = time_width + state_width + 4;
        const unsigned room = columns > beside_lanes ? columns - beside_lanes : 0;
        width_ = std::max(16U, room / static_cast<unsigned>(lanes_.size()) - 2);
        width_ = std::min(width_, 40U);
    }

    std::vector<std::string> draw() {
        head();
        if (violation_.history_omitted > 0)
            lines_.push_back(fmt::format("  … {} earlier events of this context", violation_.history_omitted));
        for (const ContextEvent& event : violation_.history)
            row(event, event.from_state == event.to_state ? event.to_state : event.from_state + " → " + event.to_state,
                false);
        row(violation_.event, violation_.event.from_state + " ✗", true);
        return std::move(lines_);
    }

 private:
    static constexpr unsigned time_width = 10;
    static constexpr unsigned state_width = 16;

    bool takes_part(std::uint64_t net_ns) const {
        return violation_.event.net_ns == net_ns ||
               std::ranges::any_of(violation_.history,
                                   [net_ns](const ContextEvent& event) { return event.net_ns == net_ns; });
    }

    void add_lane(std::uint64_t net_ns) {
        if (std::ranges::find(lanes_, net_ns) == lanes_.end()) lanes_.push_back(net_ns);
    }

    void head() {
        std::string line = fmt::format("  {:>{}}  ", "ms", time_width);
        for (const std::uint64_t lane : lanes_) line += fmt::format("{:<{}}  ", host_of(run_, lane), width_);
        lines_.push_back(line + "state");
        lines_.push_back("  " + std::string(line.size() - 2 + state_width, '-'));
    }

    void row(const ContextEvent& event, const std::string& state, bool offending) {
        const std::string mark = offending ? "✗ " : "";
        const auto cell = wrap(mark + describe(event, violation_.keys), width_);
        for (std::size_t part = 0; part < cell.size(); ++part) {
            std::string line = fmt::format("{} {:>{}}  ", offending && part == 0 ? ">" : " ",
                                           part == 0 ? time_text(event, run_) : "", time_width);
            for (const std::uint64_t lane : lanes_)
                line += fmt::format("{:<{}}  ", lane == event.net_ns ? cell[part] : "", width_);
            lines_.push_back(line + (part == 0 ? state : ""));
            lines_.back().erase(lines_.back().find_last_not_of(' ') + 1);
        }
    }

    const Violation& violation_;
    const RunView& run_;
    std::vector<std::uint64_t> lanes_;
    unsigned width_ = 0;
    std::vector<std::string> lines_;
};

}  // namespace

std::string describe(const ContextEvent& event, const std::vector<Field>& keys) {
    const std::vector<Field>& fields = event.fields;
    const Field *owner = find(fields, "owner"), *first = find(fields, "first_byte"), *last = find(fields, "last_byte"),
                *mode = find(fields, "mode");
    const bool is_range = first != nullptr && last != nullptr;
    std::string result = event.name;
    if (owner != nullptr) result += " " + owner->value;
    if (is_range) result += " " + range_text(first->value, last->value);
    if (mode != nullptr) result += " " + mode_text(mode->value);
    for (const Field& field : fields) {
        const bool written = &field == owner || &field == mode || (is_range && (&field == first || &field == last));
        if (!written && find(keys, field.name) == nullptr) result += fmt::format(" {}={}", field.name, field.value);
    }
    return result;
}

std::vector<std::string> explain(const Violation& violation, const RunView& run) {
    std::vector<std::string> lines;
    lines.push_back(fmt::format("context    {}", key_text(violation.keys)));
    lines.push_back(
        fmt::format("event      {}, {}", describe(violation.event, violation.keys), place_of(run, violation.event)));
    for (const RegisterContent& content : violation.registers)
        for (const auto& row : content.rows)
            if (const auto conflict = conflict_with(row, violation, run)) lines.push_back("conflicts  " + *conflict);
    lines.push_back(fmt::format(
        "in state   {}{}", violation.event.from_state,
        violation.event_is_guarded
            ? fmt::format(", where {} is allowed only under a guard that did not hold", violation.event.name)
            : ""));
    lines.push_back(
        fmt::format("allowed    {}", violation.allowed_events.empty() ? "no event" : join(violation.allowed_events)));
    for (const RegisterContent& content : violation.registers) lines.push_back("holding    " + register_text(content));
    return lines;
}

std::vector<std::string> draw_lanes(const Violation& violation, const RunView& run, unsigned columns) {
    return Lanes(violation, run, columns).draw();
}

}  // namespace lockstep::harness
