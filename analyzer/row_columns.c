/* SPDX-License-Identifier: MIT */
#include "analyzer/row_columns.h"

#include <stdlib.h>
#include <string.h>

#include "analyzer/slices.h"
#include "analyzer/xalloc.h"

#define LINE 16u /* rows: columns of 4 bytes begin with a cache line, too */

/* All columns in one piece of memory, which begins with the first. */
static struct gs_row_columns make(size_t cap)
{
    struct gs_row_columns c = {.cap = cap};
    uint64_t *at = gs_xaligned(cap * 15 / 2, sizeof(*at));
    c.seq = at;
    c.acq_ns = at + cap;
    c.rel_ns = at + 2 * cap;
    c.begin_ns = at + 3 * cap;
    c.a_ns = at + 4 * cap;
    c.hold_actor = (uint32_t *)(at + 5 * cap);
    c.wait_actor = c.hold_actor + cap;
    c.ds = c.hold_actor + 2 * cap;
    c.flags = c.hold_actor + 3 * cap;
    c.thread = c.hold_actor + 4 * cap;
    return c;
}

void gs_row_columns_free(struct gs_row_columns *c)
{
    free(c->seq);
    memset(c, 0, sizeof(*c));
}

static void copy(struct gs_row_columns *to, size_t at, const struct gs_row_columns *from,
                 size_t from_at, size_t n)
{
    memmove(to->seq + at, from->seq + from_at, n * sizeof(*to->seq));
    memmove(to->acq_ns + at, from->acq_ns + from_at, n * sizeof(*to->acq_ns));
    memmove(to->rel_ns + at, from->rel_ns + from_at, n * sizeof(*to->rel_ns));
    memmove(to->begin_ns + at, from->begin_ns + from_at, n * sizeof(*to->begin_ns));
    memmove(to->a_ns + at, from->a_ns + from_at, n * sizeof(*to->a_ns));
    memmove(to->hold_actor + at, from->hold_actor + from_at, n * sizeof(*to->hold_actor));
    memmove(to->wait_actor + at, from->wait_actor + from_at, n * sizeof(*to->wait_actor));
    memmove(to->ds + at, from->ds + from_at, n * sizeof(*to->ds));
    memmove(to->flags + at, from->flags + from_at, n * sizeof(*to->flags));
    memmove(to->thread + at, from->thread + from_at, n * sizeof(*to->thread));
}

void gs_row_columns_reserve(struct gs_row_columns *c, size_t n, size_t kept)
{
    if (n <= c->cap)
        return;
    struct gs_row_columns more = make((n + c->cap / 2 + LINE - 1) / LINE * LINE);
    if (kept)
        copy(&more, 0, c, 0, kept);
    gs_row_columns_free(c);
    *c = more;
}

void gs_row_columns_move(struct gs_row_columns *c, size_t to, size_t from, size_t n)
{
    copy(c, to, c, from, n);
}

struct gs_slice gs_row_columns_get(const struct gs_row_columns *c, size_t i)
{
    return (struct gs_slice){
        .seq = c->seq[i],
        .acq_ns = c->acq_ns[i],
        .rel_ns = c->rel_ns[i],
        .begin_ns = c->begin_ns[i],
        .a_ns = c->a_ns[i],
        .hold_actor = c->hold_actor[i],
        .wait_actor = c->wait_actor[i],
        .ds = c->ds[i],
        .flags = c->flags[i],
        .thread = c->thread[i],
    };
}

void gs_row_columns_put(struct gs_row_columns *c, size_t i, const struct gs_slice *row)
{
    c->seq[i] = row->seq;
    c->acq_ns[i] = row->acq_ns;
    c->rel_ns[i] = row->rel_ns;
    c->begin_ns[i] = row->begin_ns;
    c->a_ns[i] = row->a_ns;
    c->hold_actor[i] = row->hold_actor;
    c->wait_actor[i] = row->wait_actor;
    c->ds[i] = row->ds;
    c->flags[i] = row->flags;
    c->thread[i] = row->thread;
}
