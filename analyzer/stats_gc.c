/* SPDX-License-Identifier: MIT
 * Garbage collections of a process: the sum over its interpreters; in the summary, and in JSON.
 */
#include <stdlib.h>

#include "analyzer/fmt_units.h"
#include "analyzer/stats_text.h"
#include "analyzer/xalloc.h"

#define MAX_PROCESSES 3

void gs_stats_json_gc(struct gs_json *j, const struct gs_prof_process *p)
{
    const struct gs_prof_gc *gc = &p->gc;
    gs_json_key(j, "gc");
    if (!gc->seen) {
        gs_json_null(j);
        return;
    }
    gs_json_begin_object(j);
    gs_json_key(j, "collections");
    gs_json_begin_array_inline(j);
    for (size_t g = 0; g < GS_PROF_GENERATIONS; g++)
        gs_json_u64(j, gc->collections[g]);
    gs_json_end_array(j);
    gs_json_kv_u64(j, "collected", gc->collected);
    gs_json_kv_u64(j, "uncollectable", gc->uncollectable);
    gs_json_kv_u64(j, "time_ns", gc->time_ns);
    gs_json_kv_bool(j, "time_is_measured", gc->is_measured);
    gs_json_kv_u64(j, "looks", gc->looks);
    gs_json_kv_u64(j, "looks_that_found_one", gc->hits);
    gs_json_kv_u64(j, "live_containers", gc->live);
    gs_json_kv_u64(j, "interpreters", gc->interpreters);
    gs_json_end_object(j);
}

static uint64_t collections_of(const struct gs_prof_gc *gc)
{
    return gc->collections[0] + gc->collections[1] + gc->collections[2];
}

/* The share is of the time that somebody held the GIL, which who collects does. */
static void put_process(const struct gs_text *t, const struct gs_prof_process *p)
{
    const struct gs_prof_gc *gc = &p->gc;
    char *how = gc->is_measured ? gs_xasprintf("as Python measured it")
                                : gs_xasprintf("estimated: %s of %s looks found one under way",
                                               gs_fmt_count(gc->hits).s, gs_fmt_count(gc->looks).s);
    gs_text_line(t, gs_xasprintf("pid %u: %s + %s + %s of the youngest, middle, oldest generation, "
                                 "%s objects collected; they took %s, %s of the time the GIL was "
                                 "held (%s); %s containers live.",
                                 p->pid, gs_fmt_count(gc->collections[0]).s,
                                 gs_fmt_count(gc->collections[1]).s,
                                 gs_fmt_count(gc->collections[2]).s, gs_fmt_count(gc->collected).s,
                                 gs_fmt_ns(gc->time_ns).s,
                                 gs_fmt_percent(gc->time_ns, p->gil.hold_ns).s, how,
                                 gs_fmt_count(gc->live).s));
    free(how);
}

/* Those with the most time in them: they need not be the first. */
static const struct gs_prof_process *next_process(const struct gs_profile *p,
                                                  const struct gs_prof_process *last)
{
    const struct gs_prof_process *best = NULL;
    for (size_t i = 0; i < p->n_processes; i++) {
        const struct gs_prof_process *q = &p->processes[i];
        bool after = !last || q->gc.time_ns < last->gc.time_ns ||
                     (q->gc.time_ns == last->gc.time_ns && q > last);
        if (collections_of(&q->gc) && after && (!best || q->gc.time_ns > best->gc.time_ns))
            best = q;
    }
    return best;
}

void gs_text_gc(const struct gs_text *t, const struct gs_profile *p)
{
    const struct gs_prof_process *q = next_process(p, NULL);
    if (q)
        gs_text_heading(t, "Garbage collections");
    for (unsigned n = 0; q && n < MAX_PROCESSES; n++, q = next_process(p, q))
        put_process(t, q);
}
