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

static struct gs_gil_columns *gil_of(struct decoder *d)
{
    uint32_t id = d->c->hdr.gil == GS_NO_GIL ? 0 : d->c->hdr.gil;
    uint32_t at = gs_recording_gil(d->r, id); /* may move gils[] */
    return &d->r->gils[at];
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

static enum gs_pools_use read_pools(struct decoder *d, size_t i, struct gs_rec_pools *out)
{
    out->t_ns = to_ns(d, col(d, M_T)[i]);
    out->cells = col(d, M_CELLS)[i];
    return gs_memory_pools_at(&d->r->memory, col(d, M_ARENA)[i], col(d, M_QUAD)[i], out);
}

static void on_pools(struct decoder *d)
{
    struct gs_memory_rows *m = &d->r->memory;
    uint64_t first = UINT64_MAX;
    m->seen = true;
    for (size_t i = 0; i < d->n; i++) {
        struct gs_rec_pools row;
        enum gs_pools_use use = read_pools(d, i, &row);
        gs_recording_saw(d->r, row.t_ns);
        m->homeless_pools += use == GS_POOLS_HOMELESS;
        if (use == GS_POOLS_USED && row.t_ns < first)
            first = row.t_ns;
    }
    if (first != UINT64_MAX)
        gs_row_stream_add(&m->pools, d->c, first);
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
        uint64_t t_ns = to_ns(d, col(d, F_T)[i]);
        gs_memory_add_free(&d->r->memory, col(d, F_ID)[i], t_ns);
        gs_recording_saw(d->r, t_ns);
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

static void read_cuda(struct decoder *d, size_t i, struct gs_cuda_row *out)
{
    uint64_t t = col(d, U_T)[i], what = col(d, U_WHAT)[i], bytes = col(d, U_BYTES)[i];
    uint64_t t_ns = to_ns(d, t), end_ns = to_ns(d, gs_add_sat(t, col(d, U_DURATION)[i]));
    *out = (struct gs_cuda_row){
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
}

static void on_cuda(struct decoder *d)
{
    uint64_t first = UINT64_MAX;
    for (size_t i = 0; i < d->n; i++) {
        struct gs_cuda_row row;
        read_cuda(d, i, &row);
        gs_recording_saw(d->r, row.t_ns + row.duration_ns);
        first = row.seq < first ? row.seq : first;
    }
    d->r->cuda.seen |= d->n > 0;
    if (d->n)
        gs_row_stream_add(&d->r->cuda.rows, d->c, first);
}

enum counted_col { N_T, N_THREAD, N_WHAT, N_COUNT, N_STACK };

static void on_counted(struct decoder *d)
{
    for (size_t i = 0; i < d->n; i++) {
        uint32_t node = gs_definitions_node(&d->r->defs, d->stacks, col(d, N_STACK)[i]);
        gs_counted_add(&d->r->counted, to_u32(col(d, N_WHAT)[i]), to_u32(col(d, N_THREAD)[i]), node,
                       col(d, N_COUNT)[i]);
        gs_recording_saw(d->r, to_ns(d, col(d, N_T)[i]));
    }
}

static bool decode(struct decoder *d)
{
    const struct gs_stream_desc *desc = gs_stream_desc(d->c->hdr.stream);
    struct gs_chunk_hdr h;
    d->n = d->c->hdr.n_rows;
    if (!desc || d->n > GS_CHUNK_MAX_ROWS || desc->n_cols > GS_CHUNK_MAX_COLS ||
        !gs_chunk_header(d->c, &h))
        return false;
    for (unsigned k = 0; k < desc->n_cols; k++)
        if (gs_chunk_decode_column(d->c->data, &h, k, d->scratch + (size_t)k * GS_CHUNK_MAX_ROWS) !=
            GS_OK)
            return false;
    return true;
}

/* ---- rows that stay where they are ---- */

static size_t decode_pools(const void *ctx, const struct gs_chunk_ref *c, uint32_t number,
                           uint64_t *scratch, void *out)
{
    const struct gs_row_context *x = ctx;
    struct decoder d = {.r = x->r, .stacks = x->stacks, .c = c, .scratch = scratch};
    struct gs_rec_pools *rows = out;
    size_t n = 0;
    (void)number;
    if (!decode(&d))
        return 0;
    for (size_t i = 0; i < d.n; i++)
        n += read_pools(&d, i, &rows[n]) == GS_POOLS_USED;
    return n;
}

static size_t decode_cuda(const void *ctx, const struct gs_chunk_ref *c, uint32_t number,
                          uint64_t *scratch, void *out)
{
    const struct gs_row_context *x = ctx;
    struct decoder d = {.r = x->r, .stacks = x->stacks, .c = c, .scratch = scratch};
    struct gs_cuda_row *rows = out;
    if (!decode(&d))
        return 0;
    for (size_t i = 0; i < d.n; i++) {
        read_cuda(&d, i, &rows[i]);
        rows[i].number = (uint64_t)number * GS_CHUNK_MAX_ROWS + i;
    }
    return d.n;
}

void gs__columns_begin(struct gs_recording *r, const struct gs_stacks *s)
{
    static const struct gs_row_kind pools = {sizeof(struct gs_rec_pools), decode_pools,
                                             gs_memory_pools_order, gs_memory_pools_is_said};
    static const struct gs_row_kind cuda = {sizeof(struct gs_cuda_row), decode_cuda,
                                            gs_cuda_row_order, gs_cuda_row_is_said};
    r->row_context = (struct gs_row_context){r, s};
    r->memory.pools = (struct gs_row_stream){.kind = &pools, .ctx = &r->row_context};
    r->cuda.rows = (struct gs_row_stream){.kind = &cuda, .ctx = &r->row_context};
    gs_memory_find_live_ns(&r->memory);
}

/* windows.h */
static void list_chunk(struct gs_chunk_list *list, const struct gs_chunk_ref *c)
{
    GS_PUSH(list->at, list->n, list->cap, c);
}

void gs__chunk_columns(struct gs_recording *r, const struct gs_stacks *s,
                       const struct gs_chunk_ref *c, uint64_t *scratch)
{
    static void (*const table[])(struct decoder *) = {
        [GS_STREAM_HOLD_SAMPLE] = on_hold_samples,
        [GS_STREAM_EDGE] = on_edges,
        [GS_STREAM_SCHED] = on_sched,
        [GS_STREAM_POOLS] = on_pools,
        [GS_STREAM_ALLOC] = on_allocs,
        [GS_STREAM_FREE] = on_frees,
        [GS_STREAM_CUDA] = on_cuda,
        [GS_STREAM_COUNTED] = on_counted,
    };
    struct decoder d = {.r = r, .stacks = s, .c = c, .scratch = scratch};
    if (c->hdr.stream == GS_STREAM_SLICE)
        list_chunk(&gil_of(&d)->slice_chunks, c);
    if (c->hdr.stream == GS_STREAM_HOLDER_SAMPLE)
        list_chunk(&gil_of(&d)->sample_chunks, c);
    if (c->hdr.stream >= sizeof(table) / sizeof(*table) || !table[c->hdr.stream])
        return;
    if (decode(&d)) {
        table[c->hdr.stream](&d);
    } else {
        r->damaged_chunks++;
        r->damaged_rows += gs_chunk_rows(c);
    }
    gs_chunk_forget(c);
}
