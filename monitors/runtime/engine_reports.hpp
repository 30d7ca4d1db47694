// The engine's slow side: violations told, counters summed, contexts listed and forgotten. Included by engine.hpp.
// C++17.
#pragma once

#include "monitors/runtime/engine.hpp"

namespace lockstep::monitors {

// Counts a violation and hands its record over: to the queue, and to what reacts in place.
template <class Automaton>
template <class Describe>
void Engine<Automaton>::tell(Mine& mine, Describe describe) {
    mine.violations.add();
    const auto fill = [&](ViolationRecord& record) {
        describe(record);
        run_in_place(&record);
    };
    if (!violations_.push(fill)) {
        mine.reports_dropped.add();
        if (reacts_in_place() && !spare_busy_.exchange(true, std::memory_order_acquire)) {
            spare_ = ViolationRecord{};
            fill(spare_);
            spare_busy_.store(false, std::memory_order_release);
        }
    }
    run_in_place(nullptr);
}

// The event has no enabled edge. `found` is the context's entry, which the caller owns, or none;
// `before` its control word before that.
template <class Automaton>
template <class Event>
void Engine<Automaton>::reject_at(Event event, Key key, std::uint16_t state, Found found, Control before, Mine& mine,
                                  const Origin& origin, std::uint32_t binding, bool in_process) {
    mine.rejected[Event::id].add();
    tell(mine, [&](ViolationRecord& record) {
        record.event = Event::id;
        record.binding = binding;
        const auto fields = event.words();
        for (std::size_t i = 0; i < fields.size(); ++i) record.fields[i] = fields[i];
        describe(record, origin, key, state, found, before);
        if (in_process && clock_ != CLOCK_MONOTONIC) record.origin.time_ns = read_clock(CLOCK_MONOTONIC);
    });
}

template <class Automaton>
void Engine<Automaton>::describe(ViolationRecord& record, const Origin& origin, const Key& key, std::uint16_t state,
                                 const Found& found, Control before) {
    record.origin = origin;
    record.state = state;
    for (std::size_t i = 0; i < key.size(); ++i) record.key[i] = key[i];
    if (!found) return;
    if constexpr (has_registers) {
        BlockPool pool(blocks_);
        Automaton::dump(found.slot->registers, pool, origin.time_ns, record.registers);
    }
    threads_.for_each([&](const Mine& mine) { tell_history(mine, record, found, before); });
    record.history_omitted = before.steps() - record.history_count;
}

// Keeps the latest of the context's events, in the order of its steps. Steps count modulo 2^24; so does their distance.
template <class Automaton>
void Engine<Automaton>::tell_history(const Mine& mine, ViolationRecord& record, const Found& found, Control before) {
    const History::Word* const ring = mine.history.load(std::memory_order_acquire);
    if (ring == nullptr) return;
    const std::uint32_t slot = table_.index_of(found.slot);
    const auto age = [&before](std::uint32_t taken) { return (before.steps() - taken) & 0xffffff; };
    const std::uint64_t head = mine.history_head.load(std::memory_order_acquire);
    const std::uint64_t first = head > history_mask_ ? head - history_mask_ : 0;
    for (std::uint64_t position = first; position < head; ++position) {
        const History::Word* const source = ring + (position & history_mask_) * record_words;
        const std::uint64_t first_word = source[0].load(std::memory_order_relaxed);
        if (History::slot_of(first_word) != slot || first_word == History::nothing) continue;
        std::uint64_t words[record_words];
        std::uint64_t where[History::place_words];
        for (std::uint32_t i = 0; i < record_words; ++i) words[i] = source[i].load(std::memory_order_acquire);
        for (std::uint32_t i = 0; i < History::place_words; ++i)
            where[i] = mine.place[i].load(std::memory_order_acquire);
        if (mine.history_head.load(std::memory_order_relaxed) > position + history_mask_ ||
            source[0].load(std::memory_order_relaxed) != first_word)
            continue;  // overwritten meanwhile
        if (Control{words[1]}.generation() != before.generation()) continue;

        const bool tells_origin = (words[1] & History::tells_origin) != 0;
        const TakenEvent event =
            History::read(words, Automaton::max_event_fields, tells_origin ? words + place_at : where);
        std::uint32_t& count = record.history_count;
        if (count == reported_history) {
            if (age(event.steps) > age(record.history[0].steps)) continue;
            for (std::uint32_t i = 1; i < count; ++i) record.history[i - 1] = record.history[i];
            --count;
        }
        std::uint32_t place = count++;
        for (; place > 0 && age(record.history[place - 1].steps) < age(event.steps); --place)
            record.history[place] = record.history[place - 1];
        record.history[place] = event;
    }
}

template <class Automaton>
Counters Engine<Automaton>::counters() const {
    Counters sum;
    threads_.for_each([&sum](const Mine& mine) {
        for (const Counter& taken : mine.taken) sum.events += taken.value();
        for (std::uint32_t event = 0; event < Automaton::event_count; ++event) {
            sum.events += mine.ignored[event].value() + mine.entered[event].value() + mine.rejected[event].value();
            sum.ignored_unknown += mine.ignored[event].value();
        }
        sum.contexts_created += mine.created.value();
        sum.contexts_reclaimed += mine.reclaimed.value();
        sum.violations += mine.violations.value();
        sum.table_full += mine.table_full.value();
        sum.register_full += mine.register_full.value();
        sum.contended += mine.contended.value();
        sum.reentrant += mine.reentrant.value();
        sum.reports_dropped += mine.reports_dropped.value();
    });
    sum.lost = lost_.load(std::memory_order_relaxed) + homeless_.load(std::memory_order_relaxed);
    sum.hash_collisions = strings_.collisions();
    table_.for_each([&sum](const auto&, Control control, const Key&) {
        ++sum.contexts_alive;
        if (!Automaton::is_final(control.state())) ++sum.contexts_pending;
    });
    return sum;
}

template <class Automaton>
void Engine<Automaton>::add_coverage(std::uint64_t* edges, std::uint64_t* events) const {
    threads_.for_each([edges, events](const Mine& mine) {
        for (std::uint32_t edge = 0; edge < Automaton::edge_count; ++edge) {
            edges[edge] += mine.taken[edge].value();
            events[Automaton::event_of_edge(edge)] += mine.taken[edge].value();
        }
        for (std::uint32_t event = 0; event < Automaton::event_count; ++event)
            events[event] += mine.ignored[event].value() + mine.entered[event].value() + mine.rejected[event].value();
    });
}

template <class Automaton>
void Engine<Automaton>::visit_contexts(void (*visit)(void*, const std::uint64_t*, std::uint16_t), void* data) {
    table_.for_each([&](const auto&, Control control, const Key& key) { visit(data, key.data(), control.state()); });
}

template <class Automaton>
void Engine<Automaton>::lose(std::uint64_t count) {
    lost_.fetch_add(count == 0 ? 1 : count, std::memory_order_relaxed);
    forget_all();
}

template <class Automaton>
void Engine<Automaton>::forget_all() {
    table_.for_each([this](std::uint64_t index, const Control&, const Key&) {
        Key key{};
        for (Control control = table_.look(index, key); control.is_live(); control = table_.look(index, key)) {
            Found found{&table_.slot(index), control};
            if (control.locked()) {
                Table::doom(found);
                return;
            } else if (Table::swap(found, control.with_status(Control::busy))) {
                bury(Table::hash(key), found, nullptr);
                return;
            }
        }
    });
}

// A context that is locked is about to see an event, which looks at the time itself.
template <class Automaton>
void Engine<Automaton>::advance(std::uint64_t time_ns) {
    if constexpr (Automaton::has_invariants) {
        enter(this_thread(), [&](Mine& mine) {
            table_.for_each([&](std::uint64_t index, const Control& control, const Key& key) {
                Found found{&table_.slot(index), control};
                if (control.locked() || !Table::swap(found, control.with_lock())) return;
                const std::uint64_t hash = Table::hash(key);
                if (Table::is_doomed(found)) return remove(hash, found, nullptr);
                if (expired(mine, {time_ns, 0, 0, 0, 0}, key, hash, found)) return;
                Table::store(found, found.control.unlocked());
            });
        });
    }
}

template <class Automaton>
bool Engine<Automaton>::is_quiet() const {
    bool quiet = true;
    threads_.for_each([&quiet](const Mine& mine) {
        if (mine.busy.load(std::memory_order_acquire)) quiet = false;
    });
    return quiet;
}

}  // namespace lockstep::monitors
