/* SPDX-License-Identifier: MIT */
#include "analyzer/row_stream.h"

#include <stdlib.h>
#include <string.h>

#include "analyzer/trace_reader.h"
#include "analyzer/xalloc.h"

void gs_row_stream_add(struct gs_row_stream *s, const struct gs_chunk_ref *c, uint64_t first)
{
    struct gs_row_chunk chunk = {c, first, (uint32_t)s->n};
    GS_PUSH(s->chunks, s->n, s->cap, chunk);
}

static int by_first(const void *pa, const void *pb)
{
    const struct gs_row_chunk *a = pa, *b = pb;
    if (a->first != b->first)
        return a->first < b->first ? -1 : 1;
    return a->number < b->number ? -1 : a->number > b->number;
}

void gs_row_stream_sort(struct gs_row_stream *s)
{
    if (s->n)
        qsort(s->chunks, s->n, sizeof(*s->chunks), by_first);
}

void gs_row_stream_free(struct gs_row_stream *s)
{
    free(s->chunks);
    memset(s, 0, sizeof(*s));
}

/* ---- reading ---- */

void gs_row_cursor_open(struct gs_row_cursor *c, const struct gs_row_stream *s)
{
    memset(c, 0, sizeof(*c));
    c->s = s;
    if (s->n == 0)
        return;
    c->last = gs_xmalloc(1, s->kind->row_bytes);
    c->decoded = gs_xmalloc(GS_CHUNK_MAX_ROWS, s->kind->row_bytes);
    c->scratch = gs_xmalloc(GS_CHUNK_MAX_COLS * GS_CHUNK_MAX_ROWS, sizeof(*c->scratch));
}

void gs_row_cursor_close(struct gs_row_cursor *c)
{
    for (size_t i = 0; i < c->n_open; i++)
        free(c->open[i].rows);
    free(c->open);
    free(c->last);
    free(c->decoded);
    free(c->scratch);
    memset(c, 0, sizeof(*c));
}

static const char *head(const struct gs_row_cursor *c, size_t i)
{
    return c->open[i].rows + c->open[i].at * c->s->kind->row_bytes;
}

static uint64_t key_of(const char *row)
{
    uint64_t key;
    memcpy(&key, row, sizeof(key));
    return key;
}

static bool is_before(const struct gs_row_cursor *c, size_t i, size_t k)
{
    return c->s->kind->order(head(c, i), head(c, k)) < 0;
}

static void swap(struct gs_row_cursor *c, size_t i, size_t k)
{
    struct gs_open_chunk keep = c->open[i];
    c->open[i] = c->open[k];
    c->open[k] = keep;
}

static void sift_up(struct gs_row_cursor *c, size_t i)
{
    for (; i > 0 && is_before(c, i, (i - 1) / 2); i = (i - 1) / 2)
        swap(c, i, (i - 1) / 2);
}

static void sift_down(struct gs_row_cursor *c)
{
    for (size_t i = 0, least;; i = least) {
        least = i;
        for (size_t k = 2 * i + 1; k <= 2 * i + 2 && k < c->n_open; k++)
            if (is_before(c, k, least))
                least = k;
        if (least == i)
            return;
        swap(c, i, least);
    }
}

static void sort(const struct gs_row_kind *kind, char *rows, size_t n)
{
    for (size_t i = 1; i < n; i++)
        if (kind->order(rows + (i - 1) * kind->row_bytes, rows + i * kind->row_bytes) > 0) {
            qsort(rows, n, kind->row_bytes, kind->order);
            return;
        }
}

/* A chunk of 200 bytes can hold 4096 equal rows: they must not take memory. */
static size_t drop_said(const struct gs_row_kind *kind, char *rows, size_t n)
{
    size_t kept = 0, size = kind->row_bytes;
    for (size_t i = 0; i < n; i++) {
        if (kept && kind->is_said(rows + (kept - 1) * size, rows + i * size))
            continue;
        if (kept != i)
            memcpy(rows + kept * size, rows + i * size, size);
        kept++;
    }
    return kept;
}

static void open_next(struct gs_row_cursor *c)
{
    const struct gs_row_kind *kind = c->s->kind;
    const struct gs_row_chunk *chunk = &c->s->chunks[c->next_chunk++];
    size_t n = kind->decode(c->s->ctx, chunk->chunk, chunk->number, c->scratch, c->decoded);
    gs_chunk_forget(chunk->chunk);
    sort(kind, c->decoded, n);
    n = drop_said(kind, c->decoded, n);
    if (n == 0)
        return;
    struct gs_open_chunk open = {gs_xmalloc(n, kind->row_bytes), 0, n};
    memcpy(open.rows, c->decoded, n * kind->row_bytes);
    GS_PUSH(c->open, c->n_open, c->cap_open, open);
    sift_up(c, c->n_open - 1);
}

static void step(struct gs_row_cursor *c)
{
    struct gs_open_chunk *first = &c->open[0];
    if (++first->at == first->n) {
        free(first->rows);
        *first = c->open[--c->n_open];
    }
    sift_down(c);
}

const void *gs_row_peek(struct gs_row_cursor *c)
{
    for (;;) {
        while (c->next_chunk < c->s->n &&
               (c->n_open == 0 || c->s->chunks[c->next_chunk].first <= key_of(head(c, 0))))
            open_next(c);
        if (c->n_open == 0)
            return NULL;
        if (!c->has_last || !c->s->kind->is_said(c->last, head(c, 0)))
            return head(c, 0);
        step(c);
    }
}

const void *gs_row_next(struct gs_row_cursor *c)
{
    const void *row = gs_row_peek(c);
    if (!row)
        return NULL;
    memcpy(c->last, row, c->s->kind->row_bytes);
    c->has_last = true;
    step(c);
    return c->last;
}
