/* SPDX-License-Identifier: MIT */
#include "analyzer/arena_map.h"

#include <stdlib.h>
#include <string.h>

#include "analyzer/xalloc.h"

#define MAX_SNAPSHOTS 40
#define MAX_ARENAS    2000
#define MAX_CELLS     (3000000 / (2 * GS_PROF_ARENA_POOLS)) /* 3 MB, in all maps together */
#define LEFT_OUT      UINT32_MAX

static const size_t fewer_snapshots[] = {20, 10, 5, 3, 2};
#define N_FEWER (sizeof(fewer_snapshots) / sizeof(*fewer_snapshots))

/* ---- which arenas ---- */

struct candidate {
    const struct gs_rec_arena *arena;
    uint32_t at; /* in the recording */
    uint64_t worst_pinned;
};

static int by_worst(const void *pa, const void *pb)
{
    const struct candidate *a = pa, *b = pb;
    if (a->worst_pinned != b->worst_pinned)
        return a->worst_pinned > b->worst_pinned ? -1 : 1;
    return a->arena->id < b->arena->id ? -1 : a->arena->id > b->arena->id;
}

static int by_address(const void *pa, const void *pb)
{
    const struct gs_rec_arena *a = ((const struct candidate *)pa)->arena;
    const struct gs_rec_arena *b = ((const struct candidate *)pb)->arena;
    if (a->address != b->address)
        return a->address < b->address ? -1 : 1;
    return a->id < b->id ? -1 : a->id > b->id;
}

/* The worst ones, by address; *n_out > 0 of them. */
static struct candidate *choose(const struct gs_arena_replay *whole, size_t *n_out, size_t *left)
{
    const struct gs_memory_rows *m = whole->rows;
    struct candidate *all = gs_xmalloc(whole->n_events, sizeof(*all));
    size_t n = whole->n_events;
    for (size_t i = 0; i < n; i++) {
        uint32_t at = whole->births[i];
        all[i] = (struct candidate){&m->arenas[at], at, whole->arenas[at].worst_pinned};
    }
    *n_out = n < MAX_ARENAS ? n : MAX_ARENAS;
    *left = n - *n_out;
    qsort(all, n, sizeof(*all), by_worst);
    qsort(all, *n_out, sizeof(*all), by_address);
    return all;
}

static uint64_t since_start(const struct gs_recording *r, uint64_t ns)
{
    return ns > r->start_ns ? ns - r->start_ns : 0;
}

static struct gs_prof_arena describe(const struct gs_recording *r, const struct gs_stacks *stacks,
                                     const struct gs_rec_arena *a)
{
    uint32_t node = gs_definitions_node(&r->defs, stacks, a->stack);
    return (struct gs_prof_arena){
        .id = a->id,
        .pools = a->n_pools,
        .node = node == stacks->no_stack ? 0 : node,
        .address = a->address,
        .bytes = a->bytes,
        .born_ns = since_start(r, a->born_ns),
        .died_ns = a->died_ns == GS_NEVER_NS ? -1 : (int64_t)since_start(r, a->died_ns),
    };
}

/* ---- snapshots ---- */

struct last_cells { /* of one arena, as the map has said them last */
    bool said;
    uint16_t cells[GS_PROF_ARENA_POOLS];
};

static void begin_snapshot(struct gs_prof_arena_map *m, uint64_t t_ns)
{
    struct gs_prof_snapshot s = {.t_ns = t_ns, .first = m->n_cells};
    GS_PUSH(m->snapshots, m->n_snapshots, m->cap_snapshots, s);
}

static void say_cells(struct gs_prof_arena_map *m, struct last_cells *last, uint32_t arena,
                      const uint16_t *cells)
{
    struct gs_prof_cells c = {.arena = arena};
    memcpy(c.cells, cells, sizeof(c.cells));
    if (last->said && memcmp(last->cells, cells, sizeof(c.cells)) == 0)
        return;
    last->said = true;
    memcpy(last->cells, cells, sizeof(c.cells));
    GS_PUSH(m->cells, m->n_cells, m->cap_cells, c);
    m->snapshots[m->n_snapshots - 1].n++;
}

static int by_arena(const void *pa, const void *pb)
{
    const struct gs_prof_cells *a = pa, *b = pb;
    return a->arena < b->arena ? -1 : a->arena > b->arena;
}

static void end_snapshot(struct gs_prof_arena_map *m)
{
    const struct gs_prof_snapshot *s = &m->snapshots[m->n_snapshots - 1];
    if (s->n)
        qsort(m->cells + s->first, s->n, sizeof(*m->cells), by_arena);
}

/* Times of MEMORY records, evenly spread: of each fortieth the last one before it ends. */
static size_t choose_times(const struct gs_recording *r, uint64_t times[MAX_SNAPSHOTS])
{
    const struct gs_rec_rss *rss = r->memory.rss;
    size_t n = 0, at = 0, n_rss = r->memory.n_rss;
    if (n_rss == 0) {
        times[0] = r->end_ns;
        return 1;
    }
    uint64_t first = rss[0].t_ns, span = rss[n_rss - 1].t_ns - first;
    for (unsigned i = 0; i < MAX_SNAPSHOTS; i++) {
        uint64_t part = (uint64_t)((unsigned __int128)span * i / (MAX_SNAPSHOTS - 1));
        while (at + 1 < n_rss && rss[at + 1].t_ns <= first + part)
            at++;
        if (n == 0 || times[n - 1] != rss[at].t_ns)
            times[n++] = rss[at].t_ns;
    }
    return n;
}

/* place: recorded arena -> the map's, or LEFT_OUT. */
static void take_snapshots(const struct gs_recording *r, const uint32_t *place,
                           struct gs_prof_arena_map *m)
{
    uint64_t times[MAX_SNAPSHOTS];
    struct last_cells *last = gs_xcalloc(m->n_arenas, sizeof(*last));
    struct gs_arena_replay replay;
    size_t n = choose_times(r, times);
    gs_arena_replay_open(&replay, &r->memory);
    for (size_t i = 0; i < n; i++) {
        gs_arena_replay_to(&replay, times[i]);
        begin_snapshot(m, since_start(r, times[i]));
        for (size_t k = 0; k < replay.n_changed; k++) {
            uint32_t arena = replay.changed[k];
            if (place[arena] != LEFT_OUT && replay.arenas[arena].lives)
                say_cells(m, &last[place[arena]], place[arena], replay.arenas[arena].cells);
        }
        end_snapshot(m);
        gs_arena_replay_seen(&replay);
    }
    gs_arena_replay_close(&replay);
    free(last);
}

/* ---- fewer of them ---- */

static bool lives_at(const struct gs_prof_arena *a, uint64_t t_ns)
{
    return a->died_ns < 0 || (uint64_t)a->died_ns > t_ns;
}

/* Keeps `keep` >= 2 snapshots, first and last among them; each says what changed since the last
 * one that is kept. */
static void thin(struct gs_prof_arena_map *m, size_t keep)
{
    if (m->n_snapshots <= keep)
        return;
    struct gs_prof_arena_map out = *m;
    struct last_cells *now = gs_xcalloc(m->n_arenas, sizeof(*now));
    struct last_cells *last = gs_xcalloc(m->n_arenas, sizeof(*last));
    out.snapshots = NULL;
    out.cells = NULL;
    out.n_snapshots = out.cap_snapshots = out.n_cells = out.cap_cells = 0;
    for (size_t i = 0, kept = 0; i < m->n_snapshots; i++) {
        const struct gs_prof_snapshot *s = &m->snapshots[i];
        for (size_t k = s->first; k < s->first + s->n; k++) {
            now[m->cells[k].arena].said = true;
            memcpy(now[m->cells[k].arena].cells, m->cells[k].cells, sizeof(m->cells[k].cells));
        }
        if (i != kept * (m->n_snapshots - 1) / (keep - 1))
            continue;
        kept++;
        begin_snapshot(&out, s->t_ns);
        for (size_t a = 0; a < m->n_arenas; a++)
            if (now[a].said && lives_at(&m->arenas[a], s->t_ns))
                say_cells(&out, &last[a], (uint32_t)a, now[a].cells);
    }
    free(m->snapshots);
    free(m->cells);
    free(now);
    free(last);
    *m = out;
}

bool gs_arena_map_make(const struct gs_recording *r, const struct gs_stacks *stacks,
                       const struct gs_arena_replay *whole, struct gs_prof_arena_map *out)
{
    memset(out, 0, sizeof(*out));
    if (whole->n_events == 0)
        return false;
    struct candidate *chosen = choose(whole, &out->n_arenas, &out->left_out);
    uint32_t *place = gs_xmalloc(r->memory.n_arenas, sizeof(*place));
    out->arenas = gs_xcalloc(out->n_arenas, sizeof(*out->arenas));
    for (size_t i = 0; i < r->memory.n_arenas; i++)
        place[i] = LEFT_OUT;
    for (size_t i = 0; i < out->n_arenas; i++) {
        out->arenas[i] = describe(r, stacks, chosen[i].arena);
        place[chosen[i].at] = (uint32_t)i;
    }
    out->pool_bytes = chosen[0].arena->pool_bytes;
    take_snapshots(r, place, out);
    for (size_t i = 0; i < N_FEWER && out->n_cells > MAX_CELLS; i++)
        thin(out, fewer_snapshots[i]);
    free(chosen);
    free(place);
    return true;
}

static size_t count_cells(const struct gs_prof_arena_map *maps, size_t n)
{
    size_t cells = 0;
    for (size_t i = 0; i < n; i++)
        cells += maps[i].n_cells;
    return cells;
}

static void leave_out(struct gs_prof_arena_map *m)
{
    size_t left_out = m->left_out + m->n_arenas;
    gs_arena_map_free(m);
    m->left_out = left_out;
}

/* Where even two snapshots are too many, the processes that came last are left out. */
void gs_arena_maps_fit(struct gs_prof_arena_map *maps, size_t n)
{
    for (size_t k = 0; k < N_FEWER && count_cells(maps, n) > MAX_CELLS; k++)
        for (size_t i = 0; i < n; i++)
            thin(&maps[i], fewer_snapshots[k]);
    size_t cells = count_cells(maps, n);
    for (size_t i = n; i-- > 0 && cells > MAX_CELLS;) {
        cells -= maps[i].n_cells;
        leave_out(&maps[i]);
    }
}

/* What it is of stays. */
void gs_arena_map_free(struct gs_prof_arena_map *m)
{
    struct gs_prof_arena_map empty = {.process = m->process, .pool_bytes = m->pool_bytes};
    free(m->arenas);
    free(m->snapshots);
    free(m->cells);
    *m = empty;
}
