// For tests: nfs_server as a process of its own, on free ports, in a directory that goes away.
#pragma once

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace lockstep::server::test {

// A new directory under the system's own for temporary files, removed with everything in it.
class TemporaryDirectory {
 public:
    explicit TemporaryDirectory(const std::filesystem::path& parent = std::filesystem::temp_directory_path()) {
        std::string pattern = (parent / "nfs_server_test.XXXXXX").string();
        if (!mkdtemp(pattern.data())) throw std::runtime_error("mkdtemp");
        path_ = pattern;
    }
    ~TemporaryDirectory() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    TemporaryDirectory(const TemporaryDirectory&) = delete;
    TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;

    const std::filesystem::path& path() const { return path_; }

 private:
    std::filesystem::path path_;
};

inline std::string content_of(const std::filesystem::path& file) {
    std::ifstream stream(file, std::ios::binary);
    std::ostringstream content;
    content << stream.rdbuf();
    return content.str();
}

// Runs a program to its end. Output goes to the files given, if any.
inline int run_program(const std::vector<std::string>& words,
                       const std::filesystem::path& standard_output = "/dev/null",
                       const std::filesystem::path& standard_error = "/dev/null") {
    const pid_t pid = fork();
    if (pid == 0) {
        std::vector<char*> arguments;
        for (const auto& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
        arguments.push_back(nullptr);
        dup2(open(standard_output.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600), STDOUT_FILENO);
        dup2(open(standard_error.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600), STDERR_FILENO);
        execvp(arguments[0], arguments.data());
        _exit(127);
    }
    int status = 0;
    waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

inline std::string server_program() {
    const char* directory = std::getenv("LOCKSTEP_BUILD_DIR");
    return std::string(directory ? directory : ".") + "/bin/nfs_server";
}

class ServerProcess {
 public:
    // Starts it and waits until it is ready. Throws with its stderr when it ends instead.
    ServerProcess(const std::filesystem::path& directory, const std::string& disk, std::vector<std::string> more = {})
        : errors_(directory / "server.err") {
        std::vector<std::string> words = {server_program(), "--disk", disk, "--bind", "127.0.0.1", "--port", "0"};
        words.insert(words.end(), more.begin(), more.end());
        start(words);
        await_ready();
    }
    ~ServerProcess() {
        if (pid_ > 0) kill_now();
    }
    ServerProcess(const ServerProcess&) = delete;
    ServerProcess& operator=(const ServerProcess&) = delete;

    uint16_t port() const { return port_; }
    const std::string& ready_line() const { return ready_line_; }
    pid_t pid() const { return pid_; }

    // An URL for libnfs.
    std::string url(const std::string& path = "/") const {
        const std::string number = std::to_string(port_);
        return "nfs://127.0.0.1/export" + path + "?version=3&nfsport=" + number + "&mountport=" + number;
    }

    // As a power cut, as far as a process can tell.
    void kill_now() {
        ::kill(pid_, SIGKILL);
        reap();
    }
    // Its exit status.
    int stop(int signal = SIGTERM) {
        ::kill(pid_, signal);
        return reap();
    }
    std::string errors() const { return content_of(errors_); }

 private:
    void start(const std::vector<std::string>& words) {
        int output[2];
        if (pipe2(output, O_CLOEXEC) != 0) throw std::runtime_error("pipe2");
        std::vector<char*> arguments;
        for (const auto& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
        arguments.push_back(nullptr);
        pid_ = fork();
        if (pid_ == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            dup2(output[1], STDOUT_FILENO);
            dup2(open(errors_.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600), STDERR_FILENO);
            execv(arguments[0], arguments.data());
            _exit(127);
        }
        ::close(output[1]);
        output_ = fdopen(output[0], "r");
    }

    void await_ready() {
        char line[512] = "";
        const bool came = fgets(line, sizeof line, output_) != nullptr;
        fclose(output_);
        ready_line_ = line;
        const auto at = ready_line_.find("nfs=127.0.0.1:");
        if (!came || at == std::string::npos) {
            const int status = reap();
            throw std::runtime_error("nfs_server ended with " + std::to_string(status) + ": " + errors());
        }
        port_ = static_cast<uint16_t>(std::stoi(ready_line_.substr(at + 14)));
    }

    int reap() {
        int status = 0;
        waitpid(pid_, &status, 0);
        pid_ = -1;
        return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }

    std::filesystem::path errors_;
    pid_t pid_ = -1;
    FILE* output_ = nullptr;
    std::string ready_line_;
    uint16_t port_ = 0;
};

}  // namespace lockstep::server::test
