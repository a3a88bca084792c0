/* SPDX-License-Identifier: MIT */
#include "preload/hooks_real.h"

#include <dlfcn.h>
#include <stdbool.h>

#define GS_HOOK(name, version, ret, params) ret(*gs_real_##name) params;
#include "preload/hooks.def"
#undef GS_HOOK

/* glibc only: weak, so that a musl child under the inherited preload still starts. */
extern void *dlvsym(void *handle, const char *name, const char *version) __attribute__((weak));

static void *look_up(const char *name, const char *version)
{
    void *p = version && dlvsym ? dlvsym(RTLD_NEXT, name, version) : NULL;
    return p ? p : dlsym(RTLD_NEXT, name);
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
