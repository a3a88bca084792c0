/* SPDX-License-Identifier: MIT
 * To be preloaded: another tool's dlsym(), which looks at every name and calls on (no jump).
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>

void *dlsym(void *handle, const char *name)
{
    static void *(*next)(void *, const char *);
    static int seen;
    if (!next)
        next = (void *(*)(void *, const char *))dlvsym(RTLD_NEXT, "dlsym", "GLIBC_2.2.5");
    if (!next)
        abort();
    void *found = next(handle, name);
    __atomic_add_fetch(&seen, 1, __ATOMIC_RELAXED); /* keeps it from being a jump */
    return found;
}
