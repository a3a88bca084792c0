/* SPDX-License-Identifier: MIT
 * COUNTER and COUNTS records -> the recording's counters, and these into the profile.
 */
#include <stdlib.h>
#include <string.h>

#include "analyzer/profile_process.h"
#include "analyzer/records.h"
#include "analyzer/xalloc.h"

static struct gs_prof_counters *counters_of(struct gs_recording *r)
{
    if (!r->counters)
        r->counters = gs_xcalloc(1, sizeof(*r->counters));
    return r->counters;
}

/* Made on first sight; they are few. */
static size_t counter_at(struct gs_prof_counters *c, uint32_t counter)
{
    for (size_t i = 0; i < c->n_counters; i++)
        if (c->counters[i].counter == counter)
            return i;
    struct gs_prof_counter made = {.counter = counter,
                                   .name = gs_xasprintf("counter-%u", counter),
                                   .why_not = gs_xstrndup("", 0)};
    GS_PUSH(c->counters, c->n_counters, c->cap_counters, made);
    return c->n_counters - 1;
}

void gs__on_counter(struct gs_record_context *ctx, struct gs_record *rec)
{
    uint32_t counter = gs__record_u32(rec);
    if (counter >= GS_COUNTS_MAX_COUNTERS)
        return;
    struct gs_prof_counters *all = counters_of(ctx->r);
    size_t at = counter_at(all, counter); /* may move counters[] */
    struct gs_prof_counter *c = &all->counters[at];
    free(c->name);
    free(c->why_not);
    c->name = gs__record_string(rec);
    c->source = gs__record_u32(rec);
    gs_record_get_u(rec); /* type, config: of who looks with dump */
    gs_record_get_u(rec);
    c->why_not = gs__record_string(rec);
}

void gs__on_counts(struct gs_record_context *ctx, struct gs_record *rec)
{
    struct gs_recording *r = ctx->r;
    uint64_t t_ns = gs__record_seen_ns(ctx, rec);
    uint32_t id = gs__record_u32(rec), counter = gs__record_u32(rec);
    if (counter >= GS_COUNTS_MAX_COUNTERS)
        return;
    struct gs_prof_counters *all = counters_of(r);
    struct gs_prof_counts made = {.thread = -1, .at = counter_at(all, counter)}, *c;
    if (id != GS_COUNTS_PROCESS)
        made.thread = gs_recording_thread(r, id); /* dense, until the profile is made */
    uint32_t at = gs_idmap_add(&all->map, gs_pack32(id, counter));
    if (at == all->n_counts)
        GS_PUSH(all->counts, all->n_counts, all->cap_counts, made);
    c = &all->counts[at];
    if (t_ns < c->t_ns)
        return;
    c->t_ns = t_ns;
    c->count = gs_record_get_u(rec);
    c->enabled_ns = gs_record_get_u(rec);
    c->running_ns = gs_record_get_u(rec);
    for (int i = 0; i < GS_N_COUNTS_STATES; i++)
        c->in[i] = gs_record_get_u(rec);
    c->shared = gs_record_get_u(rec);
}

static int by_number(const void *pa, const void *pb)
{
    const struct gs_prof_counter *a = pa, *b = pb;
    return a->counter < b->counter ? -1 : a->counter > b->counter;
}

static int by_thread_and_counter(const void *pa, const void *pb)
{
    const struct gs_prof_counts *a = pa, *b = pb;
    if (a->thread != b->thread)
        return a->thread < b->thread ? -1 : 1;
    return a->at < b->at ? -1 : a->at > b->at;
}

void gs_counters_build(struct gs_recording *r, struct gs_prof_process *out)
{
    struct gs_prof_counters *c = r->counters;
    size_t place[GS_COUNTS_MAX_COUNTERS], now[GS_COUNTS_MAX_COUNTERS];
    out->counters = c;
    r->counters = NULL;
    if (!c)
        return;
    for (size_t i = 0; i < c->n_counters; i++)
        now[i] = c->counters[i].counter;
    qsort(c->counters, c->n_counters, sizeof(*c->counters), by_number);
    for (size_t i = 0; i < c->n_counters; i++)
        place[c->counters[i].counter] = i;
    for (size_t i = 0; i < c->n_counts; i++) {
        struct gs_prof_counts *one = &c->counts[i];
        one->at = place[now[one->at]];
        if (one->thread < 0)
            continue;
        const struct gs_rec_thread *t = &r->threads[one->thread];
        one->thread = t->id;
        one->tid = t->tid;
    }
    if (c->n_counts)
        qsort(c->counts, c->n_counts, sizeof(*c->counts), by_thread_and_counter);
    gs_idmap_free(&c->map);
    memset(&c->map, 0, sizeof(c->map));
}
