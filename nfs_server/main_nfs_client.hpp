// For tests: libnfs' synchronous calls as a class. What fails gives a negative errno, as libnfs does.
#pragma once

#include <fcntl.h>
#include <nfsc/libnfs.h>

#include <cstdint>
#include <stdexcept>
#include <string>

namespace lockstep::server::test {

// A mounted export. One thread at a time.
class NfsClient {
 public:
    // Throws when the server can't be mounted.
    explicit NfsClient(const std::string& url) : context_(nfs_init_context()) {
        nfs_url* parsed = nfs_parse_url_dir(context_, url.c_str());
        const bool mounted = parsed && nfs_mount(context_, parsed->server, parsed->path) == 0;
        if (parsed) nfs_destroy_url(parsed);
        // A killed server is an error to see, not to wait out.
        nfs_set_autoreconnect(context_, 0);
        nfs_set_timeout(context_, 20'000);
        if (mounted) return;
        const std::string why = nfs_get_error(context_);
        nfs_destroy_context(context_);
        throw std::runtime_error("mount of " + url + ": " + why);
    }
    ~NfsClient() { nfs_destroy_context(context_); }
    NfsClient(const NfsClient&) = delete;
    NfsClient& operator=(const NfsClient&) = delete;

    int make_directory(const std::string& path) { return nfs_mkdir(context_, path.c_str()); }
    int remove(const std::string& path) { return nfs_unlink(context_, path.c_str()); }
    int rename(const std::string& from, const std::string& to) {
        return nfs_rename(context_, from.c_str(), to.c_str());
    }

    // Creates the file, or truncates it, and writes; sync: each WRITE is FILE_SYNC, else UNSTABLE with a COMMIT at the
    // end.
    int write_file(const std::string& path, const std::string& content, bool sync) {
        nfsfh* file = nullptr;
        const int flags = O_WRONLY | O_CREAT | O_TRUNC | (sync ? O_SYNC : 0);
        if (const int status = nfs_open2(context_, path.c_str(), flags, 0644, &file); status < 0) return status;
        int status = 0;
        for (size_t offset = 0; offset < content.size() && status >= 0;) {
            status = nfs_pwrite(context_, file, offset, content.size() - offset, content.data() + offset);
            if (status == 0) status = -EIO;
            if (status > 0) offset += static_cast<size_t>(status);
        }
        if (status >= 0) status = nfs_fsync(context_, file);
        nfs_close(context_, file);
        return status < 0 ? status : 0;
    }

    int read_file(const std::string& path, std::string& content) {
        nfsfh* file = nullptr;
        if (const int status = nfs_open(context_, path.c_str(), O_RDONLY, &file); status < 0) return status;
        content.clear();
        std::string piece(size_t{1} << 17, '\0');
        int status = 0;
        do {
            status = nfs_pread(context_, file, content.size(), piece.size(), piece.data());
            if (status > 0) content.append(piece, 0, static_cast<size_t>(status));
        } while (status > 0);
        nfs_close(context_, file);
        return status;
    }

    // Size and mode of a path.
    int stat(const std::string& path, nfs_stat_64& result) { return nfs_stat64(context_, path.c_str(), &result); }

 private:
    nfs_context* context_;
};

}  // namespace lockstep::server::test
