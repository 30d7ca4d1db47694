#include "nfs_server/rpc/program.hpp"

#include "nfs_server/base/check.hpp"

namespace lockstep::server::rpc {

void ProgramSet::add(Program program) {
    const uint32_t number = program.number();
    const uint32_t version = program.version();
    const bool added = programs_[number].emplace(version, std::move(program)).second;
    check(added, "a version of a program is served once");
}

ProgramSet::Lookup ProgramSet::find(uint32_t number, uint32_t version) const {
    const auto versions = programs_.find(number);
    if (versions == programs_.end()) return {nullptr, false, 0, 0};
    const auto program = versions->second.find(version);
    return {program == versions->second.end() ? nullptr : &program->second, true, versions->second.begin()->first,
            versions->second.rbegin()->first};
}

std::vector<const Program*> ProgramSet::all() const {
    std::vector<const Program*> all;
    for (const auto& [number, versions] : programs_)
        for (const auto& [version, program] : versions) all.push_back(&program);
    return all;
}

}  // namespace lockstep::server::rpc
