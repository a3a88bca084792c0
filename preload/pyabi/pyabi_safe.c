/* SPDX-License-Identifier: MIT
 * Fault-safe reads of our own address space. The only file of pyabi that knows a CPU.
 */
#include "preload/pyabi/pyabi_internal.h"

#include <sys/syscall.h>

#if defined(__x86_64__)
static inline long raw_syscall6(long nr, long a, long b, long c, long d, long e, long f)
{
    long result;
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "0"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
}
#elif defined(__aarch64__)
static inline long raw_syscall6(long nr, long a, long b, long c, long d, long e, long f)
{
    register long x8 __asm__("x8") = nr;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = d;
    register long x4 __asm__("x4") = e;
    register long x5 __asm__("x5") = f;
    __asm__ volatile("svc 0"
                     : "+r"(x0)
                     : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
                     : "memory");
    return x0;
}
#else
#error "raw system calls are written for x86-64 and aarch64"
#endif

int gs__own_pid(void)
{
    return (int)raw_syscall6(SYS_getpid, 0, 0, 0, 0, 0, 0);
}

long gs__readv(int pid, const struct iovec *local, size_t n_local, const struct iovec *remote,
               size_t n_remote)
{
    return raw_syscall6(SYS_process_vm_readv, pid, (long)local, (long)n_local, (long)remote,
                        (long)n_remote, 0);
}

bool gs_safe_read(void *dst, uintptr_t src, size_t len)
{
    struct iovec local = {dst, len};
    struct iovec remote = {(void *)src, len}; /* NOLINT: an address to be tried */
    return gs__readv(gs__own_pid(), &local, 1, &remote, 1) == (long)len;
}

bool gs__read_ptr(uintptr_t src, uintptr_t *out)
{
    return gs_safe_read(out, src, sizeof(*out));
}
