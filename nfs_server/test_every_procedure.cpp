#include "nfs_server/test_every_procedure.hpp"

#include <algorithm>
#include <array>
#include <memory>
#include <numeric>
#include <random>
#include <vector>

#include "nfs_server/test_raw_client.hpp"

namespace lockstep::server::test {
namespace {

using namespace wire;

constexpr uint32_t names_count = 6;
constexpr uint64_t rounds_of_a_connection = 50;
constexpr uint32_t largest_write_bytes = 3000;
constexpr uint64_t largest_offset = 20'000;

class EveryProcedure {
 public:
    EveryProcedure(uint16_t port, uint64_t seed) : port_(port), random_(seed) { connect(); }

    // False when the server is gone.
    bool round();

 private:
    static constexpr size_t handles_limit = 12;

    void connect();
    uint32_t below(uint32_t limit) { return static_cast<uint32_t>(random_() % limit); }
    std::string name();
    const Handle& directory() { return directories_[below(static_cast<uint32_t>(directories_.size()))]; }
    const Handle& file() { return files_[below(static_cast<uint32_t>(files_.size()))]; }
    const Handle& any() { return below(2) == 0 ? directory() : file(); }
    wire::sattr3 attributes(bool with_size);
    void remember(std::vector<Handle>& handles, const wire::nfs_fh3& found);
    void remember(std::vector<Handle>& handles, const wire::post_op_fh3& found);

    bool call(uint32_t procedure);
    bool call_on_names(uint32_t procedure);
    bool make(uint32_t procedure);
    bool create();
    bool list(uint32_t procedure);
    template <class Args, class Res, class Use>
    bool ask(uint32_t procedure, bool_t (*xdr_args)(XDR*, Args*), const Args& args, bool_t (*xdr_res)(XDR*, Res*),
             Use use);
    template <class Args, class Res>
    bool ask(uint32_t procedure, bool_t (*xdr_args)(XDR*, Args*), const Args& args, bool_t (*xdr_res)(XDR*, Res*)) {
        return ask(procedure, xdr_args, args, xdr_res, [](const Res&) {});
    }

    uint16_t port_;
    std::mt19937_64 random_;
    std::unique_ptr<rpc::test::Client> client_;
    uint64_t rounds_ = 0;
    std::vector<Handle> directories_;  // the root first, then what was found and may be gone
    std::vector<Handle> files_;
};

// A connection remembers its replies, so it is made anew now and then.
void EveryProcedure::connect() {
    client_ = std::make_unique<rpc::test::Client>(port_);
    if (!directories_.empty()) return;
    const Handle root = RawClient(port_).mount();
    directories_.push_back(root);
    files_.push_back(root);
}

std::string EveryProcedure::name() {
    return "every-" + std::to_string(below(names_count));
}

sattr3 EveryProcedure::attributes(bool with_size) {
    sattr3 result{};
    result.mode.set_it = TRUE;
    result.mode.set_mode3_u.mode = 0400 | (below(0400) & 0377);
    if (with_size && below(2) == 0) {
        result.size.set_it = TRUE;
        result.size.set_size3_u.size = below(largest_offset);
    }
    return result;
}

void EveryProcedure::remember(std::vector<Handle>& handles, const nfs_fh3& found) {
    Handle handle(found.data.data_val, found.data.data_len);
    if (handles.size() < handles_limit)
        handles.push_back(std::move(handle));
    else
        handles[1 + below(handles_limit - 1)] = std::move(handle);
}
void EveryProcedure::remember(std::vector<Handle>& handles, const post_op_fh3& found) {
    if (found.handle_follows) remember(handles, found.post_op_fh3_u.handle);
}

template <class Args, class Res, class Use>
bool EveryProcedure::ask(uint32_t procedure, bool_t (*xdr_args)(XDR*, Args*), const Args& args,
                         bool_t (*xdr_res)(XDR*, Res*), Use use) {
    Arena arena;
    const auto res = client_->call<Args, Res>(nfs(procedure), xdr_args, args, xdr_res, arena, 0u);
    if (res && res->status == NFS3_OK) use(*res);
    return res.has_value();
}

bool EveryProcedure::create() {
    const std::string name = this->name();
    CREATE3args args{where(directory(), name), {}};
    args.how.mode = static_cast<createmode3>(below(3));
    if (args.how.mode == EXCLUSIVE)
        args.how.createhow3_u.verf[0] = static_cast<char>(below(2));
    else
        args.how.createhow3_u.obj_attributes = attributes(true);
    return ask(NFSPROC3_CREATE, xdr_CREATE3args, args, xdr_CREATE3res,
               [this](const CREATE3res& res) { remember(files_, res.CREATE3res_u.resok.obj); });
}

bool EveryProcedure::make(uint32_t procedure) {
    const std::string name = this->name();
    const diropargs3 place = where(directory(), name);
    if (procedure == NFSPROC3_MKDIR)
        return ask(procedure, xdr_MKDIR3args, MKDIR3args{place, attributes(false)}, xdr_MKDIR3res,
                   [this](const MKDIR3res& res) { remember(directories_, res.MKDIR3res_u.resok.obj); });
    if (procedure == NFSPROC3_SYMLINK) {
        char text[] = "some/where";
        return ask(procedure, xdr_SYMLINK3args, SYMLINK3args{place, {attributes(false), text}}, xdr_SYMLINK3res,
                   [this](const SYMLINK3res& res) { remember(files_, res.SYMLINK3res_u.resok.obj); });
    }
    MKNOD3args args{place, {}};
    args.what.type = below(2) == 0 ? NF3FIFO : NF3SOCK;
    args.what.mknoddata3_u.pipe_attributes = attributes(false);
    return ask(procedure, xdr_MKNOD3args, args, xdr_MKNOD3res,
               [this](const MKNOD3res& res) { remember(files_, res.MKNOD3res_u.resok.obj); });
}

bool EveryProcedure::list(uint32_t procedure) {
    if (procedure == NFSPROC3_READDIR)
        return ask(procedure, xdr_READDIR3args, READDIR3args{fh(directory()), 0, {}, 4096}, xdr_READDIR3res);
    return ask(procedure, xdr_READDIRPLUS3args, READDIRPLUS3args{fh(directory()), 0, {}, 4096, 16384},
               xdr_READDIRPLUS3res, [this](const READDIRPLUS3res& res) {
                   for (const entryplus3* entry = res.READDIRPLUS3res_u.resok.reply.entries; entry != nullptr;
                        entry = entry->nextentry)
                       if (entry->name_attributes.attributes_follow)
                           remember(
                               entry->name_attributes.post_op_attr_u.attributes.type == NF3DIR ? directories_ : files_,
                               entry->name_handle);
               });
}

bool EveryProcedure::call_on_names(uint32_t procedure) {
    const std::string one = name(), other = name();
    const diropargs3 place = where(directory(), one);
    switch (procedure) {
        case NFSPROC3_LOOKUP:
            return ask(procedure, xdr_LOOKUP3args, LOOKUP3args{place}, xdr_LOOKUP3res,
                       [this](const LOOKUP3res& res) { remember(files_, res.LOOKUP3res_u.resok.object); });
        case NFSPROC3_REMOVE:
            return ask(procedure, xdr_REMOVE3args, REMOVE3args{place}, xdr_REMOVE3res);
        case NFSPROC3_RMDIR:
            return ask(procedure, xdr_RMDIR3args, RMDIR3args{place}, xdr_RMDIR3res);
        case NFSPROC3_RENAME:
            return ask(procedure, xdr_RENAME3args, RENAME3args{place, where(directory(), other)}, xdr_RENAME3res);
        default:
            return ask(procedure, xdr_LINK3args, LINK3args{fh(file()), place}, xdr_LINK3res);
    }
}

bool EveryProcedure::call(uint32_t procedure) {
    switch (procedure) {
        case NFSPROC3_GETATTR:
            return ask(procedure, xdr_GETATTR3args, GETATTR3args{fh(any())}, xdr_GETATTR3res);
        case NFSPROC3_SETATTR:
            return ask(procedure, xdr_SETATTR3args, SETATTR3args{fh(any()), attributes(true), {}}, xdr_SETATTR3res);
        case NFSPROC3_ACCESS:
            return ask(procedure, xdr_ACCESS3args, ACCESS3args{fh(any()), 63}, xdr_ACCESS3res);
        case NFSPROC3_READLINK:
            return ask(procedure, xdr_READLINK3args, READLINK3args{fh(any())}, xdr_READLINK3res);
        case NFSPROC3_READ:
            return ask(procedure, xdr_READ3args, READ3args{fh(any()), below(largest_offset), 8000}, xdr_READ3res);
        case NFSPROC3_WRITE: {
            std::string data(below(largest_write_bytes), static_cast<char>('a' + below(26)));
            const WRITE3args args{fh(any()),
                                  below(largest_offset),
                                  static_cast<uint32_t>(data.size()),
                                  static_cast<stable_how>(below(3)),
                                  {static_cast<u_int>(data.size()), data.data()}};
            return ask(procedure, xdr_WRITE3args, args, xdr_WRITE3res);
        }
        case NFSPROC3_CREATE:
            return create();
        case NFSPROC3_MKDIR:
        case NFSPROC3_SYMLINK:
        case NFSPROC3_MKNOD:
            return make(procedure);
        case NFSPROC3_READDIR:
        case NFSPROC3_READDIRPLUS:
            return list(procedure);
        case NFSPROC3_FSSTAT:
            return ask(procedure, xdr_FSSTAT3args, FSSTAT3args{fh(any())}, xdr_FSSTAT3res);
        case NFSPROC3_FSINFO:
            return ask(procedure, xdr_FSINFO3args, FSINFO3args{fh(any())}, xdr_FSINFO3res);
        case NFSPROC3_PATHCONF:
            return ask(procedure, xdr_PATHCONF3args, PATHCONF3args{fh(any())}, xdr_PATHCONF3res);
        case NFSPROC3_COMMIT:
            return ask(procedure, xdr_COMMIT3args, COMMIT3args{fh(any()), 0, 0}, xdr_COMMIT3res);
        default:
            return call_on_names(procedure);
    }
}

bool EveryProcedure::round() {
    if (++rounds_ % rounds_of_a_connection == 0) connect();
    std::array<uint32_t, NFSPROC3_COMMIT> procedures;
    std::iota(procedures.begin(), procedures.end(), uint32_t{NFSPROC3_GETATTR});
    std::ranges::shuffle(procedures, random_);
    return std::ranges::all_of(procedures, [this](uint32_t procedure) { return call(procedure); });
}

}  // namespace

bool call_every_procedure(uint16_t port, uint64_t seed, uint64_t rounds) {
    EveryProcedure client(port, seed);
    for (uint64_t round = 0; round < rounds; ++round)
        if (!client.round()) return false;
    return true;
}

}  // namespace lockstep::server::test
