// Prints the names by which liblockstep_file_locks.so calls files: file_name PATH…. For tests that compare machines, so
// it is linked statically and runs in any guest.
#include <fcntl.h>
#include <unistd.h>

#include <cstdio>

#include "preload/file_identity.hpp"

int main(int argc, char** argv) {
    for (int i = 1; i < argc; ++i) {
        const int file = open(argv[i], O_RDONLY | O_CLOEXEC);
        const auto identity = lockstep::preload::identify(file);
        if (!identity) {
            std::perror(argv[i]);
            return 1;
        }
        std::puts(identity->name.data());
        close(file);
    }
}
