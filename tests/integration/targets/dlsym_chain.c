/* SPDX-License-Identifier: MIT
 * To be preloaded, several times over (-DNAME='"a"'): each goes on to the next one by RTLD_NEXT, of
 * libc's function and of the driver's.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <unistd.h>

#define PASS_ON(result, symbol, params, args, none)                                                \
    result symbol params                                                                           \
    {                                                                                              \
        result(*next) params = (result(*) params)dlsym(RTLD_NEXT, #symbol);                        \
        printf("%s ", NAME);                                                                       \
        return next ? next args : none;                                                            \
    }

PASS_ON(pid_t, getppid, (void), (), -1)
PASS_ON(int, cuMemAlloc_v2, (unsigned long long *p, size_t bytes), (p, bytes), -1)
