#include "monitors/compiled/random_model.hpp"

#include <fmt/format.h>

#include <initializer_list>
#include <random>
#include <vector>

namespace lockstep::monitors {

const char* const random_tracepoints = R"(
LTTNG_UST_TRACEPOINT_EVENT(chance, one,
    LTTNG_UST_TP_ARGS(uint64_t, item, const char*, who, int64_t, number, uint64_t, first, uint64_t, last, uint8_t, mode),
    LTTNG_UST_TP_FIELDS(
        lttng_ust_field_integer(uint64_t, item, item)
        lttng_ust_field_string(who, who)
        lttng_ust_field_integer(int64_t, number, number)
        lttng_ust_field_integer(uint64_t, first, first)
        lttng_ust_field_integer(uint64_t, last, last)
        lttng_ust_field_integer(uint8_t, mode, mode)
    ))
LTTNG_UST_TRACEPOINT_EVENT(chance, two,
    LTTNG_UST_TP_ARGS(const char*, who, uint64_t, item, int32_t, number, uint32_t, first, uint64_t, last, uint8_t, mode),
    LTTNG_UST_TP_FIELDS(
        lttng_ust_field_integer(uint8_t, mode, mode)
        lttng_ust_field_string(who, who)
        lttng_ust_field_integer(uint64_t, item, item)
        lttng_ust_field_integer(int32_t, number, number)
        lttng_ust_field_integer(uint32_t, first, first)
        lttng_ust_field_integer(uint64_t, last, last)
    ))
)";

namespace {

class Generator {
 public:
    explicit Generator(std::uint64_t seed) : random_(seed) {}

    std::string run() {
        states_ = 2 + below(7);
        has_registers_ = below(4) != 0;
        has_clocks_ = below(3) == 0;
        declare_events();
        std::string text = "digraph chance {\n    binding [shape=note, label=\"" + note() + "\"];\n";
        text += "    __init_q0 [shape=point];\n    __init_q0 -> q0;\n";
        for (unsigned state = 0; state < states_; ++state) text += state_line(state);
        for (unsigned state = 0; state < states_; ++state)
            for (unsigned event = 0; event < events_; ++event)
                if (state + 1 < states_ && event == state % events_)
                    add_edges(text, state, event, true);
                else if (below(10) < 7)
                    add_edges(text, state, event, false);
        return text + "}\n";
    }

 private:
    unsigned below(unsigned limit) { return static_cast<unsigned>(random_() % limit); }
    bool chance(unsigned one_in) { return below(one_in) == 0; }
    std::string pick(std::initializer_list<const char*> texts) { return *(texts.begin() + below(texts.size())); }

    // One tracepoint is one event, or two that a condition tells apart.
    void declare_events() {
        for (const char* tracepoint : {"one", "two"}) {
            const std::string where = fmt::format(" = chance:{}", tracepoint);
            const std::string computed = chance(3) ? " twice := number * 2" : " twice := number";
            const unsigned bound = 1 + below(3);
            if (chance(2)) {
                bindings_ += fmt::format("e{}{}{}\\l\\\n", events_++, where, computed);
            } else {
                bindings_ += fmt::format("e{}{} when mode < {}{}\\l\\\n", events_++, where, bound, computed);
                bindings_ += fmt::format("e{}{} when mode >= {}{}\\l\\\n", events_++, where, bound, computed);
            }
        }
        marked_ = !chance(5);  // else the kernel's inference counts
        start_event_ = below(events_);
        second_start_ = below(events_);
        second_start_state_ = below(states_);
    }

    std::string note() {
        std::string text = pick({"", "per item\\l\\\n", "per who\\l\\\n", "per item, who\\l\\\n", "per thread\\l\\\n",
                                 "per item, net_ns\\l\\\n"});
        text += bindings_;
        if (has_registers_)
            text +=
                "n: int = -1\\l\\\nu: unsigned = 2\\l\\\nf: flag\\l\\\ns: set[3] of who\\l\\\nm: map[3] who -> "
                "mode\\l\\\nr: ranges[4] of who\\l\\\n";
        if (has_clocks_) text += "c: clock\\l\\\nd: clock\\l\\\n";
        return text;
    }

    std::string state_line(unsigned state) {
        std::string label = fmt::format("q{}", state);
        if (has_clocks_ && chance(4))
            label += fmt::format("\\n{} {} {}ns", pick({"c", "d"}), pick({"<", "<="}), 20 + below(200));
        const bool final = state + 1 == states_ || chance(3);
        return fmt::format("    q{} [label=\"{}\"{}];\n", state, label, final ? ", shape=doublecircle" : "");
    }

    // The edges of one state and event; their guards exclude each other. `onward`: the first leads to the next state,
    // so that every state is reached.
    void add_edges(std::string& text, unsigned state, unsigned event, bool onward) {
        const bool starts =
            marked_ && ((state == 0 && event == start_event_) ||
                        (state == second_start_state_ && event == second_start_ && second_start_ != start_event_));
        for (const std::string& guard : guards()) {
            const unsigned target = onward ? state + 1 : below(states_);
            onward = false;
            text += fmt::format("    q{} -> q{} [label=\"e{}{}{}{}\"];\n", state, target, event,
                                starts ? "; start" : "", guard, actions());
        }
    }

    std::vector<std::string> guards() {
        switch (below(8)) {
            case 0: {
                return {"; " + condition()};
            }
            case 1:
            case 2: {
                const std::string decided = condition();
                return {"; " + decided, "; !(" + decided + ")"};
            }
            case 3: {
                const unsigned low = below(3);
                const unsigned high = low + 1 + below(2);
                return {fmt::format("; number < {}", low), fmt::format("; number >= {} && number < {}", low, high),
                        fmt::format("; number >= {}; {}", high, condition())};
            }
            case 4:
                if (has_clocks_) return split_by_time();
                return {""};
            default:
                return {""};
        }
    }

    std::vector<std::string> split_by_time() {
        const std::string clock = pick({"c", "d"});
        const unsigned bound = 5 + below(100);
        return {fmt::format("; {} < {}ns", clock, bound), fmt::format("; {} >= {}ns", clock, bound)};
    }

    std::string condition() {
        const std::string first = simple_condition();
        return chance(4) ? fmt::format("({} {} {})", first, pick({"&&", "||"}), simple_condition()) : first;
    }

    std::string simple_condition() {
        const unsigned kind = below(has_registers_ ? 19 : 7);
        const unsigned constant = below(4);
        switch (kind) {
            case 0:
                return fmt::format("number {} {}", pick({"<", "<=", "==", "!=", ">", ">="}), constant);
            case 1:
                return fmt::format("who {} '{}'", pick({"==", "!="}), pick({"alice", "bob", ""}));
            case 2:
                return fmt::format("last - first {} {}", pick({">", "<="}), constant);
            case 3:
                return fmt::format("twice + first * 3 {} {}", pick({">", "=="}), constant);
            case 4:
                return fmt::format("compatible(mode % 6, {})", pick({"PR", "EX", "CR", "CW"}));
            case 5:
                return fmt::format("thread % 2 == {}", below(2));
            case 6:
                return fmt::format("number / {} == {}", 1 + below(3), below(2));
            case 7:
                return fmt::format("n {} {}", pick({"<", "==", ">="}), constant);
            case 8:
                return fmt::format("u * 2 - number {} {}", pick({">", "<="}), constant);
            case 9:
                return pick({"f", "!f"});
            case 10:
                return pick({"who in s", "!(who in s)", "who in m", "who in r"});
            case 11:
                return fmt::format("size({}) {} {}", pick({"s", "m", "r"}), pick({">", "==", "<"}), 1 + below(2));
            case 12:
                return pick({"empty(s)", "!empty(m)", "empty(r)"});
            case 13:
                return fmt::format("m[who] {} mode", pick({"==", "<", "!="}));
            case 14:
                return "compatible(mode % 6, m)";
            case 15:
                return "compatible(mode % 6, m, who)";
            case 16:
                return "conflicts(r, who, first, last, mode % 6)";
            case 17:
                return "leaves_empty(r, who, first, last)";
            default:
                return fmt::format("n {} u", pick({"<", "==", ">"}));
        }
    }

    std::string actions() {
        std::string text;
        const unsigned count = has_registers_ || has_clocks_ ? below(4) : 0;
        for (unsigned i = 0; i < count; ++i) text += "; " + action();
        return text;
    }

    std::string action() {
        if (has_clocks_ && (!has_registers_ || chance(3))) return pick({"reset(c)", "reset(d)"});
        switch (below(16)) {
            case 0:
                return fmt::format("n {} number", pick({"=", "+=", "-="}));
            case 1:
                return fmt::format("n = {}", below(4));
            case 2:
                return pick({"u = u * 3 - first", "u += last", "u = 2", "u = number"});
            case 3:
                return pick({"f = true", "f = false", "f = number > 1", "f = who in s"});
            case 4:
            case 5:
                return "insert(s, who)";
            case 6:
                return "erase(s, who)";
            case 7:
                return pick({"clear(s)", "clear(m)", "clear(r)"});
            case 8:
            case 9:
                return pick({"m[who] = mode", "m[who] = m[who] + 1"});
            case 10:
                return "erase(m, who)";
            case 11:
            case 12:
                return "lock(r, who, first, last, mode % 6)";
            case 13:
                return "unlock(r, who, first, last)";
            case 14:
                return "erase(r, who)";
            default:
                return pick({"n = -1", "n = number % 3"});
        }
    }

    std::mt19937_64 random_;
    unsigned states_ = 0;
    unsigned events_ = 0;
    bool has_registers_ = false;
    bool has_clocks_ = false;
    std::string bindings_;
    bool marked_ = true;
    unsigned start_event_ = 0;
    unsigned second_start_ = 0;
    unsigned second_start_state_ = 0;
};

}  // namespace

std::string random_model(std::uint64_t seed) {
    return Generator(seed).run();
}

}  // namespace lockstep::monitors
