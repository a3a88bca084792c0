/* SPDX-License-Identifier: MIT
 * Findings about memory that is free but not given back: how much, and whose blocks keep it.
 * Thresholds stand beside each rule.
 */
#include <stdlib.h>
#include <string.h>

#include "analyzer/findings.h"
#include "analyzer/fmt_units.h"
#include "analyzer/idmap.h"
#include "analyzer/memory_totals.h"
#include "analyzer/xalloc.h"

#define MIB        (UINT64_C(1) << 20)
#define NOTICEABLE (8 * MIB) /* below it nobody would look */

static char *copy(const char *s)
{
    return gs_xstrndup(s, strlen(s));
}

/* ---- whose blocks ---- */

struct pinner {    /* a line of code */
    uint32_t node; /* the stack of it that pins most; 0: nobody is known */
    uint64_t node_bytes, bytes, blocks;
};

static void add_row(struct pinner *line, const struct gs_prof_alloc_row *row, uint32_t node)
{
    line->bytes += row->pinned_bytes;
    line->blocks += row->live_blocks;
    if (line->node && row->pinned_bytes <= line->node_bytes)
        return;
    line->node = node;
    line->node_bytes = row->pinned_bytes;
}

/* The line whose blocks pin most in the process. */
static struct pinner worst_pinner(const struct gs_profile *p, size_t process)
{
    size_t n;
    const struct gs_prof_alloc_row *rows = gs_memory_alloc_rows(p, process, &n);
    struct pinner *lines = gs_xcalloc(n, sizeof(*lines)), worst = {0};
    struct gs_idmap frames = {0};
    for (size_t i = 0; i < n; i++) {
        uint32_t node = gs_profile_python_node(p, rows[i].node);
        if (gs_profile_is_code(p, node))
            add_row(&lines[gs_idmap_add(&frames, p->nodes[node].frame)], &rows[i], node);
    }
    for (size_t i = 0; i < frames.n; i++)
        if (lines[i].bytes > worst.bytes)
            worst = lines[i];
    gs_idmap_free(&frames);
    free(lines);
    return worst;
}

/* "; 63 % of it by 1,204 blocks allocated at cache.py:88" */
static char *pinner_text(const struct gs_profile *p, size_t process, const struct pinner *who)
{
    if (!who->node)
        return copy("");
    const struct gs_prof_frame *f = &p->frames[p->nodes[who->node].frame];
    char *file = gs_fmt_safe(gs_fmt_basename(*f->file ? f->file : f->module), 60);
    char *out = gs_xasprintf(
        "; %s of it by %s block%s allocated at %s:%d",
        gs_fmt_percent(who->bytes, p->processes[process].memory->alloc->pinned_bytes).s,
        gs_fmt_count(who->blocks).s, who->blocks == 1 ? "" : "s", file, f->line);
    free(file);
    return out;
}

static char *what_to_do(const struct gs_prof_alloc *alloc, const struct pinner *who)
{
    if (who->node)
        return copy("An arena goes back to the system when its last block is freed: free these "
                    "blocks, make what lives long before what dies soon, or do the work that needs "
                    "much memory in a process of its own.");
    if (alloc && alloc->no_allocs) {
        char *why = gs_fmt_safe(alloc->no_allocs, 100);
        char *out = gs_xasprintf("Which code owns the blocks is not known, as allocations were not "
                                 "sampled: %s.",
                                 why);
        free(why);
        return out;
    }
    if (alloc)
        return copy("No sampled block lies in these arenas: record for longer with --alloc to see "
                    "which code owns the blocks.");
    return copy("record again with --alloc to see which code owns the blocks");
}

/* ---- 1. free but pinned: a quarter of the arenas, and 8 MiB. high: half, and 64 MiB ---- */

static bool is_pinned(const struct gs_prof_memory_sample *s)
{
    return s && s->arena_bytes && s->pinned_free_bytes >= NOTICEABLE &&
           s->pinned_free_bytes >= s->arena_bytes / 4;
}

/* The process with most of it; -1: none has enough. */
static int64_t most_pinned(const struct gs_profile *p)
{
    int64_t found = -1;
    uint64_t most = 0;
    for (size_t i = 0; i < p->n_processes; i++) {
        const struct gs_prof_memory_sample *s = gs_memory_last(p->processes[i].memory);
        if (!is_pinned(s) || s->pinned_free_bytes <= most)
            continue;
        most = s->pinned_free_bytes;
        found = (int64_t)i;
    }
    return found;
}

/* "Process 42: " where there are several. */
static char *process_text(const struct gs_profile *p, int64_t process)
{
    return p->n_processes > 1 ? gs_xasprintf("Process %u: ", p->processes[process].pid) : copy("");
}

static size_t find_pinned(const struct gs_profile *p, struct gs_finding *found)
{
    int64_t process = most_pinned(p);
    if (process < 0)
        return 0;
    const struct gs_prof_memory *m = p->processes[process].memory;
    const struct gs_prof_memory_sample *s = gs_memory_last(m);
    struct pinner who = worst_pinner(p, (size_t)process);
    char *where = process_text(p, process), *whose = pinner_text(p, (size_t)process, &who);
    bool high = s->pinned_free_bytes >= s->arena_bytes / 2 && s->pinned_free_bytes >= 64 * MIB;
    *found = (struct gs_finding){
        .id = "memory-pinned",
        .severity = high ? GS_SEV_HIGH : GS_SEV_MEDIUM,
        .claim = gs_xasprintf("%s%s of %s in arenas is free but pinned%s.", where,
                              gs_fmt_percent(s->pinned_free_bytes, s->arena_bytes).s,
                              gs_fmt_bytes(s->arena_bytes).s, whose),
        .suggestion = what_to_do(m->alloc, &who),
        .process = process,
        .thread = -1,
        .node = who.node ? (int64_t)who.node : -1,
        .bytes = s->pinned_free_bytes,
        .of_bytes = s->arena_bytes,
    };
    free(where);
    free(whose);
    return 1;
}

/* ---- 2. did not come back: half of what was in use at most is not, arenas fell by less than a
 * tenth ---- */

static uint64_t most_used(const struct gs_prof_memory *m)
{
    uint64_t most = 0;
    for (size_t i = 0; i < m->n_samples; i++)
        if (m->samples[i].pool_used_bytes > most)
            most = m->samples[i].pool_used_bytes;
    return most;
}

static bool did_not_come_back(const struct gs_prof_memory *m)
{
    const struct gs_prof_memory_sample *s = gs_memory_last(m);
    if (!s)
        return false;
    uint64_t peak_bytes = m->samples[m->peak].arena_bytes;
    return peak_bytes >= NOTICEABLE && s->arena_bytes > peak_bytes - peak_bytes / 10 &&
           s->pool_used_bytes < most_used(m) / 2;
}

static size_t find_peak(const struct gs_profile *p, struct gs_finding *found)
{
    size_t i = 0;
    while (i < p->n_processes && !did_not_come_back(p->processes[i].memory))
        i++;
    if (i == p->n_processes)
        return 0;
    const struct gs_prof_memory *m = p->processes[i].memory;
    const struct gs_prof_memory_sample *s = gs_memory_last(m);
    uint64_t peak_bytes = m->samples[m->peak].arena_bytes;
    char *where = process_text(p, (int64_t)i);
    *found = (struct gs_finding){
        .id = "memory-peak",
        .severity = GS_SEV_LOW,
        .claim =
            gs_xasprintf("%sMemory did not come back: of %s in use at most %s are left, but "
                         "arenas still take %s of %s.",
                         where, gs_fmt_bytes(most_used(m)).s, gs_fmt_bytes(s->pool_used_bytes).s,
                         gs_fmt_bytes(s->arena_bytes).s, gs_fmt_bytes(peak_bytes).s),
        .suggestion = copy("Python uses it again before it asks for more. To give it back, do what "
                           "needs that much in a process of its own, or in smaller parts."),
        .process = (int64_t)i,
        .thread = -1,
        .node = -1,
        .bytes = s->arena_bytes,
        .of_bytes = peak_bytes,
    };
    free(where);
    return 1;
}

size_t gs_findings_of_memory(const struct gs_profile *p,
                             struct gs_finding found[GS_MEMORY_FINDINGS])
{
    size_t n = find_pinned(p, found);
    return n + find_peak(p, found + n);
}
