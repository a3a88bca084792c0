/* SPDX-License-Identifier: MIT
 * Replays on the CPU.
 */
#include "analyzer/whatif/replay.h"

#include <stdlib.h>

#include "analyzer/whatif/replay_clock.h"
#include "analyzer/whatif/replay_memory.h"
#include "analyzer/xalloc.h"

/* What stays from run to run, and is freed with it. */
struct host {
    struct gs_replay replay; /* the first: who has one has the other */
    uint32_t *ring_at;
    char *memory;
};

struct gs_replay *gs_replay_open(const struct gs_program *p)
{
    struct host *h = gs_xcalloc(1, sizeof(*h));
    struct gs_replay *r = &h->replay;
    r->p = p;
    r->ring_at = h->ring_at = gs_xmalloc(p->n_objects + 1, sizeof(*h->ring_at));
    uint32_t n_puts = gs__replay_rings(p, h->ring_at);
    h->memory = gs_xcalloc(1, gs__replay_lay_out(r, n_puts, NULL));
    gs__replay_lay_out(r, n_puts, h->memory);
    r->rate = gs_xmalloc(p->n_threads + 1, sizeof(*r->rate));
    r->inverse = gs_xmalloc(p->n_threads + 1, sizeof(*r->inverse));
    r->totals = gs_xcalloc(p->n_objects + 1, sizeof(*r->totals));
    r->mark_ns = gs_xmalloc(p->n_marks + 1, sizeof(*r->mark_ns));
    return r;
}

void gs_replay_close(struct gs_replay *r)
{
    struct host *h = (struct host *)r;
    free(h->ring_at);
    free(h->memory);
    free(r->rate);
    free(r->inverse);
    free(r->totals);
    free(r->mark_ns);
    free(h);
}

void gs__replay_begin(struct gs_replay *r, const struct gs_replay_params *params)
{
    r->params = params;
    gs__replay_rates(&params->machine, r->p->n_threads, r->rate, r->inverse);
    memset(r->taken, 0, r->p->n_tasks);
    memset(r->mark_ns, 0xff, r->p->n_marks * sizeof(*r->mark_ns));
    gs__replay_reset(r);
}

void gs_replay_run(struct gs_replay *r, const struct gs_replay_params *params,
                   struct gs_replay_result *out)
{
    gs__replay_begin(r, params);
    gs__replay_run_all(r);
    *out = r->out;
}
