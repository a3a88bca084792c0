/* SPDX-License-Identifier: MIT
 * Counters by stack: the rows of a recording as sums, in no order. Made into rows of a profile by
 * profile_counted.c.
 */
#ifndef GS_COUNTED_H
#define GS_COUNTED_H

#include <stddef.h>
#include <stdint.h>

#include "analyzer/idmap.h"

struct gs_counted_sums {
    uint32_t what;             /* GS_COUNTED_WHAT(), of a known state */
    struct gs_summap by_stack; /* thread's id, node -> sum (in `ns`) and number of rows */
};
struct gs_counted {
    struct gs_counted_sums *sums;
    size_t n, cap;
};

void gs_counted_add(struct gs_counted *c, uint32_t what, uint32_t thread, uint32_t node,
                    uint64_t count);
void gs_counted_free(struct gs_counted *c);

#endif
