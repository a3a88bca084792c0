/* SPDX-License-Identifier: MIT
 * The real functions behind the interposed names. Resolved in the constructor; a call that comes
 * before it (from another library's early code) resolves first.
 */
#ifndef GS_HOOKS_REAL_H
#define GS_HOOKS_REAL_H

#include <pthread.h>
#include <semaphore.h>
#include <time.h>

#pragma GCC visibility push(hidden) /* called directly, not through the GOT */
#define GS_HOOK(name, version, ret, params) extern ret(*gs_real_##name) params;
#include "preload/hooks.def"
#undef GS_HOOK
#pragma GCC visibility pop

void gs_hooks_resolve(void);

#endif
