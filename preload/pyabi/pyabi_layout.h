/* SPDX-License-Identifier: MIT
 * struct gs_pyabi: the resolved layout of one running CPython. Fields are added by pyabi_resolve.c.
 */
#ifndef GS_PYABI_LAYOUT_H
#define GS_PYABI_LAYOUT_H

struct gs_pyabi {
    uint32_t version_hex;
    uint8_t minor; /* 3.minor */
    bool free_threaded;
    struct gs_pyabi_inputs in;
    /* offsets: to be completed */
};

#endif
