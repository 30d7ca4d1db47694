#include "nfs_server/rpc/attendants.hpp"

#include <algorithm>
#include <utility>

namespace lockstep::server::rpc {

Attendants::Stay::Stay(Attendants& attendants, const std::shared_ptr<Connection>& connection)
    : attendants_(attendants) {
    Slot* const slot = attendants.open_slot_with_fewest();
    if (slot == nullptr || !attendants.admit(*slot, connection)) return;
    slot_ = slot;
    observe_waits(this);
}

Attendants::Stay::~Stay() {
    if (slot_ == nullptr) return;
    observe_waits(nullptr);
    const std::lock_guard hold(slot_->mutex);
    attendants_.give_back_all(*slot_);
    slot_->has_thread = false;
}

const Attendants::Connections& Attendants::Stay::connections() {
    if (!has_changed()) return connections_;
    const std::lock_guard hold(slot_->mutex);
    seen_ = slot_->changes.load(std::memory_order_relaxed);
    connections_ = slot_->connections;
    return connections_;
}

void Attendants::Stay::give_back(const std::shared_ptr<Connection>& connection) {
    const std::lock_guard hold(slot_->mutex);
    if (std::erase(slot_->connections, connection) == 0) return;
    attendants_.changed(*slot_);
    --attendants_.count_;
    connection->end_stay();
}

bool Attendants::Stay::begin_sleep() {
    const std::lock_guard hold(slot_->mutex);
    slot_->is_asleep = !has_changed();
    return slot_->is_asleep;
}

void Attendants::Stay::end_sleep() {
    const std::lock_guard hold(slot_->mutex);
    slot_->is_asleep = false;
}

void Attendants::Stay::about_to_wait() {
    const std::lock_guard hold(slot_->mutex);
    attendants_.give_back_all(*slot_);
}

bool Attendants::look() {
    for (Slot& slot : slots_) {
        const std::lock_guard hold(slot.mutex);
        const uint64_t turn = slot.turn.load(std::memory_order_relaxed);
        const bool is_running = turn % 2 == 1;
        if (is_running && turn == slot.turn_seen) give_back_all(slot);
        slot.turn_seen = turn;
    }
    return count_ != 0;
}

Attendants::Slot* Attendants::open_slot_with_fewest() {
    Slot* best = nullptr;
    for (Slot& slot : slots_)
        if (slot.is_open() && slot.size < (best == nullptr ? each_ : best->size.load())) best = &slot;
    return best;
}

// Whether the calling thread is to attend it.
bool Attendants::admit(Slot& slot, const std::shared_ptr<Connection>& newcomer) {
    const std::unique_lock hold(slot.mutex, std::try_to_lock);
    if (!hold || !slot.is_open() || slot.size >= each_ || !newcomer->begin_stay()) return false;
    slot.connections.push_back(newcomer);
    changed(slot);
    ++count_;
    return !slot.has_thread.exchange(true);
}

// Under the slot's mutex, as the next one.
void Attendants::give_back_all(Slot& slot) {
    for (const auto& connection : slot.connections) connection->end_stay();
    count_ -= static_cast<uint32_t>(slot.connections.size());
    slot.connections.clear();
    changed(slot);
}

void Attendants::changed(Slot& slot) {
    slot.size = static_cast<uint32_t>(slot.connections.size());
    ++slot.changes;
}

}  // namespace lockstep::server::rpc
