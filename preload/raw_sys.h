/* SPDX-License-Identifier: MIT
 * System calls without libc: they never touch errno, never are cancellation points, never pass
 * through another preload's wrappers. x86-64 only; another CPU adds its own gs_syscall6 here.
 * All return the kernel's value: >= 0, or -errno.
 */
#ifndef GS_RAW_SYS_H
#define GS_RAW_SYS_H

#include <fcntl.h>
#include <linux/futex.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>

#if !defined(__x86_64__)
#error "raw_sys.h: add gs_syscall6 for this CPU"
#endif

static inline long gs_syscall6(long nr, long a, long b, long c, long d, long e, long f)
{
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;
    long ret;
    __asm__ volatile("syscall"
                     : "=a"(ret)
                     : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return ret;
}

#define gs_sys0(nr)             gs_syscall6(nr, 0, 0, 0, 0, 0, 0)
#define gs_sys1(nr, a)          gs_syscall6(nr, (long)(a), 0, 0, 0, 0, 0)
#define gs_sys2(nr, a, b)       gs_syscall6(nr, (long)(a), (long)(b), 0, 0, 0, 0)
#define gs_sys3(nr, a, b, c)    gs_syscall6(nr, (long)(a), (long)(b), (long)(c), 0, 0, 0)
#define gs_sys4(nr, a, b, c, d) gs_syscall6(nr, (long)(a), (long)(b), (long)(c), (long)(d), 0, 0)

static inline uint32_t gs_getpid(void)
{
    return (uint32_t)gs_sys0(SYS_getpid);
}

static inline uint32_t gs_gettid(void)
{
    return (uint32_t)gs_sys0(SYS_gettid);
}

static inline long gs_open(const char *path, int flags, int mode)
{
    return gs_sys4(SYS_openat, AT_FDCWD, path, flags | O_CLOEXEC, mode);
}

static inline void gs_close(long fd)
{
    gs_sys1(SYS_close, fd);
}

/* Reads up to cap - 1 bytes of a (proc) file and terminates them; the length, or -errno. */
static inline long gs_read_file(const char *path, char *buf, size_t cap)
{
    long fd = gs_open(path, O_RDONLY, 0), len = 0, n;
    if (fd < 0)
        return fd;
    while ((size_t)len < cap - 1 &&
           (n = gs_sys3(SYS_read, fd, buf + len, cap - 1 - (size_t)len)) > 0)
        len += n;
    gs_close(fd);
    buf[len] = 0;
    return len;
}

/* Sleeps while *word == expected, at most timeout_ns. */
static inline void gs_futex_wait(uint32_t *word, uint32_t expected, uint64_t timeout_ns)
{
    struct timespec ts = {(time_t)(timeout_ns / 1000000000u), (long)(timeout_ns % 1000000000u)};
    gs_sys4(SYS_futex, word, FUTEX_WAIT_PRIVATE, expected, &ts);
}

static inline void gs_futex_wake(uint32_t *word)
{
    gs_sys3(SYS_futex, word, FUTEX_WAKE_PRIVATE, 0x7fffffff);
}

#endif
