/* SPDX-License-Identifier: MIT */
#include "preload/hooks_real.h"

#include <dlfcn.h>
#include <stdbool.h>

#include "preload/dlsym_entry.h"

#define GS_HOOK(name, version, ret, params) ret(*gs_real_##name) params;
#include "preload/hooks.def"
#undef GS_HOOK

#define GS_OLD_LAYOUT "GLIBC_2.2.5" /* of condition variables; x86-64's, other CPUs have none */

/* glibc only: weak, so that a musl child under the inherited preload still starts. */
extern void *dlvsym(void *handle, const char *name, const char *version) __attribute__((weak));

/* The next definition behind ours. dlvsym() alone would go past another preload's wrapper, which
 * has mostly no version (a sanitizer then misses the call); dlsym() alone may find the libc's old
 * function, of another layout. So the version decides only where dlsym() came upon the old one. */
static void *look_up(const char *name, const char *version)
{
    void *next = gs_dlsym_find_real() ? gs_real_dlsym(RTLD_NEXT, name) : NULL;
    if (!version || !dlvsym)
        return next;
    void *versioned = dlvsym(RTLD_NEXT, name, version);
    bool old = next == dlvsym(RTLD_NEXT, name, GS_OLD_LAYOUT);
    return versioned && old ? versioned : next;
}

/* Once: a name this libc lacks (execveat before glibc 2.34, sem_clockwait before 2.30) would be
 * looked up again in each hook, each vfork child, and dlsym() allocates and locks. */
void gs_hooks_resolve(void)
{
    static bool done;
    if (done)
        return;
#define GS_HOOK(name, version, ret, params)                                                        \
    if (!gs_real_##name)                                                                           \
        gs_real_##name = (ret(*) params)look_up(#name, version);
#include "preload/hooks.def"
#undef GS_HOOK
    done = true;
}
