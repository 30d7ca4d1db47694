#include "nfs_server/rpc/attendants.hpp"

namespace lockstep::server::rpc {

Attendants::Stay::Stay(Attendants& attendants, const std::shared_ptr<Connection>& connection)
    : attendants_(attendants), connection_(*connection) {
    for (Slot& slot : attendants.slots_) {
        if (!slot.take(connection)) continue;
        slot_ = &slot;
        ++attendants_.count_;
        connection_.begin_stay();
        connection_.watch().suspend();
        observe_waits(this);
        return;
    }
}

Attendants::Stay::~Stay() {
    if (slot_ == nullptr) return;
    observe_waits(nullptr);
    slot_->give_back();
    --attendants_.count_;
    connection_.watch().resume();
}

bool Attendants::Slot::take(const std::shared_ptr<Connection>& newcomer) {
    const std::unique_lock hold(mutex, std::try_to_lock);
    if (!hold || connection) return false;
    connection = newcomer;
    return true;
}

void Attendants::Slot::give_back() {
    const std::lock_guard hold(mutex);
    connection.reset();
}

bool Attendants::look() {
    for (Slot& slot : slots_) {
        const std::lock_guard hold(slot.mutex);
        const uint64_t turn = slot.turn.load(std::memory_order_relaxed);
        const bool is_running = turn % 2 == 1;
        if (slot.connection && is_running && turn == slot.turn_seen) slot.connection->watch().resume();
        slot.turn_seen = turn;
    }
    return count_ != 0;
}

}  // namespace lockstep::server::rpc
