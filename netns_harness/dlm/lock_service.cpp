#include "netns_harness/dlm/lock_master.hpp"

namespace lockstep::dlm {

using Kind = Message::Kind;
using Reason = Message::Reason;

bool LockService::take(Owner owner, const Message& message) {
    Session& session = sessions_[owner];
    if (session.name.empty() != (message.kind == Kind::hello)) return false;
    switch (message.kind) {
        case Kind::hello:
            return hello(session, message);
        case Kind::lock:
            return lock(owner, session, message);
        case Kind::cancel:
            return cancel(owner, session, message);
        case Kind::unlock:
            return unlock(owner, message);
        default:
            return false;
    }
}

bool LockService::hello(Session& session, const Message& message) {
    session.name = message.name;
    return true;
}

bool LockService::lock(Owner owner, Session& session, const Message& message) {
    if (session.waiting) return false;
    const auto answer = resource(message.name).ask(owner, message.request, message.mode, message.may_wait);
    const auto refuse = [&](Reason reason) {
        send_(owner, {.kind = Kind::refused, .request = message.request, .reason = reason});
    };
    switch (answer) {
        case Answer::granted:
            send_(owner, {.kind = Kind::granted, .request = message.request});
            break;
        case Answer::waits:
            session.waiting = true;
            session.waits_as = message.request;
            break;
        case Answer::busy:
            refuse(Reason::busy);
            break;
        case Answer::deadlock:
            refuse(Reason::deadlock);
            break;
    }
    settle(message.name);
    return true;
}

// What was granted meanwhile is not withdrawn: its owner has been told, and finds that in place of this call's answer.
bool LockService::cancel(Owner owner, Session& session, const Message& message) {
    const auto found = resources_.find(message.name);
    if (found == resources_.end() || !found->second.withdraw(owner, message.request)) return true;
    session.waiting = false;
    send_(owner, {.kind = Kind::refused, .request = message.request, .reason = Reason::withdrawn});
    settle(message.name);
    return true;
}

bool LockService::unlock(Owner owner, const Message& message) {
    const auto found = resources_.find(message.name);
    if (found == resources_.end() || !found->second.release(owner)) return false;
    send_(owner, {.kind = Kind::released, .request = message.request});
    settle(message.name);
    return true;
}

void LockService::forget(Owner owner) {
    sessions_.erase(owner);
    std::vector<std::string> names;
    for (auto& [name, resource] : resources_) {
        resource.forget(owner);
        names.push_back(name);
    }
    for (const std::string& name : names) settle(name);
}

Resource& LockService::resource(const std::string& name) {
    return resources_.try_emplace(name, overlooks_).first->second;
}

// Grants what has become possible, and forgets a resource that nobody has to do with.
void LockService::settle(const std::string& name) {
    const auto found = resources_.find(name);
    if (found == resources_.end()) return;
    for (const Grant& grant : found->second.grant_waiters()) {
        sessions_.at(grant.owner).waiting = false;
        send_(grant.owner, {.kind = Kind::granted, .request = grant.request});
    }
    if (found->second.unused()) resources_.erase(found);
}

}  // namespace lockstep::dlm
