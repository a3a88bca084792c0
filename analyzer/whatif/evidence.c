/* SPDX-License-Identifier: MIT */
#include "analyzer/whatif/evidence.h"

#include <stdlib.h>
#include <string.h>

#include "analyzer/turns.h"
#include "analyzer/xalloc.h"

struct collector {
    struct gs_evidence *e;
    struct gs_recording *r;
    const struct gs_stacks *stacks;
    const struct gs_chunk_ref *c;
    uint64_t *scratch;
    size_t hint;
};

/* ---- the other streams ---- */

static const uint64_t *col(const struct collector *x, unsigned k)
{
    return x->scratch + (size_t)k * GS_CHUNK_MAX_ROWS;
}

static uint64_t to_ns(struct collector *x, uint64_t ticks)
{
    return gs_clock_ns_hint(&x->r->clock, x->c->hdr.clock_epoch, ticks, &x->hint);
}

static uint64_t before(uint64_t t, uint64_t span)
{
    return t > span ? t - span : 0;
}

static bool decode(struct collector *x)
{
    const struct gs_stream_desc *desc = gs_stream_desc(x->c->hdr.stream);
    struct gs_chunk_hdr h;
    if (x->c->state != GS_CHUNK_SOUND || x->c->hdr.n_rows > GS_CHUNK_MAX_ROWS ||
        !gs_chunk_header(x->c, &h))
        return false;
    for (unsigned k = 0; k < desc->n_cols; k++)
        if (gs_chunk_decode_column(x->c->data, &h, k, x->scratch + (size_t)k * GS_CHUNK_MAX_ROWS) !=
            GS_OK)
            return false;
    return true;
}

enum { E_T_WAKE, E_BLOCKED, E_WAKEE, E_WAKER, E_DELAY, E_WAKEE_STACK, E_WAKER_STACK, E_RESULT };

static void collect_edges(struct collector *x)
{
    struct gs_evidence *e = x->e;
    for (size_t i = 0; i < x->c->hdr.n_rows && !gs__evidence_is_full(e); i++) {
        uint64_t t = col(x, E_T_WAKE)[i], delay = col(x, E_DELAY)[i];
        if (col(x, E_WAKER)[i] >= GS_EDGE_NO_WAKER || !delay || col(x, E_RESULT)[i])
            continue;
        struct gs_edge_row row = {
            .began_ns = to_ns(x, before(t, col(x, E_BLOCKED)[i])),
            .wake_ns = to_ns(x, t),
            .post_ns = to_ns(x, before(t, delay)),
            .thread = gs_recording_thread(x->r, (uint32_t)col(x, E_WAKEE)[i]),
            .node = gs_definitions_node(&x->r->defs, x->stacks, col(x, E_WAKEE_STACK)[i]),
            .waker = gs_recording_thread(x->r, (uint32_t)col(x, E_WAKER)[i]),
        };
        GS_PUSH(e->edges, e->n_edges, e->cap_edges, row);
    }
}

enum { S_T, S_THREAD, S_OP, S_OBJECT, S_VALUE, S_STACK };

static bool is_number(uint64_t op)
{
    return op == GS_SYNC_CPU || op == GS_SYNC_RELEASED || op == GS_SYNC_PUT;
}

static void collect_syncs(struct collector *x)
{
    struct gs_evidence *e = x->e;
    for (size_t i = 0; i < x->c->hdr.n_rows && !gs__evidence_is_full(e); i++) {
        uint64_t t = col(x, S_T)[i], value = col(x, S_VALUE)[i], op = col(x, S_OP)[i];
        if (op == 0 || op > GS_SYNC_CPU || col(x, S_THREAD)[i] > UINT32_MAX)
            continue;
        uint64_t t_ns = to_ns(x, t);
        struct gs_sync_row row = {
            .t_ns = t_ns,
            .value = is_number(op) ? value : t_ns - to_ns(x, before(t, value)),
            .object = col(x, S_OBJECT)[i],
            .thread = gs_recording_thread(x->r, (uint32_t)col(x, S_THREAD)[i]),
            .node = gs_definitions_node(&x->r->defs, x->stacks, col(x, S_STACK)[i]),
            .op = (uint8_t)op,
        };
        GS_PUSH(e->syncs, e->n_syncs, e->cap_syncs, row);
    }
}

/* A chunk that does not decode was counted as damage when the recording was read. */
static void collect_chunk(struct collector *x)
{
    uint8_t stream = x->c->hdr.stream;
    if (stream != GS_STREAM_EDGE && stream != GS_STREAM_SYNC)
        return;
    if (!decode(x))
        x->e->lost_rows += gs_chunk_rows(x->c);
    else if (stream == GS_STREAM_EDGE)
        collect_edges(x);
    else
        collect_syncs(x);
    gs_chunk_forget(x->c);
}

/* ---- in order ---- */

#define BY_THREAD_AND(name, type, field)                                                           \
    static int name(const void *pa, const void *pb)                                                \
    {                                                                                              \
        const struct type *a = pa, *b = pb;                                                        \
        if (a->thread != b->thread)                                                                \
            return a->thread < b->thread ? -1 : 1;                                                 \
        return a->field < b->field ? -1 : a->field > b->field;                                     \
    }
BY_THREAD_AND(turn_order, gs_turn_row, acq_ns)
BY_THREAD_AND(sync_order, gs_sync_row, t_ns)
BY_THREAD_AND(edge_order, gs_edge_row, wake_ns)

/* Where each thread's rows begin; `size` bytes each, `thread` bytes into them its index. */
static size_t *find_threads(const void *rows, size_t n, size_t size, size_t thread,
                            size_t n_threads)
{
    size_t *from = gs_xcalloc(n_threads + 1, sizeof(*from));
    for (size_t i = 0; i < n; i++) {
        uint32_t t;
        memcpy(&t, (const char *)rows + i * size + thread, sizeof(t));
        from[t + 1]++;
    }
    for (size_t t = 0; t < n_threads; t++)
        from[t + 1] += from[t];
    return from;
}

static void put_in_order(struct gs_evidence *e)
{
    if (e->n_turns)
        qsort(e->turns, e->n_turns, sizeof(*e->turns), turn_order);
    if (e->n_syncs)
        qsort(e->syncs, e->n_syncs, sizeof(*e->syncs), sync_order);
    if (e->n_edges)
        qsort(e->edges, e->n_edges, sizeof(*e->edges), edge_order);
#define FROM(rows, n, type)                                                                        \
    find_threads(rows, n, sizeof(struct type), offsetof(struct type, thread), e->n_threads)
    e->turn_from = FROM(e->turns, e->n_turns, gs_turn_row);
    e->sync_from = FROM(e->syncs, e->n_syncs, gs_sync_row);
    e->edge_from = FROM(e->edges, e->n_edges, gs_edge_row);
#undef FROM
}

void gs_evidence_collect(struct gs_evidence *e, struct gs_recording *r,
                         const struct gs_stacks *stacks, const struct gs_chunk_ref *chunks,
                         size_t n_chunks)
{
    struct collector x = {.e = e, .r = r, .stacks = stacks};
    memset(e, 0, sizeof(*e));
    x.scratch = gs_xmalloc(GS_CHUNK_MAX_COLS * GS_CHUNK_MAX_ROWS, sizeof(*x.scratch));
    gs__evidence_turns(e, r, stacks);
    for (size_t i = 0; i < n_chunks; i++) {
        x.c = &chunks[i];
        collect_chunk(&x);
    }
    free(x.scratch);
    for (size_t i = 0; i < r->n_totals; i++) {
        e->folded_turns += r->totals[i].folded_n;
        e->lost_rows += r->totals[i].lost_n + r->totals[i].lost_wait_n;
    }
    e->lost_rows += r->dropped_rows + r->damaged_rows;
    e->late_ns = r->n_gils == 1 ? e->late_ns : 0; /* others may have been at work meanwhile */
    e->n_threads = r->n_threads;
    put_in_order(e);
}

void gs_evidence_free(struct gs_evidence *e)
{
    free(e->turns);
    free(e->segments);
    free(e->syncs);
    free(e->edges);
    free(e->turn_from);
    free(e->sync_from);
    free(e->edge_from);
    free(e->classes);
    memset(e, 0, sizeof(*e));
}
