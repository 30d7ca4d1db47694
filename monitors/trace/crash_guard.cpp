#include "monitors/trace/crash_guard.hpp"

#include <setjmp.h>
#include <signal.h>

#include <array>

namespace lockstep::monitors {
namespace {

constexpr std::array signals = {SIGABRT, SIGFPE, SIGSEGV, SIGBUS};

thread_local sigjmp_buf* landing = nullptr;  // where this thread goes on instead of ending the process
std::array<struct sigaction, signals.size()> former;

// Returning lets abort() go on, and repeats a fault, now without us.
void on_signal(int number, siginfo_t*, void*) {
    if (landing != nullptr) siglongjmp(*landing, number);
    for (std::size_t i = 0; i < signals.size(); ++i)
        if (signals[i] == number) sigaction(number, &former[i], nullptr);
}

bool install() {
    struct sigaction action {};
    action.sa_sigaction = on_signal;
    action.sa_flags = SA_SIGINFO;
    for (std::size_t i = 0; i < signals.size(); ++i) sigaction(signals[i], &action, &former[i]);
    return true;
}

void unblock(int number) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, number);
    pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
}

}  // namespace

// The signal mask is not saved with the place: that would be a system call for each call.
int signal_of(void (*body)(void*), void* data) {
    [[maybe_unused]] static const bool installed = install();
    sigjmp_buf here;
    sigjmp_buf* const outer = landing;
    if (const int number = sigsetjmp(here, 0); number != 0) {
        landing = outer;
        unblock(number);
        return number;
    }
    landing = &here;
    body(data);
    landing = outer;
    return 0;
}

OwnCode::OwnCode() : landing_(landing) {
    landing = nullptr;
}

OwnCode::~OwnCode() {
    landing = static_cast<sigjmp_buf*>(landing_);
}

}  // namespace lockstep::monitors
