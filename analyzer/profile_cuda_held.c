/* SPDX-License-Identifier: MIT
 * Calls of the driver: by function, and by stack those that had the GIL, with what others waited.
 */
#include <stdlib.h>
#include <string.h>

#include "analyzer/cuda_blame.h"
#include "analyzer/profile_cuda_build.h"
#include "analyzer/xalloc.h"

static void add(uint64_t *to, uint64_t v)
{
    *to = gs_add_sat(*to, v);
}

static bool waits_for_device(uint32_t op)
{
    return op == GS_CUDA_OP_SYNC || op == GS_CUDA_OP_COPY;
}

/* ---- by function ---- */

/* The record of a function has the calls that have rows, too; rows count where there is none. */
static void count_rows(struct gs_cuda_rows *c)
{
    size_t n_recorded = c->n_calls;
    struct gs_row_cursor cursor;
    const struct gs_cuda_row *row;
    gs_row_cursor_open(&cursor, &c->rows);
    while ((row = gs_row_next(&cursor))) {
        size_t n = c->n_calls;
        struct gs_rec_cuda_call *call = gs_cuda_call(c, row->call);
        if (c->n_calls > n)
            call->op = row->op;
        if ((size_t)(call - c->calls) < n_recorded)
            continue;
        call->calls++;
        call->failed += row->result != 0;
        add(&call->ns, row->duration_ns);
        if (!(row->flags & GS_CUDA_HELD))
            continue;
        call->held_calls++;
        add(&call->held_ns, row->duration_ns);
    }
    gs_row_cursor_close(&cursor);
}

static int longest_first(const void *pa, const void *pb)
{
    const struct gs_prof_cuda_call *a = pa, *b = pb;
    if (a->ns != b->ns)
        return a->ns > b->ns ? -1 : 1;
    return a->call < b->call ? -1 : a->call > b->call;
}

static void sum_calls(struct gs_prof_cuda *out)
{
    for (size_t i = 0; i < out->n_calls; i++) {
        const struct gs_prof_cuda_call *c = &out->calls[i];
        add(&out->under_gil_ns, c->held_ns);
        if (waits_for_device(c->op)) {
            add(&out->sync_ns, c->ns);
            add(&out->sync_under_gil_ns, c->held_ns);
        } else if (c->op == GS_CUDA_OP_LAUNCH) {
            add(&out->launches, c->calls);
            add(&out->launch_ns, c->ns);
        }
    }
}

static void put_calls(struct gs_cuda_builder *b)
{
    struct gs_cuda_rows *c = &b->r->cuda;
    struct gs_prof_cuda *out = b->out;
    out->calls = gs_xcalloc(c->n_calls, sizeof(*out->calls));
    for (size_t i = 0; i < c->n_calls; i++) {
        struct gs_rec_cuda_call *from = &c->calls[i];
        out->calls[out->n_calls++] = (struct gs_prof_cuda_call){
            from->call,   from->op, from->name,       from->calls,
            from->failed, from->ns, from->held_calls, from->held_ns,
        };
        from->name = NULL;
    }
    if (out->n_calls)
        qsort(out->calls, out->n_calls, sizeof(*out->calls), longest_first);
    sum_calls(out);
}

/* ---- by stack ---- */

struct held_table {
    struct gs_idmap map; /* node, call -> rows */
    struct gs_prof_cuda_held *rows;
    size_t n, cap;
};

static struct gs_prof_cuda_held *held_at(struct held_table *t, const struct gs_cuda_row *row)
{
    uint32_t at = gs_idmap_add(&t->map, gs_pack32(row->node, row->call));
    if (at == t->n) {
        struct gs_prof_cuda_held h = {.node = row->node, .call = row->call, .op = row->op};
        GS_PUSH(t->rows, t->n, t->cap, h);
    }
    return &t->rows[at];
}

struct held_sums {
    struct gs_prof_cuda *out;
    struct held_table *held;
    struct gs_summap *by_op; /* time and number of calls with HELD */
};

static void add_row(void *ctx, const struct gs_cuda_row *row, uint64_t blamed_ns)
{
    struct held_sums *s = ctx;
    if (!(row->flags & (GS_CUDA_HELD | GS_CUDA_HAD)))
        return;
    struct gs_prof_cuda_held *h = held_at(s->held, row);
    h->count++;
    add(&h->ns, row->duration_ns);
    if (!(row->flags & GS_CUDA_HELD))
        return;
    add(&h->held_ns, row->duration_ns);
    add(&h->blamed_ns, blamed_ns);
    add(&s->out->blamed_ns, blamed_ns);
    if (waits_for_device(row->op))
        add(&s->out->sync_blamed_ns, blamed_ns);
    gs_summap_add(s->by_op, row->op, row->duration_ns, 1);
}

static int most_blamed_first(const void *pa, const void *pb)
{
    const struct gs_prof_cuda_held *a = pa, *b = pb;
    if (a->not_sampled != b->not_sampled)
        return a->not_sampled ? 1 : -1;
    if (a->blamed_ns != b->blamed_ns)
        return a->blamed_ns > b->blamed_ns ? -1 : 1;
    if (a->held_ns != b->held_ns)
        return a->held_ns > b->held_ns ? -1 : 1;
    if (a->ns != b->ns)
        return a->ns > b->ns ? -1 : 1;
    if (a->node != b->node)
        return a->node < b->node ? -1 : 1;
    if (a->call != b->call)
        return a->call < b->call ? -1 : 1;
    return a->op < b->op ? -1 : a->op > b->op;
}

/* Of each op what the functions' sums have more than rows. */
static void add_not_sampled(struct gs_cuda_builder *b, struct held_table *t,
                            const struct gs_summap *by_op)
{
    struct gs_summap sums = {0};
    for (size_t i = 0; i < b->out->n_calls; i++)
        gs_summap_add(&sums, b->out->calls[i].op, b->out->calls[i].held_ns,
                      b->out->calls[i].held_calls);
    for (size_t i = 0; i < sums.map.n; i++) {
        uint32_t at = gs_idmap_find(&by_op->map, sums.map.keys[i]);
        struct gs_sum rows = at == GS_IDMAP_NONE ? (struct gs_sum){0} : by_op->sums[at];
        uint64_t ns = sums.sums[i].ns, n = sums.sums[i].count;
        if (ns <= rows.ns || n <= rows.count)
            continue; /* a few ns are rounding */
        struct gs_prof_cuda_held h = {
            .node = b->stacks->not_sampled,
            .op = (uint32_t)sums.map.keys[i],
            .not_sampled = true,
            .count = n - rows.count,
            .ns = ns - rows.ns,
            .held_ns = ns - rows.ns,
        };
        GS_PUSH(t->rows, t->n, t->cap, h);
    }
    gs_summap_free(&sums);
}

static int by_node(const void *pa, const void *pb)
{
    const struct gs_prof_cuda_held_row *a = pa, *b = pb;
    return a->node < b->node ? -1 : a->node > b->node;
}

static void append_held_rows(struct gs_cuda_builder *b, const struct held_table *t)
{
    struct gs_profile *p = b->profile;
    struct gs_idmap nodes = {0};
    p->cuda_held_rows =
        gs_xrealloc(p->cuda_held_rows, p->n_cuda_held_rows + t->n, sizeof(*p->cuda_held_rows));
    struct gs_prof_cuda_held_row *rows = p->cuda_held_rows + p->n_cuda_held_rows;
    for (size_t i = 0; i < t->n; i++) {
        const struct gs_prof_cuda_held *h = &t->rows[i];
        size_t n = nodes.n, at = gs_idmap_add(&nodes, h->node);
        if (at == n)
            rows[at] = (struct gs_prof_cuda_held_row){.process = b->process, .node = h->node};
        add(&rows[at].held_ns, h->held_ns);
        add(&rows[at].blamed_ns, h->blamed_ns);
        add(&rows[at].count, h->count);
    }
    if (nodes.n)
        qsort(rows, nodes.n, sizeof(*rows), by_node);
    p->n_cuda_held_rows += nodes.n;
    gs_idmap_free(&nodes);
}

void gs_cuda_put_calls(struct gs_cuda_builder *b)
{
    struct held_table t = {0};
    struct gs_summap by_op = {0};
    count_rows(&b->r->cuda);
    put_calls(b);
    struct held_sums sums = {b->out, &t, &by_op};
    gs_cuda_blame(b->r, b->stacks, add_row, &sums);
    add_not_sampled(b, &t, &by_op);
    if (t.n)
        qsort(t.rows, t.n, sizeof(*t.rows), most_blamed_first);
    append_held_rows(b, &t);
    b->out->held = t.rows;
    b->out->n_held = t.n;
    gs_idmap_free(&t.map);
    gs_summap_free(&by_op);
}
