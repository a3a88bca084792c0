/* SPDX-License-Identifier: MIT
 * dlsym() as the process sees it: the next one behind us, but for names of the CUDA driver. The
 * entry is assembly that ends in a jump, because glibc tells by the return address whose
 * RTLD_NEXT is asked for.
 */
#ifndef GS_DLSYM_ENTRY_H
#define GS_DLSYM_ENTRY_H

typedef void *gs_dlsym_fn(void *handle, const char *name);

#pragma GCC visibility push(hidden)
extern gs_dlsym_fn *gs_real_dlsym; /* NULL before the first call */
/* Sets it. CTX: any; no dlsym(). */
gs_dlsym_fn *gs_dlsym_find_real(void);
#pragma GCC visibility pop

#endif
