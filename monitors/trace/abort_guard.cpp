#include "monitors/trace/abort_guard.hpp"

#include <setjmp.h>
#include <signal.h>

namespace lockstep::monitors {
namespace {

thread_local sigjmp_buf* landing = nullptr;  // where this thread goes on instead of aborting
struct sigaction former;

// Returning from here lets abort() go on.
void on_abort(int number, siginfo_t* info, void* context) {
    if (landing != nullptr) siglongjmp(*landing, 1);
    if ((former.sa_flags & SA_SIGINFO) != 0)
        former.sa_sigaction(number, info, context);
    else if (former.sa_handler != SIG_DFL && former.sa_handler != SIG_IGN)
        former.sa_handler(number);
}

bool install() {
    struct sigaction action {};
    action.sa_sigaction = on_abort;
    action.sa_flags = SA_SIGINFO;
    return sigaction(SIGABRT, &action, &former) == 0;
}

void unblock_abort() {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGABRT);
    pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
}

}  // namespace

// The signal mask is not saved with the place: that would be a system call for each call.
bool survives(void (*body)(void*), void* data) {
    static const bool installed = install();
    if (!installed) return body(data), true;
    sigjmp_buf here;
    sigjmp_buf* const outer = landing;
    if (sigsetjmp(here, 0) != 0) {
        landing = outer;
        unblock_abort();
        return false;
    }
    landing = &here;
    body(data);
    landing = outer;
    return true;
}

}  // namespace lockstep::monitors
