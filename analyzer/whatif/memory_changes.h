/* SPDX-License-Identifier: MIT
 * Bytes of several processes that change at different times, and when they were most together.
 */
#ifndef GS_WHATIF_MEMORY_CHANGES_H
#define GS_WHATIF_MEMORY_CHANGES_H

#include <stddef.h>
#include <stdint.h>

struct gs_memory_change {
    uint64_t t_ns;
    size_t process;
    uint64_t bytes; /* from then on */
};

/* The greatest sum, and at *at_ns when it was; of equal ones the last, as what was begun then is
 * done. Puts them in order of time. 0 and 0 of none. */
uint64_t gs_memory_changes_most(struct gs_memory_change *all, size_t n, size_t n_processes,
                                uint64_t *at_ns);

#endif
