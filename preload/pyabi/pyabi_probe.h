/* SPDX-License-Identifier: MIT
 * Looks at CPython's own words that are taken often, inline.
 */
#ifndef GS_PYABI_PROBE_H
#define GS_PYABI_PROBE_H

#include "preload/pyabi/pyabi.h"

/* Has the calling thread a Python frame on its own thread state? Such a state cannot be freed
 * before those frames have returned. Direct reads. */
static inline bool gs_pyabi_has_frame(const struct gs_pyabi *abi, uintptr_t tstate)
{
    uintptr_t p = *(const uintptr_t *)(tstate + (uintptr_t)abi->off.tstate_frame);
    if (abi->off.cframe_frame != GS_PYABI_ABSENT && p)
        p = *(const uintptr_t *)(p + (uintptr_t)abi->off.cframe_frame);
    if (abi->minor < 15 || !p)
        return p != 0;
    /* 3.15 keeps an empty frame of the interpreter's at the bottom, inside the thread state. */
    return *(const uint8_t *)(p + (uintptr_t)abi->off.frame_owner) < abi->first_shim_owner ||
           *(const uintptr_t *)(p + (uintptr_t)abi->off.frame_previous) != 0;
}

/* Has Py_Finalize() begun? Then the main thread's state may be freed while that thread goes on. */
static inline bool gs_pyabi_is_finalizing(const struct gs_pyabi *abi)
{
    uintptr_t at = abi->in.py_runtime + (uintptr_t)abi->off.runtime_finalizing;
    return __atomic_load_n((const uintptr_t *)at, __ATOMIC_RELAXED) != 0;
}

/* The interpreter of a state that lives. */
static inline uintptr_t gs_pyabi_interpreter(const struct gs_pyabi *abi, uintptr_t tstate)
{
    return *(const uintptr_t *)(tstate + (uintptr_t)abi->off.tstate_interp);
}

#endif
