// Preloaded into user-mode Linux: lets it run on processors with more registers than it knows of.
//
// A host's kernel takes a process's extended registers (PTRACE_SETREGSET, NT_X86_XSTATE) whole or not at all. User-mode
// Linux 6.1 keeps only so many bytes of them as there were with AVX-512; where a processor has more (AMX: 11
// KiB) its guests end with their first process, "put_fp_registers" in the call trace. What it leaves out is left here
// as it is: guests don't use what they do not know of.
#include <dlfcn.h>
#include <elf.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdarg>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace {

// Of any processor so far, several times. Not on the stack: that of user-mode Linux's own kernel is small. It has one
// thread.
alignas(64) std::byte whole[64 << 10];

long system_ptrace(__ptrace_request request, pid_t process, void* address, void* data) {
    return syscall(SYS_ptrace, request, process, address, data);
}

// With the missing end as it is now.
long set_registers(pid_t process, void* set, const iovec& given) {
    iovec registers{whole, sizeof whole};
    if (const long result = system_ptrace(PTRACE_GETREGSET, process, set, &registers); result != 0) return result;
    std::memcpy(whole, given.iov_base, std::min(given.iov_len, registers.iov_len));
    return system_ptrace(PTRACE_SETREGSET, process, set, &registers);
}

}  // namespace

extern "C" __attribute__((visibility("default"))) long ptrace(__ptrace_request request, ...) noexcept {
    using Ptrace = long (*)(__ptrace_request, ...);
    static const auto next = reinterpret_cast<Ptrace>(dlsym(RTLD_NEXT, "ptrace"));
    va_list arguments;
    va_start(arguments, request);
    const pid_t process = va_arg(arguments, pid_t);
    void* const address = va_arg(arguments, void*);
    void* const data = va_arg(arguments, void*);
    va_end(arguments);

    const long result = next(request, process, address, data);
    const bool is_of_registers =
        request == PTRACE_SETREGSET && reinterpret_cast<std::uintptr_t>(address) == NT_X86_XSTATE;
    if (result == 0 || !is_of_registers || (errno != EFAULT && errno != EINVAL)) return result;
    return set_registers(process, address, *static_cast<const iovec*>(data));
}
