/* SPDX-License-Identifier: MIT
 * Linear in rows and waits, but for a binary search of each: a wait that covers many rows wholly
 * counts at both ends of the stretch only. All waits are laid over all rows first; then, thread by
 * thread, its own waits are taken off its own rows.
 */
#include "analyzer/cuda_blame.h"

#include <stdlib.h>
#include <string.h>

#include "analyzer/xalloc.h"

typedef unsigned __int128 u128;

struct held { /* the time of a row */
    uint64_t begin_ns, end_ns;
    size_t row;
    uint32_t gil, thread;
};
struct overlap {
    u128 ns;       /* of waits that lie in it in part */
    int64_t whole; /* difference: waits that cover it wholly, beside the one before it */
};
struct table { /* times that do not overlap, in order */
    const struct held *at;
    struct overlap *sums;
    size_t n;
};

/* ---- whose GIL ---- */

uint32_t *gs_cuda_gils(const struct gs_recording *r)
{
    uint32_t *gils = gs_xmalloc(r->n_threads, sizeof(*gils));
    uint64_t *most = gs_xcalloc(r->n_threads, sizeof(*most));
    for (size_t i = 0; i < r->n_threads; i++)
        gils[i] = r->n_gils == 1 ? 0 : GS_IDMAP_NONE;
    for (size_t i = 0; i < r->n_totals && r->n_gils > 1; i++) {
        const struct gs_rec_totals *t = &r->totals[i];
        uint32_t *gil = &gils[t->thread];
        bool lower = *gil == GS_IDMAP_NONE || r->gils[t->gil].id < r->gils[*gil].id;
        if (t->acquisitions < most[t->thread] || (t->acquisitions == most[t->thread] && !lower))
            continue;
        most[t->thread] = t->acquisitions;
        *gil = t->gil;
    }
    for (size_t g = 0; g < r->n_gils && r->n_gils > 1; g++) /* no totals: killed early */
        for (size_t i = 0; i < r->gils[g].rows.threads.n; i++) {
            uint32_t id = (uint32_t)r->gils[g].rows.threads.keys[i];
            uint32_t *gil = &gils[gs_idmap_find(&r->thread_map, id)];
            if (*gil == GS_IDMAP_NONE)
                *gil = (uint32_t)g;
        }
    free(most);
    return gils;
}

/* ---- rows ---- */

static int by_gil_and_time(const void *pa, const void *pb)
{
    const struct held *a = pa, *b = pb;
    if (a->gil != b->gil)
        return a->gil < b->gil ? -1 : 1;
    if (a->begin_ns != b->begin_ns)
        return a->begin_ns < b->begin_ns ? -1 : 1;
    return a->row < b->row ? -1 : a->row > b->row; /* in order of seq */
}

static int by_thread(const void *pa, const void *pb)
{
    const struct held *a = pa, *b = pb;
    if (a->gil != b->gil)
        return a->gil < b->gil ? -1 : 1;
    if (a->thread != b->thread)
        return a->thread < b->thread ? -1 : 1;
    if (a->end_ns != b->end_ns) /* they do not overlap: so begins are in order, too */
        return a->end_ns < b->end_ns ? -1 : 1;
    return a->begin_ns < b->begin_ns ? -1 : a->begin_ns > b->begin_ns;
}

static struct held *find_held(const struct gs_recording *r, size_t *n_out)
{
    const struct gs_cuda_rows *c = &r->cuda;
    uint32_t *gils = gs_cuda_gils(r);
    struct held *all = gs_xmalloc(c->n_rows, sizeof(*all));
    size_t n = 0;
    for (size_t i = 0; i < c->n_rows; i++) {
        const struct gs_cuda_row *row = &c->rows[i];
        uint32_t thread = gs_idmap_find(&r->thread_map, row->thread);
        uint32_t gil = thread != GS_IDMAP_NONE ? gils[thread] : r->n_gils == 1 ? 0 : GS_IDMAP_NONE;
        if (!(row->flags & GS_CUDA_HELD) || row->duration_ns == 0 || gil == GS_IDMAP_NONE)
            continue;
        all[n++] = (struct held){row->t_ns, row->t_ns + row->duration_ns, i, gil, thread};
    }
    free(gils);
    *n_out = n;
    return all;
}

/* Each ends where it did, or where it begins. */
static void clip(struct held *all, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        if (all[i].gil != all[i - 1].gil)
            continue;
        if (all[i].begin_ns < all[i - 1].end_ns)
            all[i].begin_ns = all[i - 1].end_ns;
        if (all[i].end_ns < all[i].begin_ns)
            all[i].end_ns = all[i].begin_ns;
    }
}

/* ---- waits over rows ---- */

/* The first that ends after ns. */
static size_t first_after(const struct table *t, uint64_t ns)
{
    size_t lo = 0, hi = t->n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (t->at[mid].end_ns <= ns)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

/* The first that begins at ns or after. */
static size_t first_from(const struct table *t, uint64_t ns)
{
    size_t lo = 0, hi = t->n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (t->at[mid].begin_ns < ns)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static void add_part(struct table *t, size_t i, uint64_t from_ns, uint64_t to_ns)
{
    uint64_t lo = t->at[i].begin_ns > from_ns ? t->at[i].begin_ns : from_ns;
    uint64_t hi = t->at[i].end_ns < to_ns ? t->at[i].end_ns : to_ns;
    if (hi > lo)
        t->sums[i].ns += hi - lo;
}

static void lay(struct table *t, uint64_t from_ns, uint64_t to_ns)
{
    size_t first = first_after(t, from_ns), end = first_from(t, to_ns);
    if (first >= end)
        return;
    add_part(t, first, from_ns, to_ns);
    if (end - first < 2)
        return;
    add_part(t, end - 1, from_ns, to_ns);
    if (end - first < 3)
        return;
    t->sums[first + 1].whole++;
    t->sums[end - 1].whole--;
}

static void sum_up(const struct table *t, u128 *into, bool off)
{
    int64_t whole = 0;
    for (size_t i = 0; i < t->n; i++) {
        whole += t->sums[i].whole;
        u128 ns = t->sums[i].ns + (u128)(uint64_t)whole * (t->at[i].end_ns - t->at[i].begin_ns);
        into[t->at[i].row] += off ? 0 - ns : ns;
    }
}

static bool is_wait(const struct gs_row_columns *c, size_t i)
{
    return (c->flags[i] & GS_SLICE_WAIT) && c->begin_ns[i] < c->acq_ns[i];
}

/* Of rows in order of thread, where those of `thread` and of the threads after it begin. */
static size_t first_of_thread(const struct table *t, uint64_t thread)
{
    size_t lo = 0, hi = t->n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (t->at[mid].thread < thread)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static void lay_own(const struct gs_recording *r, uint32_t thread_id, uint64_t begin_ns,
                    uint64_t end_ns, const struct table *all)
{
    uint32_t thread = gs_idmap_find(&r->thread_map, thread_id);
    if (thread == GS_IDMAP_NONE)
        return;
    size_t from = first_of_thread(all, thread), to = first_of_thread(all, (uint64_t)thread + 1);
    struct table own = {all->at + from, all->sums + from, to - from};
    lay(&own, begin_ns, end_ns);
}

static void lay_waits(const struct gs_recording *r, const struct gs_stacks *stacks,
                      const struct gs_windows *w, struct table *by_time, struct table *by_owner)
{
    struct gs_decoder d;
    struct gs_window_rows rows = {0};
    gs_decoder_open(&d, r, stacks, w->size);
    for (size_t k = 0; k < w->n; k++) {
        gs_window_load(w, k, &d, &rows);
        const struct gs_row_columns *c = &rows.c;
        for (size_t i = 0; i < rows.n; i++)
            if (is_wait(c, i)) {
                lay(by_time, c->begin_ns[i], c->acq_ns[i]);
                lay_own(r, c->thread[i], c->begin_ns[i], c->acq_ns[i], by_owner);
            }
    }
    gs_window_rows_free(&rows);
    gs_decoder_close(&d);
}

/* The rows of one GIL, in order of time. */
static void blame_gil(const struct gs_recording *r, const struct gs_stacks *stacks,
                      const struct held *at, size_t n, u128 *blamed)
{
    struct held *sorted = gs_xmalloc(n, sizeof(*sorted));
    memcpy(sorted, at, n * sizeof(*sorted));
    qsort(sorted, n, sizeof(*sorted), by_thread);
    struct table by_time = {at, gs_xcalloc(n, sizeof(*by_time.sums)), n};
    struct table by_owner = {sorted, gs_xcalloc(n, sizeof(*by_owner.sums)), n};
    lay_waits(r, stacks, &r->gils[at[0].gil].rows, &by_time, &by_owner);
    sum_up(&by_time, blamed, false);
    sum_up(&by_owner, blamed, true); /* differences end within a thread's rows: one walk will do */
    free(by_time.sums);
    free(by_owner.sums);
    free(sorted);
}

uint64_t *gs_cuda_blame(const struct gs_recording *r, const struct gs_stacks *stacks)
{
    uint64_t *out = gs_xcalloc(r->cuda.n_rows, sizeof(*out));
    u128 *blamed = gs_xcalloc(r->cuda.n_rows, sizeof(*blamed));
    size_t n;
    struct held *all = find_held(r, &n);
    if (n)
        qsort(all, n, sizeof(*all), by_gil_and_time);
    clip(all, n);
    for (size_t i = 0, end; i < n; i = end) {
        for (end = i; end < n && all[end].gil == all[i].gil;)
            end++;
        blame_gil(r, stacks, all + i, end - i, blamed);
    }
    for (size_t i = 0; i < r->cuda.n_rows; i++)
        out[i] = blamed[i] < UINT64_MAX ? (uint64_t)blamed[i] : UINT64_MAX;
    free(all);
    free(blamed);
    return out;
}
