/* SPDX-License-Identifier: MIT
 * Two programs are made of a family of processes: one of the processes as they are, each with a
 * GIL, and one of them as threads, without what only processes need. Both are replayed on one
 * machine; the ratio is the prediction. (The recorded time would not do: it depends on how many
 * cores there were, and on who else wanted them.)
 */
#include "analyzer/whatif/merge.h"

#include <stdlib.h>
#include <string.h>

#include "analyzer/fmt_units.h"
#include "analyzer/whatif/job.h"
#include "analyzer/whatif/merge_parts.h"
#include "analyzer/whatif/model.h"
#include "analyzer/xalloc.h"

#define MOST_HOLD_NS (UINT64_C(5) * 3600 * 1000000000)
#define UNKNOWN_PART 50u /* 1/50th of the threads' time may be waits for nobody knows what */

struct family {
    struct gs_part *const *parts;
    size_t n_parts, n_members, n_with_rows;
    uint8_t *is_member; /* those with rows */
    uint32_t root;
    uint64_t matched, unmatched_ns;
};

/* ---- who ---- */

static uint64_t held_ns(const struct gs_evidence *e)
{
    uint64_t ns = 0;
    for (size_t i = 0; i < e->n_turns; i++)
        ns += e->turns[i].rel_ns - e->turns[i].acq_ns;
    return ns;
}

static bool has_rows(const struct gs_part *p)
{
    return p->main_thread != UINT32_MAX;
}

static bool can_be_member(const struct gs_part *p)
{
    return !p->is_helper && !p->r.free_threaded && (has_rows(p) || p->e.folded_turns);
}

static uint32_t busiest_root(struct gs_part *const *parts, size_t n)
{
    uint64_t *ns = gs_xcalloc(n + 1, sizeof(*ns));
    uint32_t best = 0;
    for (size_t i = 0; i < n; i++)
        if (can_be_member(parts[i]))
            ns[parts[i]->root] += held_ns(&parts[i]->e);
    for (size_t i = 0; i < n; i++)
        if (ns[i] > ns[best])
            best = (uint32_t)i;
    free(ns);
    return best;
}

static void choose(struct family *f)
{
    f->is_member = gs_xcalloc(f->n_parts + 1, 1);
    gs__find_families(f->parts, f->n_parts);
    f->root = f->n_parts ? busiest_root(f->parts, f->n_parts) : 0;
    for (size_t i = 0; i < f->n_parts; i++) {
        bool belongs = f->parts[i]->root == f->root && can_be_member(f->parts[i]);
        f->is_member[i] = belongs && has_rows(f->parts[i]);
        f->n_members += belongs;
        f->n_with_rows += f->is_member[i];
    }
}

/* ---- their program ---- */

/* Until the child's first turn: the interpreter begins. */
static uint64_t begin_ns(const struct gs_part *p)
{
    uint64_t acq_ns = p->e.turns[p->e.turn_from[p->main_thread]].acq_ns;
    return p->parent != GS_NO_PART && acq_ns > p->r.start_ns ? acq_ns - p->r.start_ns : 0;
}

static void forget_acts(struct family *f)
{
    for (size_t i = 0; i < f->n_parts; i++)
        gs_acts_free(&f->parts[i]->more);
}

/* As they are, each switch interval of Python is operations of its own. */
static bool is_too_long(const struct family *f)
{
    uint64_t hold_ns = 0;
    for (size_t i = 0; i < f->n_parts; i++)
        for (size_t k = 0; k < f->parts[i]->e.n_turns && hold_ns < MOST_HOLD_NS; k++)
            hold_ns += f->parts[i]->e.turns[k].rel_ns - f->parts[i]->e.turns[k].acq_ns;
    return hold_ns >= MOST_HOLD_NS;
}

static const char *make_program(struct family *f, bool as_threads, struct gs_capture_program *out)
{
    memset(out, 0, sizeof(*out));
    if (is_too_long(f))
        return "they computed for more than five hours together: record a shorter stretch";
    struct gs__edges x = {f->parts, f->n_parts, f->is_member, &out->program, as_threads, 0, 0};
    for (size_t i = 0; i < f->n_parts; i++)
        if (f->is_member[i])
            f->parts[i]->first_thread = gs_program_threads(&out->program, &f->parts[i]->r);
    gs__find_edges(&x);
    for (size_t i = 0; i < f->n_parts; i++) {
        struct gs_part *p = f->parts[i];
        if (!f->is_member[i])
            continue;
        struct gs_listing how = {.first_thread = p->first_thread,
                                 .as_threads = as_threads,
                                 .has_gil = !as_threads,
                                 .begins = p->main_thread,
                                 .begin_ns = as_threads ? 0 : begin_ns(p),
                                 .more = &p->more};
        gs_program_list(&p->e, &p->r, &p->stacks, &how, out);
    }
    f->matched = x.matched;
    f->unmatched_ns = x.unmatched_ns;
    forget_acts(f);
    const char *why = gs_program_finish(&out->program);
    if (why)
        gs_capture_program_free(out);
    return why;
}

static uint64_t recorded_wall(const struct family *f)
{
    uint64_t first_ns = UINT64_MAX, last_ns = 0;
    for (size_t i = 0; i < f->n_parts; i++) {
        const struct gs_evidence *e = &f->parts[i]->e;
        for (size_t k = 0; f->is_member[i] && k < e->n_turns; k++) {
            first_ns = e->turns[k].asked_ns < first_ns ? e->turns[k].asked_ns : first_ns;
            last_ns = e->turns[k].rel_ns > last_ns ? e->turns[k].rel_ns : last_ns;
        }
    }
    return last_ns > first_ns ? last_ns - first_ns : 0;
}

/* ---- as they are ---- */

/* 0: nobody could go on. */
static uint64_t replay_as_is(const struct gs_capture_program *c,
                             const struct gs_whatif_options *options, uint32_t cores)
{
    struct gs__model m = gs__model_of(options);
    struct gs__draw d = {.cap_q16 = gs_xmalloc(cores, sizeof(uint32_t))};
    struct gs_replay *replay = gs_replay_open(&c->program);
    struct gs_replay_result result;
    gs__draw_median(&d, &m, cores);
    d.params.slice_ns = 0; /* in slices some came to a standstill that was not in the recording */
    d.params.s_q16 = GS_Q16(1);
    gs_replay_run(replay, &d.params, &result);
    gs_replay_close(replay);
    free(d.cap_q16);
    return result.deadlock ? 0 : result.makespan_ns;
}

/* ---- what is against a number ---- */

static char *against_members(const struct family *f)
{
    for (size_t i = 0; i < f->n_parts; i++) {
        const struct gs_part *p = f->parts[i];
        if (p->root != f->root || !can_be_member(p))
            continue;
        char *why = gs__against_recording(&p->r, &p->e);
        if (why) {
            char *text = gs_xasprintf("process %u: %s", p->r.pid, why);
            free(why);
            return text;
        }
        if (p->parent != GS_NO_PART && !f->is_member[p->parent])
            return gs_xasprintf("process %u was made by one of which nothing is known, a fork "
                                "server maybe: what it waited for is not known",
                                p->r.pid);
    }
    return NULL;
}

static char *against(const struct family *f, const struct gs_capture_program *c,
                     const struct gs_merged *m, uint64_t recorded_cores_ns)
{
    char *why = against_members(f);
    if (why)
        return why;
    if (f->unmatched_ns > c->thread_ns / UNKNOWN_PART)
        return gs_xasprintf("for %s of their threads' time they waited for each other, in pipes, "
                            "queues or for an end, and who ended the wait is not known",
                            gs_fmt_percent(f->unmatched_ns, c->thread_ns).s);
    if (c->unknown_ns > c->thread_ns / UNKNOWN_PART)
        return gs_xasprintf(
            "for %s of their threads' time off the GIL it is not known whether they "
            "computed or waited",
            gs_fmt_percent(c->unknown_ns, c->thread_ns).s);
    if (m->replayed_ns == 0 || recorded_cores_ns == 0)
        return gs_xasprintf("replayed as they are, the processes would wait for each other for "
                            "ever: something that they tell each other is not in the captures");
    if (recorded_cores_ns > m->wall_ns + m->wall_ns / 4)
        return gs_xasprintf("replayed as they are, they would take %s in place of %s",
                            gs_fmt_ns(recorded_cores_ns).s, gs_fmt_ns(m->wall_ns).s);
    if (m->wall_ns > 4 * recorded_cores_ns)
        return gs_xasprintf("the machine was busy: they took %s, for what takes %s",
                            gs_fmt_ns(m->wall_ns).s, gs_fmt_ns(recorded_cores_ns).s);
    return NULL;
}

/* ---- all of it ---- */

/* A batch; what its threads waited for in the recording is not asked of it. */
static void make_batch(struct gs_capture_program *c, uint64_t wall_ns)
{
    c->kind = GS_KIND_BATCH;
    c->wall_ns = c->base_ns = c->whole_ns = wall_ns;
    c->blocked_on_ns = gs_xcalloc(c->program.n_objects + 1, sizeof(*c->blocked_on_ns));
}

static void estimate(struct family *f, struct gs_whatif_options *options,
                     struct gs_sweeper *sweeper, struct gs_capture_program *as_is,
                     struct gs_capture_program *c, struct gs_merged *out)
{
    uint64_t then_ns = replay_as_is(as_is, options, gs__machine_cores(&f->parts[f->root]->r));
    out->wall_ns = recorded_wall(f);
    out->replayed_ns = replay_as_is(as_is, options, options->cores);
    out->why_not = against(f, as_is, out, then_ns);
    out->n_threads = c->n_threads;
    out->matched = f->matched;
    out->unmatched_ns = f->unmatched_ns;
    make_batch(c, out->replayed_ns ? out->replayed_ns : out->wall_ns);
    /* How far the replay of what is differs from what was is how far to doubt the other one. */
    c->no_core_ns = then_ns > out->wall_ns ? then_ns - out->wall_ns : out->wall_ns - then_ns;
    out->has_program = true;
    gs_whatif_estimate(c, out->why_not, options, sweeper, &out->prediction);
}

void gs_merge(struct gs_part *const *parts, size_t n, const struct gs_whatif_options *options,
              struct gs_sweeper *sweeper, struct gs_merged *out)
{
    struct family f = {.parts = parts, .n_parts = n};
    struct gs_capture_program as_is = {0}, c = {0};
    struct gs_whatif_options mine = *options;
    memset(out, 0, sizeof(*out));
    choose(&f);
    if (f.n_members >= 2) {
        out->n_processes = f.n_members;
        for (size_t i = 0; i < n; i++)
            out->n_others += parts[i]->root != f.root;
        if (!mine.cores)
            mine.cores = gs__machine_cores(&parts[f.root]->r);
        const char *why = NULL;
        if (f.n_with_rows < f.n_members)
            out->why_not = against_members(&f);
        else
            why = make_program(&f, false, &as_is);
        if (!why && !out->why_not)
            why = make_program(&f, true, &c);
        if (why)
            out->why_not = gs_xasprintf("%s", why);
        else if (!out->why_not)
            estimate(&f, &mine, sweeper, &as_is, &c, out);
        gs_capture_program_free(&as_is);
        gs_capture_program_free(&c);
    }
    free(f.is_member);
}

void gs_merge_too_long(size_t n_processes, struct gs_merged *out)
{
    memset(out, 0, sizeof(*out));
    out->n_processes = n_processes;
    out->why_not = gs_xasprintf("they have more than %s rows; record a shorter stretch: run -d "
                                "SECONDS",
                                gs_fmt_count(GS_EVIDENCE_MOST_ROWS).s);
}

void gs_merged_free(struct gs_merged *m)
{
    free(m->why_not);
    gs_whatif_free(&m->prediction);
    memset(m, 0, sizeof(*m));
}

void gs_part_free(struct gs_part *p)
{
    gs_evidence_free(&p->e);
    gs_recording_free(&p->r);
    gs_stacks_free(&p->stacks);
    gs_acts_free(&p->more);
    free(p);
}
