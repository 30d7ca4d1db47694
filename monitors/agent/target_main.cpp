// A program to be watched, for the tests: it fires lock_api events as its standard input says, and answers every line
// with "done".
//   grant FILE OWNER FIRST LAST MODE | release FILE OWNER FIRST LAST | fork | quit
#include <lttng/tracepoint.h>
#include <sys/wait.h>
#include <unistd.h>

#include <iostream>
#include <sstream>
#include <string>

#include "tracepoints/lock_api.tp"

namespace {

void grant(std::istringstream& words) {
    std::string file, owner;
    std::uint64_t first = 0, last = 0;
    int mode = 0;
    words >> file >> owner >> first >> last >> mode;
    lttng_ust_tracepoint(lock_api, acquired, file.c_str(), owner.c_str(), first, last, static_cast<std::uint8_t>(mode));
}

void release(std::istringstream& words) {
    std::string file, owner;
    std::uint64_t first = 0, last = 0;
    words >> file >> owner >> first >> last;
    lttng_ust_tracepoint(lock_api, released, file.c_str(), owner.c_str(), first, last);
}

// The child is told what its monitors would say, by violating the property; it must neither hang nor be judged.
int fork_and_violate() {
    const pid_t child = fork();
    if (child == 0) {
        lttng_ust_tracepoint(lock_api, acquired, "forked", "a", 0, 9, 5);
        lttng_ust_tracepoint(lock_api, acquired, "forked", "b", 0, 9, 5);
        _exit(7);
    }
    int status = 0;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

}  // namespace

int main() {
    for (std::string line; std::getline(std::cin, line);) {
        std::istringstream words(line);
        std::string what;
        words >> what;
        if (what == "quit") break;
        if (what == "grant") grant(words);
        if (what == "release") release(words);
        std::cout << "done";
        if (what == "fork") std::cout << ' ' << fork_and_violate();
        std::cout << std::endl;
    }
}
