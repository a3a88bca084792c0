/* SPDX-License-Identifier: MIT
 * Columnar chunks -> rows of the engines. A chunk whose columns do not decode is damage: its rows
 * are counted as lost.
 */
#include <stdlib.h>
#include <string.h>

#include "analyzer/columns.h"
#include "analyzer/xalloc.h"

struct decoder {
    struct gs_recording *r;
    const struct gs_stacks *stacks;
    const struct gs_chunk_ref *c;
    uint64_t *scratch; /* column k at scratch + k * GS_CHUNK_MAX_ROWS */
    size_t n, hint;
};

static const uint64_t *col(const struct decoder *d, unsigned k)
{
    return d->scratch + (size_t)k * GS_CHUNK_MAX_ROWS;
}

static uint64_t to_ns(struct decoder *d, uint64_t ticks)
{
    return gs_clock_ns_hint(&d->r->clock, d->c->hdr.clock_epoch, ticks, &d->hint);
}

static uint64_t sub_sat(uint64_t a, uint64_t b)
{
    return a > b ? a - b : 0;
}

static uint32_t to_u32(uint64_t v)
{
    return v < UINT32_MAX ? (uint32_t)v : UINT32_MAX;
}

/* Rows of a chunk repeat few threads and stacks. Direct-mapped caches in front of the hash maps,
 * for one chunk; the key 0 is stored as 1 + key, so that empty entries match nothing. */
#define CACHE_SLOTS 1024u
struct cache {
    struct {
        uint64_t key_plus_1;
        uint32_t value;
    } slot[CACHE_SLOTS];
};

static uint32_t thread_of(struct decoder *d, struct cache *cache, uint64_t id64)
{
    uint32_t id = to_u32(id64);
    size_t at = id % CACHE_SLOTS;
    if (cache->slot[at].key_plus_1 != (uint64_t)id + 1) {
        cache->slot[at].value = gs_recording_thread(d->r, id);
        cache->slot[at].key_plus_1 = (uint64_t)id + 1;
    }
    return cache->slot[at].value;
}

static uint32_t actor_of(struct decoder *d, struct gs_gil_columns *g, struct cache *cache,
                         uint32_t thread, uint64_t stack)
{
    uint64_t key = gs_pack32(thread, to_u32(stack));
    size_t at = (stack * 31 + thread) % CACHE_SLOTS;
    if (cache->slot[at].key_plus_1 != key + 1) {
        uint32_t node = gs_definitions_node(&d->r->defs, d->stacks, stack);
        cache->slot[at].value = gs_idmap_add(&g->actors, gs_pack32(thread, node));
        cache->slot[at].key_plus_1 = key + 1;
    }
    return cache->slot[at].value;
}

static struct gs_gil_columns *gil_of(struct decoder *d)
{
    uint32_t id = d->c->hdr.gil == GS_NO_GIL ? 0 : d->c->hdr.gil;
    uint32_t idx = gs_recording_gil(d->r, id); /* may move gils[] */
    struct gs_gil_columns *g = &d->r->gils[idx];
    g->no_stack = d->stacks->no_stack;
    return g;
}

enum slice_col {
    S_SEQ,
    S_T_ACQ,
    S_THREAD,
    S_FLAGS,
    S_HOLD,
    S_HOLD_STACK,
    S_WAIT,
    S_WAIT_DS,
    S_WAIT_STACK
};

static void slice_times(struct decoder *d, size_t i, struct gs_slice *s)
{
    uint64_t t = col(d, S_T_ACQ)[i];
    s->acq_ns = to_ns(d, t);
    s->rel_ns = s->acq_ns;
    s->begin_ns = s->acq_ns;
    if (s->flags & GS_SLICE_TURN)
        s->rel_ns = to_ns(d, gs_add_sat(t, col(d, S_HOLD)[i]));
    if (s->flags & GS_SLICE_WAIT)
        s->begin_ns = to_ns(d, sub_sat(t, col(d, S_WAIT)[i]));
    gs_recording_saw(d->r, s->rel_ns);
}

/* A row whose halves the row before has given already would be dropped when halves are merged. A
 * chunk of 200 bytes can hold 4096 of them: they must not take memory until then. */
static bool is_said(const struct gs_gil_columns *g, const struct gs_slice *s)
{
    if (g->n_slices == 0)
        return false;
    const struct gs_slice *last = &g->slices[g->n_slices - 1];
    return last->seq == s->seq && (s->flags & ~last->flags & (GS_SLICE_TURN | GS_SLICE_WAIT)) == 0;
}

static void keep_slice(struct gs_gil_columns *g, const struct gs_slice *s)
{
    if (is_said(g, s))
        return;
    GS_RESERVE(g->slices, g->n_slices + 1, g->cap_slices);
    g->slices[g->n_slices++] = *s;
}

static void on_slices(struct decoder *d)
{
    struct gs_gil_columns *g = gil_of(d);
    struct cache *actors = gs_xcalloc(2, sizeof(*actors)), *threads = actors + 1;
    for (size_t i = 0; i < d->n; i++) {
        struct gs_slice s = {.seq = col(d, S_SEQ)[i], .flags = (uint32_t)col(d, S_FLAGS)[i]};
        s.thread = thread_of(d, threads, col(d, S_THREAD)[i]);
        if ((s.flags & (GS_SLICE_TURN | GS_SLICE_WAIT)) == 0)
            continue;
        slice_times(d, i, &s);
        s.hold_actor = actor_of(d, g, actors, s.thread,
                                s.flags & GS_SLICE_TURN ? col(d, S_HOLD_STACK)[i] : GS_STACK_NONE);
        if (s.flags & GS_SLICE_WAIT) {
            s.wait_actor = actor_of(d, g, actors, s.thread, col(d, S_WAIT_STACK)[i]);
            s.ds = to_u32(col(d, S_WAIT_DS)[i]);
        }
        keep_slice(g, &s);
    }
    free(actors);
}

enum hold_col { H_T_REL, H_THREAD, H_HOLD, H_WEIGHT, H_STACK };

static void on_hold_samples(struct decoder *d)
{
    struct gs_gil_columns *g = gil_of(d);
    for (size_t i = 0; i < d->n; i++) {
        uint32_t thread = gs_recording_thread(d->r, to_u32(col(d, H_THREAD)[i]));
        uint32_t node = gs_definitions_node(&d->r->defs, d->stacks, col(d, H_STACK)[i]);
        gs_summap_add(&g->weights, gs_pack32(thread, node), 0, to_u32(col(d, H_WEIGHT)[i]));
        gs_recording_saw(d->r, to_ns(d, col(d, H_T_REL)[i]));
    }
}

enum holder_col { P_SEQ, P_T, P_THREAD, P_KIND, P_STACK };

/* The same sample again says nothing, and might fill memory as above. */
static void keep_sample(struct gs_gil_columns *g, const struct gs_holder_sample *s)
{
    const struct gs_holder_sample *last = g->n_samples ? &g->samples[g->n_samples - 1] : NULL;
    if (last && last->seq == s->seq && last->t_ns == s->t_ns && last->actor == s->actor &&
        last->kind == s->kind)
        return;
    GS_PUSH(g->samples, g->n_samples, g->cap_samples, *s);
}

static void on_holder_samples(struct decoder *d)
{
    struct gs_gil_columns *g = gil_of(d);
    struct cache *actors = gs_xcalloc(2, sizeof(*actors)), *threads = actors + 1;
    for (size_t i = 0; i < d->n; i++) {
        struct gs_holder_sample s = {.seq = col(d, P_SEQ)[i], .kind = to_u32(col(d, P_KIND)[i])};
        if (col(d, P_STACK)[i] == GS_STACK_NONE)
            continue; /* the walk failed: it says nothing */
        s.t_ns = to_ns(d, col(d, P_T)[i]);
        s.actor =
            actor_of(d, g, actors, thread_of(d, threads, col(d, P_THREAD)[i]), col(d, P_STACK)[i]);
        keep_sample(g, &s);
    }
    free(actors);
}

enum edge_col { E_T_WAKE, E_BLOCKED, E_WAKEE, E_WAKER };

static void on_edges(struct decoder *d)
{
    for (size_t i = 0; i < d->n; i++) {
        uint32_t waker = to_u32(col(d, E_WAKER)[i]), wakee = to_u32(col(d, E_WAKEE)[i]);
        uint64_t t = col(d, E_T_WAKE)[i], t_ns = to_ns(d, t);
        uint64_t blocked = t_ns - to_ns(d, sub_sat(t, col(d, E_BLOCKED)[i]));
        gs_summap_add(&d->r->edges, gs_pack32(waker, wakee), blocked, 1);
        gs_recording_saw(d->r, t_ns);
    }
}

enum sched_col { C_T, C_THREAD, C_CPU, C_RUNQUEUE };

/* Cumulative since the thread began, in order of time. */
static void on_sched(struct decoder *d)
{
    for (size_t i = 0; i < d->n; i++) {
        uint32_t idx = gs_recording_thread(d->r, to_u32(col(d, C_THREAD)[i]));
        struct gs_rec_thread *t = &d->r->threads[idx];
        t->cpu_ns = col(d, C_CPU)[i];
        t->runqueue_ns = col(d, C_RUNQUEUE)[i];
        gs_recording_saw(d->r, to_ns(d, col(d, C_T)[i]));
    }
}

enum pools_col { M_T, M_ARENA, M_QUAD, M_CELLS };

static void on_pools(struct decoder *d)
{
    for (size_t i = 0; i < d->n; i++) {
        uint64_t t_ns = to_ns(d, col(d, M_T)[i]);
        gs_memory_add_pools(&d->r->memory, t_ns, col(d, M_ARENA)[i], col(d, M_QUAD)[i],
                            col(d, M_CELLS)[i]);
        gs_recording_saw(d->r, t_ns);
    }
}

enum alloc_col { A_T, A_ID, A_ADDRESS, A_BYTES, A_POINTS, A_DOMAIN, A_THREAD, A_STACK };

static void on_allocs(struct decoder *d)
{
    for (size_t i = 0; i < d->n; i++) {
        struct gs_rec_alloc row = {
            .id = col(d, A_ID)[i],
            .t_ns = to_ns(d, col(d, A_T)[i]),
            .address = col(d, A_ADDRESS)[i],
            .bytes = col(d, A_BYTES)[i],
            .points = col(d, A_POINTS)[i],
            .node = gs_definitions_node(&d->r->defs, d->stacks, col(d, A_STACK)[i]),
        };
        gs_memory_add_alloc(&d->r->memory, &row);
        gs_recording_saw(d->r, row.t_ns);
    }
}

enum free_col { F_T, F_ID };

static void on_frees(struct decoder *d)
{
    for (size_t i = 0; i < d->n; i++) {
        struct gs_rec_free row = {.id = col(d, F_ID)[i], .t_ns = to_ns(d, col(d, F_T)[i])};
        gs_memory_add_free(&d->r->memory, &row);
        gs_recording_saw(d->r, row.t_ns);
    }
}

enum cuda_col {
    U_T,
    U_SEQ,
    U_WHAT,
    U_THREAD,
    U_CONTEXT,
    U_RESULT,
    U_DURATION,
    U_BYTES,
    U_ADDRESS,
    U_STACK
};

static void on_cuda(struct decoder *d)
{
    for (size_t i = 0; i < d->n; i++) {
        uint64_t t = col(d, U_T)[i], what = col(d, U_WHAT)[i], bytes = col(d, U_BYTES)[i];
        uint64_t t_ns = to_ns(d, t), end_ns = to_ns(d, gs_add_sat(t, col(d, U_DURATION)[i]));
        struct gs_cuda_row row = {
            .seq = col(d, U_SEQ)[i],
            .t_ns = t_ns,
            .duration_ns = sub_sat(end_ns, t_ns),
            .bytes = bytes < GS_BYTES_MAX ? bytes : GS_BYTES_MAX,
            .address = col(d, U_ADDRESS)[i],
            .thread = to_u32(col(d, U_THREAD)[i]),
            .context = to_u32(col(d, U_CONTEXT)[i]),
            .result = to_u32(col(d, U_RESULT)[i]),
            .node = gs_definitions_node(&d->r->defs, d->stacks, col(d, U_STACK)[i]),
            .flags = (uint16_t)GS_CUDA_WHAT_FLAGS(what),
            .call = (uint16_t)GS_CUDA_WHAT_CALL(what),
            .op = (uint8_t)GS_CUDA_WHAT_OP(what),
            .kind = (uint8_t)GS_CUDA_WHAT_KIND(what),
        };
        gs_cuda_add_row(&d->r->cuda, &row);
        gs_recording_saw(d->r, t_ns + row.duration_ns);
    }
}

static bool decode(struct decoder *d)
{
    const struct gs_stream_desc *desc = gs_stream_desc(d->c->hdr.stream);
    d->n = d->c->hdr.n_rows;
    if (!desc || d->n > GS_CHUNK_MAX_ROWS || desc->n_cols > GS_CHUNK_MAX_COLS)
        return false;
    for (unsigned k = 0; k < desc->n_cols; k++)
        if (gs_chunk_decode_column(d->c->data, &d->c->hdr, k,
                                   d->scratch + (size_t)k * GS_CHUNK_MAX_ROWS) != GS_OK)
            return false;
    return true;
}

void gs__chunk_columns(struct gs_recording *r, const struct gs_stacks *s,
                       const struct gs_chunk_ref *c, uint64_t *scratch)
{
    static void (*const table[])(struct decoder *) = {
        [GS_STREAM_SLICE] = on_slices,
        [GS_STREAM_HOLD_SAMPLE] = on_hold_samples,
        [GS_STREAM_HOLDER_SAMPLE] = on_holder_samples,
        [GS_STREAM_EDGE] = on_edges,
        [GS_STREAM_SCHED] = on_sched,
        [GS_STREAM_POOLS] = on_pools,
        [GS_STREAM_ALLOC] = on_allocs,
        [GS_STREAM_FREE] = on_frees,
        [GS_STREAM_CUDA] = on_cuda,
    };
    struct decoder d = {.r = r, .stacks = s, .c = c, .scratch = scratch};
    if (c->hdr.stream >= sizeof(table) / sizeof(*table) || !table[c->hdr.stream])
        return;
    if (decode(&d)) {
        table[c->hdr.stream](&d);
    } else {
        r->damaged_chunks++;
        r->damaged_rows += c->hdr.n_rows < GS_CHUNK_MAX_ROWS ? c->hdr.n_rows : GS_CHUNK_MAX_ROWS;
    }
}
