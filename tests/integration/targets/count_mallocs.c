/* SPDX-License-Identifier: MIT
 * A preload beside the agent: counts the allocations of the thread that runs main(), and prints the
 * count as the process ends, on the descriptor named by COUNT_FD.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

extern void *__libc_malloc(size_t n);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *p, size_t n);

static __thread unsigned long count __attribute__((tls_model("initial-exec")));

void *malloc(size_t n)
{
    count++;
    return __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
    count++;
    return __libc_calloc(n, size);
}

void *realloc(void *p, size_t n)
{
    count++;
    return __libc_realloc(p, n);
}

__attribute__((destructor)) static void print_count(void)
{
    const char *fd = getenv("COUNT_FD");
    if (fd)
        dprintf(atoi(fd), "%lu\n", count);
}
