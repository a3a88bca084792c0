/* SPDX-License-Identifier: MIT */
#include "analyzer/counted.h"

#include <stdlib.h>

#include "analyzer/counters.h"
#include "analyzer/xalloc.h"
#include "preload/trace/trace_format.h"

/* A few counters in three states; the last one is mostly the one asked for again. */
static struct gs_summap *sums_of(struct gs_counted *c, uint32_t what)
{
    for (size_t i = c->n; i-- > 0;)
        if (c->sums[i].what == what)
            return &c->sums[i].by_stack;
    GS_PUSH(c->sums, c->n, c->cap, ((struct gs_counted_sums){.what = what}));
    return &c->sums[c->n - 1].by_stack;
}

void gs_counted_add(struct gs_counted *c, uint32_t what, uint32_t thread, uint32_t node,
                    uint64_t count)
{
    uint32_t counter = GS_COUNTED_COUNTER(what), state = GS_COUNTED_STATE(what);
    if (counter >= GS_COUNTS_MAX_COUNTERS || state >= GS_N_COUNTS_STATES)
        return;
    what = GS_COUNTED_WHAT(counter, state, GS_COUNTED_IS_ESTIMATE(what));
    gs_summap_add(sums_of(c, what), gs_pack32(thread, node),
                  count < GS_COUNTED_MAX ? count : GS_COUNTED_MAX, 1);
}

void gs_counted_free(struct gs_counted *c)
{
    for (size_t i = 0; i < c->n; i++)
        gs_summap_free(&c->sums[i].by_stack);
    free(c->sums);
}
