/* SPDX-License-Identifier: MIT
 * What was recorded of a process's memory -> its part of the profile. No engine has a say in it.
 */
#include <stdlib.h>
#include <string.h>

#include "analyzer/alloc_live.h"
#include "analyzer/arena_map.h"
#include "analyzer/fmt_units.h"
#include "analyzer/profile_process.h"
#include "analyzer/xalloc.h"

#define MAX_SAMPLES 1000

struct builder {
    struct gs_recording *r;
    const struct gs_stacks *stacks;
    struct gs_profile *profile;
    uint32_t process;
    struct gs_prof_memory *out;
    struct gs_arena_replay replay;
    bool explained;
};

static uint64_t since_start(const struct gs_recording *r, uint64_t ns)
{
    return ns > r->start_ns ? ns - r->start_ns : 0;
}

static uint64_t distance(uint64_t a, uint64_t b)
{
    return a > b ? a - b : b - a;
}

/* ---- what is resident, explained ---- */

/* The HEAP record next to that time; of two as near, the one that says less is in use. */
static const struct gs_rec_heap *nearest_heap(const struct gs_memory_rows *m, uint64_t t_ns)
{
    const struct gs_rec_heap *best = NULL;
    for (size_t i = 0; i < m->n_heaps; i++) {
        const struct gs_rec_heap *h = &m->heaps[i];
        uint64_t far = distance(h->t_ns, t_ns), best_far = best ? distance(best->t_ns, t_ns) : 0;
        if (!best || far < best_far || (far == best_far && h->in_use_bytes < best->in_use_bytes))
            best = h;
    }
    return best;
}

static uint64_t nearest_chunk_bytes(const struct gs_memory_rows *m, uint64_t t_ns)
{
    const struct gs_rec_rss *best = NULL;
    for (size_t i = 0; i < m->n_rss; i++)
        if (!best || distance(m->rss[i].t_ns, t_ns) < distance(best->t_ns, t_ns))
            best = &m->rss[i];
    return best ? best->chunk_bytes : 0;
}

/* Blocks that were never written to are in use, but not resident: the mapping says how much is. */
static void explain_heap(uint64_t *parts, const struct gs_rec_heap *heap, uint64_t bytes)
{
    if (!heap) {
        parts[GS_EXPLAINED_HEAP] = bytes;
        return;
    }
    uint64_t in_use = heap->in_use_bytes < bytes ? heap->in_use_bytes : bytes;
    parts[GS_EXPLAINED_HEAP_IN_USE] = in_use;
    parts[GS_EXPLAINED_HEAP_RETAINED] = bytes - in_use;
}

static void explain_mappings(uint64_t *parts, const struct gs_rec_maps *maps)
{
    parts[GS_EXPLAINED_THREAD_HEAPS] = maps->kind_bytes[GS_MAP_THREAD_HEAPS];
    parts[GS_EXPLAINED_FILE] = maps->kind_bytes[GS_MAP_FILE];
    parts[GS_EXPLAINED_FILE_PRIVATE] = maps->kind_bytes[GS_MAP_FILE_PRIVATE];
    parts[GS_EXPLAINED_STACK] = maps->kind_bytes[GS_MAP_STACK];
    parts[GS_EXPLAINED_AGENT] = maps->kind_bytes[GS_MAP_AGENT];
    uint64_t other = maps->kind_bytes[GS_MAP_OTHER], stacks = parts[GS_EXPLAINED_FRAME_STACKS];
    parts[GS_EXPLAINED_OTHER] = other > stacks ? other - stacks : 0;
}

/* Pools that were never used have never been touched: they are not resident. */
static void explain_rss(struct builder *b)
{
    const struct gs_memory_rows *m = &b->r->memory;
    struct gs_arena_bytes arenas = gs_arena_bytes_of(b->replay.sums);
    uint64_t *parts = b->out->explained;
    parts[GS_EXPLAINED_ARENAS_USED] = arenas.used;
    parts[GS_EXPLAINED_ARENAS_FREE] = arenas.free + arenas.emptied;
    parts[GS_EXPLAINED_ARENAS_OVERHEAD] = arenas.overhead;
    parts[GS_EXPLAINED_FRAME_STACKS] = nearest_chunk_bytes(m, m->maps.t_ns);
    explain_heap(parts, nearest_heap(m, m->maps.t_ns), m->maps.kind_bytes[GS_MAP_HEAP]);
    explain_mappings(parts, &m->maps);
    b->out->unexplained_bytes = (int64_t)m->maps.rss_bytes; /* all of these are below 2^59 */
    for (size_t i = 0; i < GS_N_EXPLAINED; i++)
        b->out->unexplained_bytes -= (int64_t)parts[i];
}

static void put_maps(struct builder *b)
{
    const struct gs_rec_maps *maps = &b->r->memory.maps;
    b->out->has_maps = maps->seen;
    b->out->maps_t_ns = maps->seen ? since_start(b->r, maps->t_ns) : 0;
    b->out->rss_bytes = maps->rss_bytes;
    b->out->pss_bytes = maps->pss_bytes;
    b->out->anonymous_bytes = maps->anonymous_bytes;
    b->out->uss_bytes = maps->uss_bytes;
    b->out->swap_bytes = maps->swap_bytes;
}

/* On the way the replay stops where the last MAPS record stands. */
static void go_to(struct builder *b, uint64_t t_ns)
{
    const struct gs_rec_maps *maps = &b->r->memory.maps;
    if (maps->seen && !b->explained && maps->t_ns <= t_ns) {
        gs_arena_replay_to(&b->replay, maps->t_ns);
        explain_rss(b);
        b->explained = true;
    }
    gs_arena_replay_to(&b->replay, t_ns);
}

/* ---- samples ---- */

static struct gs_prof_memory_sample sample_of(struct builder *b, const struct gs_rec_rss *rss)
{
    struct gs_arena_bytes arenas = gs_arena_bytes_of(b->replay.sums);
    return (struct gs_prof_memory_sample){
        .t_ns = since_start(b->r, rss->t_ns),
        .arenas = rss->arenas,
        .arena_bytes = rss->arena_bytes,
        .pool_used_bytes = arenas.used,
        .pool_free_bytes = arenas.free,
        .pinned_free_bytes = gs_arena_pinned(&arenas),
        .rss_bytes = rss->rss_bytes,
        .file_rss_bytes = rss->file_rss_bytes,
        .chunk_bytes = rss->chunk_bytes,
    };
}

static size_t peak_of(const struct gs_memory_rows *m)
{
    size_t peak = 0;
    for (size_t i = 1; i < m->n_rss; i++)
        if (m->rss[i].arena_bytes > m->rss[peak].arena_bytes)
            peak = i;
    return peak;
}

/* Every step-th, the last one and the peak: MAX_SAMPLES at most. */
static void put_samples(struct builder *b)
{
    const struct gs_memory_rows *m = &b->r->memory;
    size_t n = m->n_rss, peak = peak_of(m), step = n <= MAX_SAMPLES ? 1 : n / (MAX_SAMPLES - 2) + 1;
    b->out->samples = gs_xcalloc(n < MAX_SAMPLES ? n : MAX_SAMPLES, sizeof(*b->out->samples));
    for (size_t i = 0; i < n; i++) {
        if (i % step != 0 && i != n - 1 && i != peak)
            continue;
        go_to(b, m->rss[i].t_ns);
        if (i == peak)
            b->out->peak = b->out->n_samples;
        b->out->samples[b->out->n_samples++] = sample_of(b, &m->rss[i]);
    }
}

static void put_classes(struct builder *b)
{
    b->out->classes = gs_xcalloc(GS_POOL_CLASSES, sizeof(*b->out->classes));
    for (unsigned c = 1; c <= GS_POOL_CLASSES && b->out->n_samples; c++) {
        const struct gs_pool_sums *s = &b->replay.sums[c];
        if (s->pools)
            b->out->classes[b->out->n_classes++] =
                (struct gs_prof_size_class){16 * c, s->pools, s->blocks_used, s->blocks_total};
    }
}

static bool has_allocs(const struct gs_memory_rows *m)
{
    return m->alloc_state.seen || m->n_alloc_rows || m->n_free_rows || m->no_allocs;
}

static void append_allocs(struct builder *b)
{
    const struct gs_memory_rows *m = &b->r->memory;
    struct gs_profile *p = b->profile;
    size_t n;
    if (!has_allocs(m))
        return;
    go_to(b, m->live_ns);
    b->out->alloc = gs_xcalloc(1, sizeof(*b->out->alloc));
    struct gs_prof_alloc_row *rows =
        gs_alloc_live(m, &b->replay, b->stacks->not_sampled, b->out->alloc, &n);
    p->alloc_rows = gs_xrealloc(p->alloc_rows, p->n_alloc_rows + n, sizeof(*rows));
    for (size_t i = 0; i < n; i++) {
        rows[i].process = b->process;
        p->alloc_rows[p->n_alloc_rows++] = rows[i];
    }
    free(rows);
    b->out->alloc->no_allocs = b->r->memory.no_allocs;
    b->r->memory.no_allocs = NULL;
}

/* ---- the map, notes ---- */

static void append_map(struct builder *b)
{
    struct gs_profile *p = b->profile;
    struct gs_prof_arena_map map;
    if (!gs_arena_map_make(b->r, b->stacks, &b->replay, &map))
        return;
    map.process = b->process;
    p->arena_maps = gs_xrealloc(p->arena_maps, p->n_arena_maps + 1, sizeof(map));
    p->arena_maps[p->n_arena_maps++] = map;
}

/* Arenas that have no record are counted in MEMORY all the same. */
static bool has_arenas(const struct gs_memory_rows *m)
{
    for (size_t i = 0; i < m->n_arenas; i++)
        if (m->arenas[i].defined)
            return true;
    for (size_t i = 0; i < m->n_rss; i++)
        if (m->rss[i].arenas)
            return true;
    return m->homeless_pools > 0;
}

static void add_notes(struct gs_recording *r)
{
    const struct gs_memory_rows *m = &r->memory;
    const struct gs_rec_rss *last = m->n_rss ? &m->rss[m->n_rss - 1] : NULL;
    if (m->no_arenas && has_arenas(m))
        gs_recording_note(r, "memory: not all arenas are recorded: %s", m->no_arenas);
    if (m->homeless_pools)
        gs_recording_note(r, "memory: the records of some arenas are missing: what their pools "
                             "hold is left out");
    if (last && last->arenas_untracked)
        gs_recording_note(r,
                          "memory: %s arenas more than the agent can follow: what their pools "
                          "hold is left out",
                          gs_fmt_count(last->arenas_untracked).s);
    if (last && last->arenas_unread)
        gs_recording_note(r,
                          "memory: %s of %s arenas had not been read for some time at the end: "
                          "what they hold may be older",
                          gs_fmt_count(last->arenas_unread).s, gs_fmt_count(last->arenas).s);
    if (m->n_alloc_rows && !m->alloc_state.mean_bytes)
        gs_recording_note(r, "memory: the record that says how many bytes a sample of allocations "
                             "stands for is missing: live bytes are not known");
    if (m->n_alloc_rows && r->detail_ns)
        gs_recording_note(r, "memory: live blocks that were allocated before the detail are not "
                             "among the samples");
}

void gs_memory_build(struct gs_recording *r, const struct gs_stacks *stacks,
                     struct gs_profile *profile, struct gs_prof_process *out)
{
    struct builder b = {.r = r, .stacks = stacks, .profile = profile};
    if (!r->memory.seen)
        return;
    b.process = (uint32_t)(out - profile->processes);
    b.out = out->memory = gs_xcalloc(1, sizeof(*out->memory));
    gs_memory_rows_sort(&r->memory);
    gs_arena_replay_open(&b.replay, &r->memory);
    put_maps(&b);
    put_samples(&b);
    put_classes(&b);
    append_allocs(&b);
    go_to(&b, GS_NEVER_NS - 1);
    append_map(&b);
    gs_arena_replay_close(&b.replay);
    add_notes(r);
    if (!has_arenas(&r->memory)) {
        b.out->no_arenas = r->memory.no_arenas;
        r->memory.no_arenas = NULL;
    }
}

void gs_memory_free(struct gs_prof_memory *m)
{
    if (!m)
        return;
    free(m->samples);
    free(m->classes);
    free(m->no_arenas);
    if (m->alloc)
        free(m->alloc->no_allocs);
    free(m->alloc);
    free(m);
}
