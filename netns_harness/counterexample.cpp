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

// Whether the lock in this entry of a ranges register can't coexist with the one that the offending event is about.
bool conflicts(const std::vector<Field>& row, const Violation& violation) {
    const Field *owner = find(row, "owner"), *first = find(row, "first"), *last = find(row, "last"),
                *mode = find(row, "mode");
    const std::vector<Field>& asked = violation.event.fields;
    const Field *asked_owner = find(asked, "owner"), *asked_first = find(asked, "first_byte"),
                *asked_last = find(asked, "last_byte"), *asked_mode = find(asked, "mode");
    for (const Field* field : {owner, first, last, mode, asked_owner, asked_first, asked_last, asked_mode})
        if (field == nullptr) return false;
    const auto held_mode = mode_number(mode->value), wanted_mode = mode_number(asked_mode->value);
    if (owner->value == asked_owner->value || !overlap(*first, *last, *asked_first, *asked_last)) return false;
    return !held_mode || !wanted_mode || !compatible_modes[*held_mode][*wanted_mode];
}

// Every lock that was held and conflicts with the offending event's.
std::vector<std::vector<Field>> conflicting_locks(const Violation& violation) {
    std::vector<std::vector<Field>> rows;
    for (const RegisterContent& content : violation.registers)
        for (const auto& row : content.rows)
            if (conflicts(row, violation)) rows.push_back(row);
    return rows;
}

std::string lock_text(const std::vector<Field>& row) {
    return fmt::format("{} holds {} {}", find(row, "owner")->value,
                       range_text(find(row, "first")->value, find(row, "last")->value),
                       mode_text(find(row, "mode")->value));
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

// One host's column.
struct Lane {
    std::uint64_t net_ns;
    std::string title;
    std::size_t width;
};

// The table of lanes: the hosts that take part, in the order of the run.
class Lanes {
 public:
    Lanes(const Violation& violation, const RunView& run, unsigned columns) : violation_(violation), run_(run) {
        for (const auto& row : conflicting_locks(violation)) opponents_.push_back(find(row, "owner")->value);
        for (const HostInfo& host : run.hosts)
            if (takes_part(host.net_ns)) add_lane(host.net_ns);
        for (const ContextEvent& event : violation.history) widen(event);
        widen(violation.event);
        narrow(columns);
    }

    std::vector<std::string> draw() {
        head();
        if (violation_.history_omitted > 0)
            lines_.push_back(fmt::format("  … {} earlier events of this context", violation_.history_omitted));
        for (const ContextEvent& event : violation_.history)
            row(event, event.from_state == event.to_state ? event.to_state : event.from_state + " → " + event.to_state);
        row(violation_.event, violation_.event.from_state + " ✗");
        return std::move(lines_);
    }

 private:
    static constexpr unsigned time_width = 9;
    static constexpr unsigned state_width = 12;
    static constexpr std::size_t narrowest_lane = 16;

    bool takes_part(std::uint64_t net_ns) const {
        return violation_.event.net_ns == net_ns ||
               std::ranges::any_of(violation_.history, [net_ns](const auto& event) { return event.net_ns == net_ns; });
    }

    Lane& add_lane(std::uint64_t net_ns) {
        const std::string title = host_of(run_, net_ns);
        return lanes_.emplace_back(Lane{net_ns, title, std::max(title.size(), narrowest_lane)});
    }

    void widen(const ContextEvent& event) {
        const auto found = std::ranges::find(lanes_, event.net_ns, &Lane::net_ns);
        Lane& lane = found != lanes_.end() ? *found : add_lane(event.net_ns);
        lane.width = std::max(lane.width, describe(event, violation_.keys).size() + 2);
    }

    // Takes from the widest lane until all fit.
    void narrow(unsigned columns) {
        for (;;) {
            std::size_t used = 2 + time_width + 2 + state_width;
            for (const Lane& lane : lanes_) used += lane.width + 2;
            const auto widest = std::ranges::max_element(lanes_, {}, &Lane::width);
            if (used <= columns || widest->width <= narrowest_lane) return;
            --widest->width;
        }
    }

    void head() {
        std::string line = fmt::format("  {:>{}}  ", "ms", time_width);
        for (const Lane& lane : lanes_) line += fmt::format("{:<{}}  ", lane.title, lane.width);
        lines_.push_back(line + "state");
        lines_.push_back("  " + std::string(line.size() - 2 + state_width, '-'));
    }

    std::string mark_of(const ContextEvent& event) const {
        if (&event == &violation_.event) return "✗ ";
        const Field* owner = find(event.fields, "owner");
        return owner != nullptr && std::ranges::find(opponents_, owner->value) != opponents_.end() ? "• " : "  ";
    }

    void row(const ContextEvent& event, const std::string& state) {
        const auto lane = std::ranges::find(lanes_, event.net_ns, &Lane::net_ns);
        const auto cell = wrap(describe(event, violation_.keys), lane->width - 2);
        for (std::size_t part = 0; part < cell.size(); ++part) {
            const bool first = part == 0;
            std::string line = fmt::format("{} {:>{}}  ", first && &event == &violation_.event ? ">" : " ",
                                           first ? time_text(event, run_) : "", time_width);
            for (const Lane& each : lanes_)
                line += fmt::format("{:<{}}  ", &each == &*lane ? (first ? mark_of(event) : "  ") + cell[part] : "",
                                    each.width);
            line += first ? state : "";
            line.erase(line.find_last_not_of(' ') + 1);
            lines_.push_back(std::move(line));
        }
    }

    const Violation& violation_;
    const RunView& run_;
    std::vector<std::string> opponents_;  // owners that the offending event conflicts with
    std::vector<Lane> lanes_;
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
    for (const auto& row : conflicting_locks(violation)) {
        const ContextEvent* origin = last_event_of(violation, find(row, "owner")->value);
        lines.push_back("conflicts  " + lock_text(row) + (origin != nullptr ? ", " + place_of(run, *origin) : ""));
    }
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

std::string in_short(const Violation& violation, const RunView& run) {
    std::string result = fmt::format("at {} ms, {}: {}", time_text(violation.event, run), key_text(violation.keys),
                                     describe(violation.event, violation.keys));
    for (const auto& row : conflicting_locks(violation)) result += fmt::format(", while {}", lock_text(row));
    return result;
}

std::vector<std::string> draw_lanes(const Violation& violation, const RunView& run, unsigned columns) {
    return Lanes(violation, run, columns).draw();
}

}  // namespace lockstep::harness
