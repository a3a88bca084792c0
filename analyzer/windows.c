/* SPDX-License-Identifier: MIT
 * Planning windows, and linking what reaches from one into another.
 */
#include "analyzer/windows.h"

#include <stdlib.h>
#include <string.h>

#include "analyzer/columns.h"
#include "analyzer/now.h"
#include "analyzer/xalloc.h"

#define WINDOW_ROWS     32768u
/* Chunks overlap a little where windows meet. Where they overlap so much that decoding them again
 * would cost more than it saves, windows are made wider. */
#define PARTS_PER_CHUNK 3u

struct place { /* where a chunk's rows begin */
    uint64_t seq0;
    uint32_t n_rows;
};

static int by_seq0(const void *pa, const void *pb)
{
    const struct place *a = pa, *b = pb;
    return a->seq0 < b->seq0 ? -1 : a->seq0 > b->seq0;
}

static bool in_order(const struct place *places, size_t n)
{
    for (size_t i = 1; i < n; i++)
        if (places[i - 1].seq0 > places[i].seq0)
            return false;
    return true;
}

/* Cuts where a chunk begins, whenever there are rows enough. */
static void cut(struct gs_windows *w, size_t rows)
{
    size_t n = w->slices->n, cap = 0, in_window = 0;
    struct place *places = gs_xmalloc(n, sizeof(*places));
    for (size_t i = 0; i < n; i++)
        places[i] = (struct place){w->slices->at[i]->hdr.seq0, w->slices->at[i]->hdr.n_rows};
    if (!in_order(places, n)) /* the sort takes as much memory again */
        qsort(places, n, sizeof(*places), by_seq0);
    w->n = 0;
    for (size_t i = 0; i < n; i++) {
        struct gs_window one = {.lo = i ? places[i].seq0 : 0, .last = UINT64_MAX};
        if (i == 0 || (in_window >= rows && places[i].seq0 > w->at[w->n - 1].lo)) {
            if (i)
                w->at[w->n - 1].last = places[i].seq0 - 1;
            GS_PUSH(w->at, w->n, cap, one);
            in_window = 0;
        }
        in_window += places[i].n_rows;
    }
    free(places);
}

/* The window of a row; there is one. */
static size_t window_of(const struct gs_windows *w, uint64_t seq)
{
    size_t lo = 0, hi = w->n - 1;
    while (lo < hi) {
        size_t mid = lo + (hi - lo + 1) / 2;
        if (w->at[mid].lo <= seq)
            lo = mid;
        else
            hi = mid - 1;
    }
    return lo;
}

struct span {
    size_t from, to; /* windows, `to` included */
};

static struct span span_of(const struct gs_windows *w, const struct gs_chunk_ref *c)
{
    struct span s = {window_of(w, c->hdr.seq0), window_of(w, c->hdr.seq1)};
    if (s.to < s.from) /* a header that lies */
        s.to = s.from;
    return s;
}

/* Where each window's part of the list begins, in order of windows; behind them, how long all are
 * together. The caller frees. */
static size_t *begins_of(const struct gs_windows *w, const struct gs_chunk_list *list)
{
    size_t *begins = gs_xcalloc(w->n + 1, sizeof(*begins));
    for (size_t i = 0; i < list->n; i++) {
        struct span s = span_of(w, list->at[i]);
        for (size_t k = s.from; k <= s.to; k++)
            begins[k + 1]++;
    }
    for (size_t k = 1; k <= w->n; k++)
        begins[k] += begins[k - 1];
    return begins;
}

/* Each window's chunks, in the order of the list. */
static void list_parts(struct gs_windows *w)
{
    size_t *next = begins_of(w, w->slices);
    w->n_parts = next[w->n];
    w->parts = gs_xmalloc(w->n_parts, sizeof(*w->parts));
    for (size_t k = 0; k < w->n; k++) {
        w->at[k].own = next[k];
        w->at[k].n_own = next[k + 1] - next[k];
    }
    for (size_t i = 0; i < w->slices->n; i++) {
        struct span s = span_of(w, w->slices->at[i]);
        for (size_t k = s.from; k <= s.to; k++)
            w->parts[next[k]++] = (struct gs_window_part){.chunk = (uint32_t)i,
                                                          .window = (uint32_t)k,
                                                          .first = k == s.from,
                                                          .reach = UINT64_MAX};
    }
    free(next);
}

static void list_samples(struct gs_windows *w)
{
    const struct gs_chunk_list *list = w->sample_list;
    size_t *next = begins_of(w, list);
    w->sample_chunks = gs_xmalloc(next[w->n], sizeof(*w->sample_chunks));
    for (size_t k = 0; k < w->n; k++) {
        w->at[k].samples = next[k];
        w->at[k].n_samples = next[k + 1] - next[k];
    }
    for (size_t i = 0; i < list->n; i++) {
        struct span s = span_of(w, list->at[i]);
        for (size_t k = s.from; k <= s.to; k++)
            w->sample_chunks[next[k]++] = (uint32_t)i;
    }
    free(next);
}

static size_t count_parts(const struct gs_windows *w, const struct gs_chunk_list *list)
{
    size_t n = 0;
    for (size_t i = 0; i < list->n; i++) {
        struct span s = span_of(w, list->at[i]);
        n += s.to - s.from + 1;
    }
    return n;
}

static bool overlaps_too_much(const struct gs_windows *w)
{
    size_t n = w->slices->n + w->sample_list->n;
    return w->n > 1 &&
           count_parts(w, w->slices) + count_parts(w, w->sample_list) > PARTS_PER_CHUNK * n;
}

static void drop_plan(struct gs_windows *w)
{
    free(w->at);
    free(w->parts);
    free(w->reaching);
    free(w->sample_chunks);
    w->at = NULL;
    w->parts = NULL;
    w->reaching = w->sample_chunks = NULL;
    w->n = w->n_parts = w->n_reaching = 0;
}

/* Returns the width taken. */
static size_t plan(struct gs_windows *w, size_t rows)
{
    for (;; rows *= 4) {
        cut(w, rows);
        if (w->n == 0)
            return rows;
        if (!overlaps_too_much(w))
            break;
        drop_plan(w);
    }
    list_parts(w);
    list_samples(w);
    return rows;
}

/* ---- what lies around a window ---- */

static uint64_t max_u64(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static void link_neighbours(struct gs_windows *w)
{
    uint64_t before_ns = 0, next_seq = 0, next_a_ns = 0;
    for (size_t k = 0; k < w->n; k++) {
        w->at[k].before_ns = before_ns;
        if (w->at[k].n_rows)
            before_ns = max_u64(before_ns, w->at[k].max_acq_ns);
    }
    for (size_t k = w->n; k-- > 0;) {
        struct gs_window *at = &w->at[k];
        at->next_seq = next_seq;
        at->next_a_ns = next_a_ns;
        if (at->n_rows) {
            next_seq = at->first_seq;
            next_a_ns = max_u64(at->before_ns, at->first_acq_ns);
        }
    }
}

/* The part's waits began in windows first..part->window - 1, those without rows not counted. Calls
 * fn for each; a wait that began at `reach` began in the window before if reach is below the first
 * row there. */
static void each_reached(struct gs_windows *w, const struct gs_window_part *part,
                         void (*fn)(struct gs_windows *w, struct gs_window *reached, uint32_t part))
{
    uint64_t first_seq = w->at[part->window].first_seq;
    for (size_t k = part->window; k-- > 0 && part->reach < first_seq;) {
        if (w->at[k].n_rows == 0)
            continue;
        fn(w, &w->at[k], (uint32_t)(part - w->parts));
        first_seq = w->at[k].first_seq;
    }
}

static void count_reached(struct gs_windows *w, struct gs_window *reached, uint32_t part)
{
    (void)part;
    reached->n_reaching++;
    w->n_reaching++;
}

static void put_reached(struct gs_windows *w, struct gs_window *reached, uint32_t part)
{
    w->reaching[reached->reaching + reached->n_reaching++] = part;
}

static void each_part_reached(struct gs_windows *w,
                              void (*fn)(struct gs_windows *, struct gs_window *, uint32_t))
{
    size_t limit = PARTS_PER_CHUNK * w->slices->n + w->n;
    for (size_t i = 0; i < w->n_parts && w->n_reaching <= limit; i++)
        if (w->parts[i].reach != UINT64_MAX)
            each_reached(w, &w->parts[i], fn);
}

/* false: so many that windows must be wider. */
static bool link_waits(struct gs_windows *w)
{
    each_part_reached(w, count_reached);
    if (w->n_reaching > PARTS_PER_CHUNK * w->slices->n + w->n)
        return false;
    w->reaching = gs_xmalloc(w->n_reaching, sizeof(*w->reaching));
    for (size_t k = 0, at = 0; k < w->n; k++) {
        w->at[k].reaching = at;
        at += w->at[k].n_reaching;
        w->at[k].n_reaching = 0;
    }
    each_part_reached(w, put_reached);
    return true;
}

static void drop_survey(struct gs_windows *w)
{
    gs_idmap_free(&w->threads);
    free(w->last);
    gs_typicals_free(&w->typicals);
    gs_chain_stacks_free(&w->chains);
    w->last = NULL;
    w->cap_last = 0;
    w->n_rows = w->damaged_chunks = w->damaged_rows = w->max_ns = 0;
    w->min_ns = UINT64_MAX;
}

uint64_t gs_chunk_list_bytes(const struct gs_chunk_list *list)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < list->n; i++)
        bytes += list->at[i]->hdr.total_len;
    return bytes;
}

static void add_size(struct gs_decoder_size *size, const struct gs_chunk_list *list)
{
    for (size_t i = 0; i < list->n; i++) {
        uint32_t n = gs_chunk_rows(list->at[i]);
        size->rows += n;
        size->chunk_rows = n > size->chunk_rows ? n : size->chunk_rows;
    }
}

void gs_windows_open(struct gs_windows *w, const struct gs_chunk_list *slices,
                     const struct gs_chunk_list *samples, const struct gs_recording *r,
                     const struct gs_stacks *stacks, size_t rows, unsigned jobs)
{
    memset(w, 0, sizeof(*w));
    w->slices = slices;
    w->sample_list = samples;
    w->no_pairs = r->no_pairs;
    add_size(&w->size, slices);
    add_size(&w->size, samples);
    drop_survey(w);
    for (rows = plan(w, rows ? rows : WINDOW_ROWS); w->n; rows = plan(w, 4 * rows)) {
        uint64_t begin_ns = gs_now_ns();
        gs__survey(w, r, stacks, jobs);
        w->survey_ns = gs_now_ns() - begin_ns;
        link_neighbours(w);
        if (link_waits(w))
            return;
        drop_survey(w);
        drop_plan(w);
    }
}

void gs_windows_close(struct gs_windows *w)
{
    drop_plan(w);
    drop_survey(w);
    memset(w, 0, sizeof(*w));
}
