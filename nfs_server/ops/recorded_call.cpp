#include "nfs_server/ops/recorded_call.hpp"

#include <cstring>
#include <span>
#include <string_view>

#include <fmt/format.h>

#include "nfs_server/fs/file_handle.hpp"
#include "nfs_server/ops/verifier.hpp"

namespace lockstep::server::ops {
namespace {

using namespace wire;

// Bytes that could be taken for something else become %XX; no bytes at all a lone %.
std::string quoted(std::string_view text) {
    if (text.empty()) return "%";
    std::string result;
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte > ' ' && byte < 0x7f && c != '%' && c != ',')
            result += c;
        else
            result += fmt::format("%{:02x}", byte);
    }
    return result;
}

std::string hex(const char* data, std::uint32_t size) {
    if (size == 0) return "%";
    if (size > max_recorded_bytes) return "-";
    static constexpr std::string_view digits = "0123456789abcdef";
    std::string result;
    result.reserve(2 * size_t{size});
    for (const char c : std::string_view(data, size)) {
        result += digits[static_cast<unsigned char>(c) >> 4];
        result += digits[static_cast<unsigned char>(c) & 15];
    }
    return result;
}

std::string file(const nfs_fh3& handle) {
    const auto bytes = std::as_bytes(std::span(handle.data.data_val, handle.data.data_len));
    const auto identity = fs::HandleCodec::claim_of(bytes);
    return identity ? fmt::format("{}.{}", identity->inode, identity->generation) : "?";
}

std::string place(const diropargs3& where) {
    return file(where.dir) + " " + quoted(where.name);
}

std::string set(const sattr3& attributes) {
    std::string text;
    if (attributes.mode.set_it) text += fmt::format(" mode={:o}", attributes.mode.set_mode3_u.mode);
    if (attributes.size.set_it) text += fmt::format(" size={}", attributes.size.set_size3_u.size);
    if (attributes.uid.set_it || attributes.gid.set_it) text += " owner";
    return text;
}

std::string attribute_list(const fattr3& found) {
    return fmt::format("{},{:o},{},{}", static_cast<int>(found.type), found.mode, found.nlink, found.size);
}
std::string attributes(const fattr3& found) {
    return " attr=" + attribute_list(found);
}
std::string attributes(const post_op_attr& found) {
    return found.attributes_follow ? attributes(found.post_op_attr_u.attributes) : std::string();
}

// Of a reply that makes a file.
template <class Ok>
std::string made(const Ok& ok) {
    std::string text = "0";
    if (ok.obj.handle_follows) text += " file=" + file(ok.obj.post_op_fh3_u.handle);
    return text + attributes(ok.obj_attributes);
}

}  // namespace

std::string describe(const GETATTR3args& args) {
    return "getattr " + file(args.object);
}
std::string describe(const SETATTR3args& args) {
    return "setattr " + file(args.object) + set(args.new_attributes) + (args.guard.check ? " guard" : "");
}
std::string describe(const LOOKUP3args& args) {
    return "lookup " + place(args.what);
}
std::string describe(const ACCESS3args& args) {
    return fmt::format("access {} {}", file(args.object), args.access);
}
std::string describe(const READLINK3args& args) {
    return "readlink " + file(args.symlink);
}
std::string describe(const READ3args& args) {
    return fmt::format("read {} {} {}", file(args.file), args.offset, args.count);
}
std::string describe(const WRITE3args& args) {
    return fmt::format("write {} {} {} {}", file(args.file), args.offset, args.count,
                       hex(args.data.data_val, args.data.data_len));
}
std::string describe(const CREATE3args& args) {
    const std::string where = "create " + place(args.where);
    if (args.how.mode == EXCLUSIVE)
        return fmt::format("{} exclusive {}", where, get_verifier(args.how.createhow3_u.verf));
    return where + (args.how.mode == GUARDED ? " guarded" : " unchecked") + set(args.how.createhow3_u.obj_attributes);
}
std::string describe(const MKDIR3args& args) {
    return "mkdir " + place(args.where) + set(args.attributes);
}
std::string describe(const SYMLINK3args& args) {
    return "symlink " + place(args.where) + " " + quoted(args.symlink.symlink_data);
}
std::string describe(const MKNOD3args& args) {
    const auto type = args.what.type;
    const bool is_pipe = type == NF3SOCK || type == NF3FIFO;
    const bool is_device = type == NF3CHR || type == NF3BLK;
    const sattr3* wanted = is_pipe     ? &args.what.mknoddata3_u.pipe_attributes
                           : is_device ? &args.what.mknoddata3_u.device.dev_attributes
                                       : nullptr;
    return fmt::format("mknod {} {}{}", place(args.where), static_cast<int>(type), wanted ? set(*wanted) : "");
}
std::string describe(const REMOVE3args& args) {
    return "remove " + place(args.object);
}
std::string describe(const RMDIR3args& args) {
    return "rmdir " + place(args.object);
}
std::string describe(const RENAME3args& args) {
    return "rename " + place(args.from) + " " + place(args.to);
}
std::string describe(const LINK3args& args) {
    return "link " + file(args.file) + " " + place(args.link);
}
std::string describe(const READDIR3args& args) {
    return fmt::format("readdir {} {}", file(args.dir), args.cookie);
}
std::string describe(const READDIRPLUS3args& args) {
    return fmt::format("readdirplus {} {}", file(args.dir), args.cookie);
}
std::string describe(const FSSTAT3args& args) {
    return "fsstat " + file(args.fsroot);
}
std::string describe(const FSINFO3args& args) {
    return "fsinfo " + file(args.fsroot);
}
std::string describe(const PATHCONF3args& args) {
    return "pathconf " + file(args.object);
}
std::string describe(const COMMIT3args& args) {
    return "commit " + file(args.file);
}

std::string describe(const GETATTR3res& res) {
    return "0" + attributes(res.GETATTR3res_u.resok.obj_attributes);
}
std::string describe(const SETATTR3res& res) {
    return "0" + attributes(res.SETATTR3res_u.resok.obj_wcc.after);
}
std::string describe(const LOOKUP3res& res) {
    const auto& ok = res.LOOKUP3res_u.resok;
    return "0 file=" + file(ok.object) + attributes(ok.obj_attributes);
}
std::string describe(const ACCESS3res& res) {
    const auto& ok = res.ACCESS3res_u.resok;
    return fmt::format("0 rights={}{}", ok.access, attributes(ok.obj_attributes));
}
std::string describe(const READLINK3res& res) {
    return "0 text=" + quoted(res.READLINK3res_u.resok.data);
}
std::string describe(const READ3res& res) {
    const auto& ok = res.READ3res_u.resok;
    return fmt::format("0 count={} eof={} data={}{}", ok.count, ok.eof ? 1 : 0, hex(ok.data.data_val, ok.data.data_len),
                       attributes(ok.file_attributes));
}
std::string describe(const WRITE3res& res) {
    const auto& ok = res.WRITE3res_u.resok;
    return fmt::format("0 count={}{}", ok.count, attributes(ok.file_wcc.after));
}
std::string describe(const CREATE3res& res) {
    return made(res.CREATE3res_u.resok);
}
std::string describe(const MKDIR3res& res) {
    return made(res.MKDIR3res_u.resok);
}
std::string describe(const SYMLINK3res& res) {
    return made(res.SYMLINK3res_u.resok);
}
std::string describe(const MKNOD3res& res) {
    return made(res.MKNOD3res_u.resok);
}
std::string describe(const LINK3res& res) {
    return "0" + attributes(res.LINK3res_u.resok.file_attributes);
}
std::string describe(const READDIR3res& res) {
    const auto& ok = res.READDIR3res_u.resok;
    std::string text = fmt::format("0 eof={} names=", ok.reply.eof ? 1 : 0);
    for (const entry3* entry = ok.reply.entries; entry != nullptr; entry = entry->nextentry)
        text += quoted(entry->name) + ",";
    return text;
}
std::string describe(const READDIRPLUS3res& res) {
    const auto& ok = res.READDIRPLUS3res_u.resok;
    std::string names, files;
    for (const entryplus3* entry = ok.reply.entries; entry != nullptr; entry = entry->nextentry) {
        names += quoted(entry->name) + ",";
        files += entry->name_handle.handle_follows ? file(entry->name_handle.post_op_fh3_u.handle) : "-";
        if (const post_op_attr& found = entry->name_attributes; found.attributes_follow)
            files += ":" + attribute_list(found.post_op_attr_u.attributes);
        files += "/";
    }
    return fmt::format("0 eof={} names={} files={}", ok.reply.eof ? 1 : 0, names, files);
}
std::string describe(const FSSTAT3res& res) {
    return "0" + attributes(res.FSSTAT3res_u.resok.obj_attributes);
}
std::string describe(const FSINFO3res& res) {
    return "0" + attributes(res.FSINFO3res_u.resok.obj_attributes);
}
std::string describe(const PATHCONF3res& res) {
    return "0" + attributes(res.PATHCONF3res_u.resok.obj_attributes);
}
std::string describe(const COMMIT3res& res) {
    return "0" + attributes(res.COMMIT3res_u.resok.file_wcc.after);
}

}  // namespace lockstep::server::ops
