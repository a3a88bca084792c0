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

/* Can these 8 bytes be read? The kernel copies the set before it looks at `how`, which is none that
 * exists: EFAULT or EINVAL, and no mask changes. */
static bool word_is_readable(uintptr_t at)
{
    const long einval = -22, no_such_how = ~0L;
    return raw_syscall6(SYS_rt_sigprocmask, no_such_how, (long)at, 0, 8, 0, 0) == einval;
}

/* Where process_vm_readv is refused (strict containers): look, then copy. Another thread could
 * unmap the memory between, so this serves what the calling thread keeps alive: its own frames and
 * the objects they hold, and the interpreter's static data. */
static bool probe_and_copy(void *dst, uintptr_t src, size_t len)
{
    const uintptr_t page = 4096;
    if (!len || src + len < src || !word_is_readable(src & ~(uintptr_t)7) ||
        !word_is_readable((src + len - 1) & ~(uintptr_t)7))
        return !len;
    for (uintptr_t at = (src & ~(page - 1)) + page; at < src + len; at += page)
        if (!word_is_readable(at))
            return false;
    __builtin_memcpy(dst, (const void *)src, len); /* NOLINT: an address found readable */
    return true;
}

bool gs_safe_read_others(void)
{
    uint64_t probe = 42, copy = 0;
    struct iovec local = {&copy, sizeof(copy)}, remote = {&probe, sizeof(probe)};
    return gs__readv(gs__own_pid(), &local, 1, &remote, 1) == (long)sizeof(copy);
}

bool gs_safe_read(void *dst, uintptr_t src, size_t len)
{
    const long eperm = -1, enosys = -38;
    struct iovec local = {dst, len};
    struct iovec remote = {(void *)src, len}; /* NOLINT: an address to be tried */
    long got = gs__readv(gs__own_pid(), &local, 1, &remote, 1);
    if (got == eperm || got == enosys)
        return probe_and_copy(dst, src, len);
    return got == (long)len;
}

bool gs__read_ptr(uintptr_t src, uintptr_t *out)
{
    return gs_safe_read(out, src, sizeof(*out));
}
