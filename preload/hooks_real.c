/* SPDX-License-Identifier: MIT */
#include "preload/hooks_real.h"

#include <dlfcn.h>

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

void gs_hooks_resolve(void)
{
#define GS_HOOK(name, version, ret, params)                                                        \
    if (!gs_real_##name)                                                                           \
        gs_real_##name = (ret(*) params)look_up(#name, version);
#include "preload/hooks.def"
#undef GS_HOOK
}
