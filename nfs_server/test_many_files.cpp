#include "nfs_server/test_many_files.hpp"

#include <stdexcept>

#include "nfs_server/test_raw_client.hpp"

namespace lockstep::server::test {

std::vector<std::string> ManyFiles::make(uint32_t count) {
    constexpr uint32_t under_way = 64;
    const Handle root = RawClient(port_).mount();
    rpc::test::Client client(port_);
    std::vector<std::string> handles;
    for (uint32_t sent = 0; handles.size() < count;) {
        for (; sent < count && sent < handles.size() + under_way; ++sent)
            client.send(rpc::test::record_of(create_call(++calls_, root, std::to_string(made_++))));
        // Replies come in any order: which file a handle is of does not matter here.
        handles.push_back(created_handle(client.receive_record().value_or(rpc::test::Bytes())));
        if (handles.back().empty()) throw std::runtime_error("a file can't be made");
    }
    return handles;
}

void ManyFiles::remove(uint32_t first, uint32_t count) {
    RawClient client(port_);
    const Handle root = client.mount();
    for (uint32_t name = first; name < first + count; ++name)
        if (status_of(client.exchange(remove_call(++calls_, root, std::to_string(name)))) != wire::NFS3_OK)
            throw std::runtime_error("a file can't be removed");
}

uint32_t ManyFiles::count_stale(const std::vector<std::string>& handles) {
    RawClient client(port_);
    uint32_t stale = 0;
    for (const std::string& handle : handles)
        if (status_of(client.exchange(getattr_call(++calls_, handle))) == wire::NFS3ERR_STALE) ++stale;
    return stale;
}

}  // namespace lockstep::server::test
