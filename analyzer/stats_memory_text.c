/* SPDX-License-Identifier: MIT
 * Memory in the terminal summary: what is resident, what arenas hold, whose blocks keep them.
 */
#include <stdlib.h>

#include "analyzer/fmt_units.h"
#include "analyzer/memory_totals.h"
#include "analyzer/stats_text.h"
#include "analyzer/xalloc.h"

#define MAX_PROCESSES 3
#define MAX_CLASSES   5

/* ---- what is resident ---- */

static void put_part(const struct gs_text *t, const char *sign, uint64_t bytes, uint64_t of,
                     const char *what)
{
    char *size = gs_xasprintf("%s%s", sign, gs_fmt_bytes(bytes).s);
    fprintf(t->out, " %11s %6s  %s\n", size, gs_fmt_percent(bytes, of).s, what);
    free(size);
}

static void put_resident(const struct gs_text *t, const struct gs_prof_memory *m)
{
    int64_t rest = m->unexplained_bytes;
    if (!m->has_maps)
        return;
    gs_text_line(t,
                 gs_xasprintf("%s resident after %s; %s with shared pages counted in part (PSS), "
                              "%s of its own (USS).",
                              gs_fmt_bytes(m->rss_bytes).s, gs_fmt_ns(m->maps_t_ns).s,
                              gs_fmt_bytes(m->pss_bytes).s, gs_fmt_bytes(m->uss_bytes).s));
    fprintf(t->out, " %s%11s %6s  what is resident%s\n", gs_text_style(t, DIM), "size", "share",
            gs_text_style(t, RESET));
    for (size_t i = 0; i < GS_N_EXPLAINED; i++)
        if (m->explained[i])
            put_part(t, "", m->explained[i], m->rss_bytes, gs_explained_texts[i]);
    if (rest)
        put_part(t, rest < 0 ? "-" : "", rest < 0 ? 0 - (uint64_t)rest : (uint64_t)rest,
                 m->rss_bytes, rest < 0 ? "unexplained: less is resident" : "unexplained");
    if (m->swap_bytes)
        gs_text_line(t, gs_xasprintf("%s more are swapped out.", gs_fmt_bytes(m->swap_bytes).s));
}

/* ---- arenas ---- */

static void put_arenas(const struct gs_text *t, const struct gs_prof_memory *m)
{
    const struct gs_prof_memory_sample *s = gs_memory_last(m);
    if (m->no_arenas)
        gs_text_why(t, "no arenas", m->no_arenas);
    if (!s || !s->arenas)
        return;
    gs_text_line(
        t, gs_xasprintf("%s arena%s of %s after %s (at most %s): %s in use, %s free beside "
                        "them, %s (%s) free but pinned.",
                        gs_fmt_count(s->arenas).s, s->arenas == 1 ? "" : "s",
                        gs_fmt_bytes(s->arena_bytes).s, gs_fmt_ns(s->t_ns).s,
                        gs_fmt_bytes(m->samples[m->peak].arena_bytes).s,
                        gs_fmt_bytes(s->pool_used_bytes).s, gs_fmt_bytes(s->pool_free_bytes).s,
                        gs_fmt_bytes(s->pinned_free_bytes).s,
                        gs_fmt_percent(s->pinned_free_bytes, s->arena_bytes).s));
}

static uint64_t free_bytes(const struct gs_prof_size_class *c)
{
    return (c->blocks_total - c->blocks_used) * c->size_bytes;
}

static int by_free_bytes(const void *pa, const void *pb)
{
    const struct gs_prof_size_class *a = pa, *b = pb;
    if (free_bytes(a) != free_bytes(b))
        return free_bytes(a) > free_bytes(b) ? -1 : 1;
    return a->size_bytes < b->size_bytes ? -1 : a->size_bytes > b->size_bytes;
}

static void put_classes(const struct gs_text *t, const struct gs_prof_memory *m)
{
    struct gs_prof_size_class *all = gs_xmalloc(m->n_classes, sizeof(*all));
    for (size_t i = 0; i < m->n_classes; i++)
        all[i] = m->classes[i];
    if (m->n_classes) {
        qsort(all, m->n_classes, sizeof(*all), by_free_bytes);
        fprintf(t->out, " %s%11s %11s %13s %6s %11s%s\n", gs_text_style(t, DIM), "block size",
                "pools", "blocks in use", "share", "free", gs_text_style(t, RESET));
    }
    for (size_t i = 0; i < m->n_classes && i < MAX_CLASSES; i++)
        fprintf(t->out, " %11s %11s %13s %6s %11s\n", gs_fmt_bytes(all[i].size_bytes).s,
                gs_fmt_count(all[i].pools).s, gs_fmt_count(all[i].blocks_used).s,
                gs_fmt_percent(all[i].blocks_used, all[i].blocks_total).s,
                gs_fmt_bytes(free_bytes(&all[i])).s);
    free(all);
}

/* ---- whose blocks ---- */

static void put_alloc(const struct gs_text *t, const struct gs_profile *p, size_t process)
{
    const struct gs_prof_alloc *a = p->processes[process].memory->alloc;
    size_t n;
    if (!a)
        return;
    if (a->no_allocs)
        gs_text_why(t, "no samples of allocations", a->no_allocs);
    struct gs_prof_alloc_row *rows = gs_memory_top_pinners(p, process, &n);
    if (n)
        fprintf(t->out, " %s%11s %6s %11s  allocated at%s\n", gs_text_style(t, DIM), "pins",
                "share", "live", gs_text_style(t, RESET));
    for (size_t i = 0; i < n && i < t->top; i++) {
        fprintf(t->out, " %11s %6s %11s  ", gs_fmt_bytes(rows[i].pinned_bytes).s,
                gs_fmt_percent(rows[i].pinned_bytes, a->pinned_bytes).s,
                gs_fmt_bytes(rows[i].live_bytes).s);
        gs_text_stack(t, p, rows[i].node, t->width - 34);
    }
    free(rows);
    if (a->lost_allocs || a->lost_frees)
        gs_text_line(t, gs_xasprintf("Of %s samples %s were lost, and %s times that one was freed.",
                                     gs_fmt_count(a->samples).s, gs_fmt_count(a->lost_allocs).s,
                                     gs_fmt_count(a->lost_frees).s));
}

/* ---- all ---- */

static void put_job(const struct gs_text *t, const struct gs_memory_totals *job)
{
    gs_text_heading(t, "Memory of the job");
    gs_text_line(
        t, gs_xasprintf("%s processes: %s resident in sum; %s with shared pages counted "
                        "once (PSS), %s of single ones (USS); %s in arenas, of which %s in "
                        "use and %s (%s) free but "
                        "pinned.",
                        gs_fmt_count(job->processes).s, gs_fmt_bytes(job->rss_bytes).s,
                        gs_fmt_bytes(job->pss_bytes).s, gs_fmt_bytes(job->uss_bytes).s,
                        gs_fmt_bytes(job->arena_bytes).s, gs_fmt_bytes(job->pool_used_bytes).s,
                        gs_fmt_bytes(job->pinned_free_bytes).s,
                        gs_fmt_percent(job->pinned_free_bytes, job->arena_bytes).s));
}

static void put_process(const struct gs_text *t, const struct gs_profile *p, size_t process)
{
    const struct gs_prof_memory *m = p->processes[process].memory;
    char *heading = gs_xasprintf("Memory (pid %u)", p->processes[process].pid);
    gs_text_heading(t, heading);
    free(heading);
    put_resident(t, m);
    put_arenas(t, m);
    put_classes(t, m);
    put_alloc(t, p, process);
}

static uint64_t size_of(const struct gs_prof_memory *m)
{
    const struct gs_prof_memory_sample *last = gs_memory_last(m);
    return last ? last->rss_bytes : m->rss_bytes;
}

/* Of a recording that ended before the first look there is nothing to say. */
static bool says_something(const struct gs_prof_memory *m)
{
    return m && (size_of(m) || m->alloc || m->no_arenas);
}

struct ranked {
    size_t process;
    uint64_t bytes;
};

static int by_bytes(const void *pa, const void *pb)
{
    const struct ranked *a = pa, *b = pb;
    if (a->bytes != b->bytes)
        return a->bytes > b->bytes ? -1 : 1;
    return a->process < b->process ? -1 : a->process > b->process;
}

/* The largest processes; of a job their sum first. */
void gs_text_memory(const struct gs_text *t, const struct gs_profile *p)
{
    struct gs_memory_totals job = gs_memory_totals(p);
    struct ranked *all = gs_xmalloc(p->n_processes, sizeof(*all));
    size_t n = 0;
    for (size_t i = 0; i < p->n_processes; i++)
        if (says_something(p->processes[i].memory))
            all[n++] = (struct ranked){i, size_of(p->processes[i].memory)};
    if (n)
        qsort(all, n, sizeof(*all), by_bytes);
    if (n > 1)
        put_job(t, &job);
    for (size_t i = 0; i < n && i < MAX_PROCESSES; i++)
        put_process(t, p, all[i].process);
    if (n > MAX_PROCESSES)
        fprintf(t->out, " … and %zu more: see stats --json\n", n - MAX_PROCESSES);
    free(all);
}
