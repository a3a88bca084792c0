/* SPDX-License-Identifier: MIT
 * The fast engine: the same sums as engine_reference.c without walking the turns of each wait.
 *
 * Order: rows are scattered by seq when the numbers are dense, else radix-sorted. Then the line of
 * time of a GIL is cut once into sub-periods: the segments of its turns, and "unknown" pieces where
 * turns have no row. Their ends grow monotonically, so a wait is a first, partial sub-period (found
 * by search from period i-ds) and a run of whole ones: +1 behind the first, -1 at its own turn, and
 * one prefix sum gives how many waited through each. That is blame by holder in O(rows).
 * Who waited for whom needs one step per sub-period of a wait: a dense matrix while there are few
 * actors, a hash map beyond. Dense tables are cleared and read as a whole, so there is one only
 * where rows enough pay for it.
 */
#include <stdlib.h>
#include <string.h>

#include "analyzer/engine.h"
#include "analyzer/turns.h"
#include "analyzer/xalloc.h"

#define NO_ACTOR      UINT32_MAX
#define DENSE_SPAN    4u    /* scatter when seq1 - seq0 < DENSE_SPAN * rows */
#define MATRIX_ACTORS 512u  /* a matrix of 4 MiB; more where there are rows enough to fill it */
#define HIST_THREADS  4096u /* dense histograms of 32 MiB at most */
#define CELLS_PER_ROW 16u   /* of a dense table, at most, and */
#define CELLS_FREE    16384u

struct gs_engine {
    char unused;
};

struct sub {
    uint64_t end_ns;
    uint32_t actor; /* NO_ACTOR: unknown holder */
    int32_t delta;  /* waiters that begin to (+) or no longer (-) wait through the whole of it */
};

struct work {
    struct gs_gil_columns *g;
    struct gs_bins *bins;
    struct gs_gil_result *out;
    struct gs_slice *rows;
    size_t n;
    struct sub *subs;
    size_t n_subs, cap_subs;
    uint32_t *first_sub;   /* of row i: its unknown piece if it has one, else its first segment */
    struct gs_sum *matrix; /* n_actors x n_actors, or NULL */
    uint64_t *hists;       /* n_threads x 1024, or NULL */
    size_t n_threads;
};

static enum gs_status cpu_open(struct gs_engine **out, struct gs_error *err)
{
    (void)err;
    *out = gs_xcalloc(1, sizeof(**out));
    return GS_OK;
}

static void cpu_close(struct gs_engine *e)
{
    free(e);
}

/* ---- order ---- */

static bool is_sorted(const struct gs_slice *rows, size_t n)
{
    for (size_t i = 1; i < n; i++)
        if (rows[i - 1].seq > rows[i].seq)
            return false;
    return true;
}

/* order[k]: index of the k-th row by seq; equal ones in file order (LSD radix, stable). */
static uint32_t *radix_order(const struct gs_slice *rows, size_t n, uint64_t min, uint64_t span)
{
    uint32_t *from = gs_xmalloc(n, sizeof(*from)), *to = gs_xmalloc(n, sizeof(*to));
    for (size_t i = 0; i < n; i++)
        from[i] = (uint32_t)i;
    for (unsigned shift = 0; shift < 64 && span >> shift; shift += 11) {
        size_t count[2049] = {0};
        for (size_t i = 0; i < n; i++)
            count[((rows[from[i]].seq - min) >> shift & 2047) + 1]++;
        for (size_t b = 1; b < 2048; b++)
            count[b] += count[b - 1];
        for (size_t i = 0; i < n; i++)
            to[count[(rows[from[i]].seq - min) >> shift & 2047]++] = from[i];
        uint32_t *swap = from;
        from = to;
        to = swap;
    }
    free(to);
    return from;
}

static void gather(struct work *w, const uint32_t *order)
{
    struct gs_slice *rows = gs_xmalloc(w->n, sizeof(*rows));
    for (size_t i = 0; i < w->n; i++)
        rows[i] = w->rows[order[i]];
    free(w->rows);
    w->g->slices = w->rows = rows;
    w->g->cap_slices = w->n;
}

/* Dense numbers: every row goes straight to its place; a second row of one seq is merged there. */
static void scatter(struct work *w, uint64_t min, size_t span)
{
    uint32_t *place = gs_xmalloc(span, sizeof(*place));
    memset(place, 0xff, span * sizeof(*place));
    for (size_t i = 0; i < w->n; i++) {
        uint32_t *p = &place[w->rows[i].seq - min];
        if (*p == UINT32_MAX)
            *p = (uint32_t)i;
        else
            w->out->duplicate_rows += gs_merge_halves(&w->rows[*p], &w->rows[i]);
    }
    size_t kept = 0;
    for (size_t k = 0; k < span; k++)
        if (place[k] != UINT32_MAX)
            place[kept++] = place[k];
    w->n = kept;
    gather(w, place);
    free(place);
}

static void merge_neighbours(struct work *w)
{
    size_t kept = 0;
    for (size_t i = 0; i < w->n; i++) {
        if (kept > 0 && w->rows[kept - 1].seq == w->rows[i].seq)
            w->out->duplicate_rows += gs_merge_halves(&w->rows[kept - 1], &w->rows[i]);
        else if (kept++ != i)
            w->rows[kept - 1] = w->rows[i];
    }
    w->n = kept;
}

static void order_rows(struct work *w)
{
    uint64_t min = UINT64_MAX, max = 0;
    for (size_t i = 0; i < w->n; i++) {
        uint64_t seq = w->rows[i].seq;
        min = seq < min ? seq : min;
        max = seq > max ? seq : max;
    }
    if (is_sorted(w->rows, w->n)) {
        merge_neighbours(w);
    } else if (max - min < DENSE_SPAN * (uint64_t)w->n) {
        scatter(w, min, (size_t)(max - min) + 1);
    } else {
        uint32_t *order = radix_order(w->rows, w->n, min, max - min);
        gather(w, order);
        free(order);
        merge_neighbours(w);
    }
    w->g->n_slices = w->n;
    gs_make_monotone(w->rows, w->n);
}

/* ---- sub-periods ---- */

static void put_sub(struct work *w, uint64_t end_ns, uint32_t actor)
{
    if (w->n_subs == w->cap_subs) {
        w->cap_subs += w->cap_subs / 2 + 16;
        w->subs = gs_xrealloc(w->subs, w->cap_subs, sizeof(*w->subs));
    }
    w->subs[w->n_subs++] = (struct sub){.end_ns = end_ns, .actor = actor};
}

/* Cuts the period of row i; samples[*s] is the first sample not before its seq. */
static void cut_turn(struct work *w, size_t i, size_t *s, struct gs_segment *seg)
{
    const struct gs_slice *t = &w->rows[i], *next = i + 1 < w->n ? t + 1 : NULL;
    const struct gs_gil_columns *g = w->g;
    size_t from;
    w->first_sub[i] = (uint32_t)w->n_subs;
    if (i == 0 || t[-1].seq != t->seq - 1)
        put_sub(w, t->a_ns, NO_ACTOR);
    while (*s < g->n_samples && g->samples[*s].seq < t->seq)
        ++*s;
    bool expired = false;
    for (from = *s; *s < g->n_samples && g->samples[*s].seq == t->seq; ++*s)
        expired |= g->samples[*s].kind == GS_HOLDER_AT_EXPIRY;
    const struct gs_holder_sample *at = g->samples ? g->samples + from : NULL;
    size_t n_seg = gs_turn_segments(g, t, at, *s - from, seg);
    uint64_t end = gs_period_end(t, next), low = t->a_ns;
    for (size_t k = 0; k < n_seg; k++) {
        uint64_t e = seg[k].end_ns < end ? seg[k].end_ns : end;
        low = e > low ? e : low;
        put_sub(w, low, seg[k].actor);
    }
    if (t->flags & GS_SLICE_TURN)
        gs_count_hold(w->out, w->bins, t, seg, n_seg, expired);
}

static void cut_periods(struct work *w)
{
    struct gs_segment *seg = gs_xmalloc(w->g->n_samples + (size_t)GS_TYPICAL_MAX, sizeof(*seg));
    size_t s = 0;
    w->cap_subs = w->n + w->g->n_samples + 16;
    w->subs = gs_xmalloc(w->cap_subs, sizeof(*w->subs));
    w->first_sub = gs_xmalloc(w->n, sizeof(*w->first_sub));
    for (size_t i = 0; i < w->n; i++)
        cut_turn(w, i, &s, seg);
    free(seg);
}

/* ---- waits ---- */

/* First row before i with seq >= want; most often it lies exactly i - ds rows back. */
static size_t find_row(const struct work *w, size_t i, uint64_t want)
{
    uint64_t back = w->rows[i].seq - want;
    if (back <= i && w->rows[i - back].seq == want)
        return i - (size_t)back;
    size_t lo = back <= i ? i - (size_t)back : 0, hi = i;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (w->rows[mid].seq < want)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

/* First of subs[lo, hi) that ends behind t; hi when none does. Steps double from lo. */
static size_t find_sub(const struct work *w, size_t lo, size_t hi, uint64_t t)
{
    size_t step = 1;
    while (lo + step < hi && w->subs[lo + step - 1].end_ns <= t) {
        lo += step;
        step *= 2;
    }
    if (lo + step < hi)
        hi = lo + step;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (w->subs[mid].end_ns <= t)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static void add_blame(struct work *w, uint32_t holder, uint64_t ns)
{
    if (holder == NO_ACTOR)
        w->out->unknown_holder_ns += ns;
    else
        w->out->actors[holder].blamed_ns += ns;
}

static void add_pair(struct work *w, uint32_t waiter, uint32_t holder, uint64_t ns)
{
    if (holder == NO_ACTOR || ns == 0)
        return;
    if (w->matrix) {
        struct gs_sum *m = &w->matrix[(size_t)waiter * w->out->n_actors + holder];
        m->ns += ns;
        m->count++;
    } else {
        gs_pairs_add(&w->out->pairs, waiter, holder, ns, 1);
    }
}

static void blame_wait(struct work *w, size_t i)
{
    const struct gs_slice *t = &w->rows[i];
    uint64_t ds = t->ds < t->seq ? t->ds : t->seq, cur = t->begin_ns;
    size_t lo = find_row(w, i, t->seq - ds);
    bool by_holder = gs_pairs_take(&w->out->pairs, w->first_sub[i] - w->first_sub[lo]);
    size_t end = w->first_sub[i]; /* behind the wait's last sub-period */
    if (w->subs[end].actor == NO_ACTOR)
        end++; /* an unknown piece of our own leads up to us */
    if (ds == 0) {
        w->out->unknown_holder_ns += t->a_ns - cur;
        return;
    }
    size_t first = w->first_sub[lo];
    if (lo < i && w->rows[lo].seq == t->seq - ds && w->subs[first].actor == NO_ACTOR)
        first++; /* the piece before our first turn is not ours */
    first = find_sub(w, first, end, cur);
    if (first == end)
        return;
    add_blame(w, w->subs[first].actor, w->subs[first].end_ns - cur);
    if (first + 1 < end) {
        w->subs[first + 1].delta++;
        w->subs[end].delta--;
    }
    for (size_t k = first; by_holder && k < end; k++) {
        add_pair(w, t->wait_actor, w->subs[k].actor, w->subs[k].end_ns - cur);
        cur = w->subs[k].end_ns;
    }
}

static void sum_whole_subs(struct work *w)
{
    uint64_t waiters = 0, begin = 0;
    for (size_t k = 0; k < w->n_subs; k++) {
        const struct sub *s = &w->subs[k];
        waiters += (uint64_t)(int64_t)s->delta;
        if (waiters)
            add_blame(w, s->actor, waiters * (s->end_ns - begin));
        begin = s->end_ns;
    }
}

static void count_rows(struct work *w)
{
    for (size_t i = 0; i < w->n; i++) {
        const struct gs_slice *t = &w->rows[i];
        struct gs_actor_sums *a = &w->out->actors[t->hold_actor];
        a->acquires++;
        a->releases += (t->flags & GS_SLICE_TURN) != 0;
        a->forced += (t->flags & GS_SLICE_FORCED) != 0;
        if ((t->flags & GS_SLICE_WAIT) == 0)
            continue;
        size_t key = (size_t)t->thread << 10 | gs_count_wait(w->out, t);
        if (w->hists)
            w->hists[key]++;
        else
            gs_summap_add(&w->out->wait_hists, key, 0, 1);
        gs_bins_add(w->bins, w->bins->wait_ns, t->begin_ns, t->a_ns);
        blame_wait(w, i);
    }
}

static bool pays(const struct work *w, size_t cells)
{
    return cells <= CELLS_PER_ROW * w->n + CELLS_FREE;
}

static bool wants_matrix(const struct work *w)
{
    size_t n = w->out->n_actors;
    if (n > UINT32_MAX || n * n >= w->out->pairs.max_pairs) /* a map would be full */
        return false;
    return (n <= MATRIX_ACTORS && pays(w, n * n)) || n * n <= w->n;
}

static void open_tables(struct work *w)
{
    size_t n = w->out->n_actors;
    if (wants_matrix(w))
        w->matrix = gs_xcalloc(n * n, sizeof(*w->matrix));
    for (size_t i = 0; i < w->n; i++)
        if (w->rows[i].thread >= w->n_threads)
            w->n_threads = w->rows[i].thread + (size_t)1;
    if (w->n_threads <= HIST_THREADS && pays(w, w->n_threads << 10))
        w->hists = gs_xcalloc(w->n_threads << 10, sizeof(*w->hists));
}

/* Both engines hand over maps. */
static void close_tables(struct work *w)
{
    size_t n = w->out->n_actors;
    for (size_t k = 0; w->matrix && k < n * n; k++)
        if (w->matrix[k].count)
            gs_pairs_add(&w->out->pairs, (uint32_t)(k / n), (uint32_t)(k % n), w->matrix[k].ns,
                         w->matrix[k].count);
    for (size_t k = 0; w->hists && k < w->n_threads << 10; k++)
        if (w->hists[k])
            gs_summap_add(&w->out->wait_hists, k, 0, w->hists[k]);
    free(w->matrix);
    free(w->hists);
}

static enum gs_status cpu_run(struct gs_engine *e, struct gs_gil_columns *g, struct gs_bins *bins,
                              struct gs_gil_result *out, struct gs_error *err)
{
    struct work w = {.g = g, .bins = bins, .out = out, .rows = g->slices, .n = g->n_slices};
    (void)e;
    out->n_actors = g->actors.n;
    out->actors = gs_xcalloc(g->actors.n, sizeof(*out->actors));
    if (g->n_slices >= UINT32_MAX / 8 || g->n_samples >= UINT32_MAX / 2)
        return gs_error_set(err, GS_ERR_LIMIT, "one GIL has %zu rows: analyse parts of the capture",
                            g->n_slices);
    order_rows(&w);
    open_tables(&w);
    gs_sort_samples(g);
    gs_learn_typical(g);
    cut_periods(&w);
    count_rows(&w);
    sum_whole_subs(&w);
    close_tables(&w);
    gs_pairs_close(out);
    free(w.subs);
    free(w.first_sub);
    return GS_OK;
}

const struct gs_engine_ops gs_engine_cpu = {
    .name = "cpu",
    .open = cpu_open,
    .run = cpu_run,
    .close = cpu_close,
};
