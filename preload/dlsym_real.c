/* SPDX-License-Identifier: MIT */
#include "preload/dlsym_entry.h"

#include <stddef.h>

#include "preload/elf_symbols.h"

gs_dlsym_fn *gs_real_dlsym;

/* By the order of loading, as RTLD_NEXT goes: another preload's wrapper may stand behind us. */
gs_dlsym_fn *gs_dlsym_find_real(void)
{
    struct gs_elf_object next;
    if (!gs_real_dlsym && gs_elf_find_next_early("dlsym", &next))
        gs_real_dlsym = (gs_dlsym_fn *)gs_elf_symbol(&next, "dlsym");
    return gs_real_dlsym;
}
