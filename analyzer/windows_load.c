/* SPDX-License-Identifier: MIT
 * One window's rows. Chunks that ascend, as agents write them, are laid one behind another; a few
 * rows of two chunks may be in each other's way where they meet, as the halves of a turn that was
 * going on between two chunks are. Of anything else, dense numbers go straight to their places, and
 * sparse ones are radix-sorted. All ways the first row of a seq in the order of the file is the one
 * that the others are merged into.
 */
#include <stdlib.h>
#include <string.h>

#include "analyzer/column_math.h"
#include "analyzer/radix.h"
#include "analyzer/windows.h"
#include "analyzer/xalloc.h"

#define DENSE_SPAN 4u /* places for each row, at most */

static const uint32_t HALVES = GS_SLICE_TURN | GS_SLICE_WAIT;

static int by_seq0(const void *pa, const void *pb)
{
    const struct gs_part_place *a = pa, *b = pb;
    if (a->seq0 != b->seq0)
        return a->seq0 < b->seq0 ? -1 : 1;
    return a->part < b->part ? -1 : a->part > b->part;
}

/* ---- chunks that ascend ---- */

#define MEETING_ROWS 64u /* of each of two chunks, at most */

/* The window's parts in order of seq. false: that is not the order of the file. */
static bool order_parts(const struct gs_windows *w, const struct gs_window *at,
                        struct gs_window_rows *rows)
{
    bool in_order = true;
    GS_RESERVE(rows->parts, at->n_own, rows->cap_parts);
    for (size_t p = 0; p < at->n_own; p++) {
        uint64_t seq0 = w->slices->at[w->parts[at->own + p].chunk]->hdr.seq0;
        rows->parts[p] = (struct gs_part_place){seq0, (uint32_t)p};
        in_order &= p == 0 || seq0 >= rows->parts[p - 1].seq0;
    }
    if (!in_order)
        qsort(rows->parts, at->n_own, sizeof(*rows->parts), by_seq0);
    return in_order;
}

/* Two lists in order of seq: one, in which each seq stands once. */
static size_t merge(struct gs_slice *old, size_t n_old, const struct gs_slice *more, size_t n_more,
                    struct gs_slice *out)
{
    size_t i = 0, k = 0, n = 0;
    while (i < n_old || k < n_more) {
        bool same = i < n_old && k < n_more && old[i].seq == more[k].seq;
        if (same)
            gs_merge_halves(&old[i], &more[k++]);
        if (same || k == n_more || (i < n_old && old[i].seq < more[k].seq))
            out[n++] = old[i++];
        else
            out[n++] = more[k++];
    }
    return n;
}

/* Rows [n, n + more) behind the first n, both ascending. false: too many stand in each other's way.
 */
static bool merge_meeting(struct gs_window_rows *rows, size_t more)
{
    struct gs_slice old[MEETING_ROWS], new[MEETING_ROWS], both[2 * MEETING_ROWS];
    struct gs_row_columns *c = &rows->c;
    size_t n = rows->n, n_old = 0, n_new = 0;
    for (; n_old < n && c->seq[n - n_old - 1] >= c->seq[n]; n_old++)
        if (n_old == MEETING_ROWS)
            return false;
    for (; n_new < more && c->seq[n + n_new] <= c->seq[n - 1]; n_new++)
        if (n_new == MEETING_ROWS)
            return false;
    for (size_t i = 0; i < n_old; i++)
        old[i] = gs_row_columns_get(c, n - n_old + i);
    for (size_t i = 0; i < n_new; i++)
        new[i] = gs_row_columns_get(c, n + i);
    size_t n_both = merge(old, n_old, new, n_new, both), end = n - n_old + n_both;
    for (size_t i = 0; i < n_both; i++)
        gs_row_columns_put(c, n - n_old + i, &both[i]);
    if (end != n + n_new)
        gs_row_columns_move(c, end, n + n_new, more - n_new);
    rows->n = end + (more - n_new);
    return true;
}

/* Of the chunk's rows, which stand behind the window's: those of the window to their place. */
static size_t keep_own(struct gs_window_rows *rows, size_t n, const struct gs_window *at)
{
    struct gs_row_range r = gs_range_of(rows->c.seq + rows->n, n, at->lo, at->last);
    if (r.from && r.from < r.end)
        gs_row_columns_move(&rows->c, rows->n, rows->n + r.from, r.end - r.from);
    return r.end - r.from;
}

/* false: some chunk is not as agents write them, or too many rows are in each other's way. */
static bool load_ascending(const struct gs_windows *w, const struct gs_window *at,
                           struct gs_decoder *d, struct gs_window_rows *rows)
{
    bool in_order = order_parts(w, at, rows);
    for (size_t p = 0; p < at->n_own; p++) {
        const struct gs_window_part *part = &w->parts[at->own + rows->parts[p].part];
        const struct gs_chunk_ref *c = w->slices->at[part->chunk];
        if (part->damaged)
            continue;
        gs_row_columns_reserve(&rows->c, rows->n + c->hdr.n_rows, rows->n);
        if (!gs_decode_columns(d, c, &rows->c, rows->n))
            return false;
        size_t n = keep_own(rows, c->hdr.n_rows, at);
        bool meets = rows->n && n && rows->c.seq[rows->n] <= rows->c.seq[rows->n - 1];
        if (!meets)
            rows->n += n;
        else if (!in_order || !merge_meeting(rows, n))
            return false;
    }
    return true;
}

/* ---- chunks in any order ---- */

/* A row whose halves the row before has given already would be dropped when halves are merged. A
 * chunk of 200 bytes can hold 4096 of them: they must not take memory until then. */
static bool is_said(const struct gs_window_rows *rows, const struct gs_slice *s)
{
    if (rows->n_at == 0)
        return false;
    const struct gs_slice *last = &rows->at[rows->n_at - 1];
    return last->seq == s->seq && (s->flags & ~last->flags & HALVES) == 0 && s->ds <= last->ds &&
           s->a_ns <= last->a_ns;
}

static void append(struct gs_window_rows *rows, const struct gs_slice *s)
{
    if (is_said(rows, s))
        return;
    GS_RESERVE(rows->at, rows->n_at + 1, rows->cap_at);
    rows->at[rows->n_at++] = *s;
}

static void place(struct gs_window_rows *rows, uint64_t lo, const struct gs_slice *s)
{
    struct gs_slice *at = &rows->at[s->seq - lo];
    if (at->flags & HALVES)
        gs_merge_halves(at, s);
    else
        *at = *s;
}

/* Into their places, by seq from first_seq on; or, where `places` is false, one behind another. */
static void load_own(const struct gs_windows *w, const struct gs_window *at, struct gs_decoder *d,
                     struct gs_window_rows *rows, bool places)
{
    for (size_t p = 0; p < at->n_own; p++) {
        const struct gs_window_part *part = &w->parts[at->own + p];
        if (part->damaged || !gs_decode_slices(d, w->slices->at[part->chunk]))
            continue;
        const uint64_t *seq = gs_decoded_column(d, GS_SLICE_SEQ);
        struct gs_slice row;
        for (size_t i = 0; i < d->n; i++) {
            if (seq[i] < at->lo || seq[i] > at->last || !gs_decoded_slice(d, i, &row))
                continue;
            if (places)
                place(rows, at->first_seq, &row);
            else
                append(rows, &row);
        }
    }
}

static uint64_t last_seq(const struct gs_windows *w, const struct gs_window *at)
{
    uint64_t last = at->first_seq;
    for (size_t p = 0; p < at->n_own; p++) {
        uint64_t seq1 = w->slices->at[w->parts[at->own + p].chunk]->hdr.seq1;
        seq1 = seq1 < at->last ? seq1 : at->last;
        last = seq1 > last && !w->parts[at->own + p].damaged ? seq1 : last;
    }
    return last;
}

static void load_dense(const struct gs_windows *w, const struct gs_window *at, struct gs_decoder *d,
                       struct gs_window_rows *rows, size_t span)
{
    size_t kept = 0;
    GS_RESERVE(rows->at, span, rows->cap_at);
    memset(rows->at, 0, span * sizeof(*rows->at));
    load_own(w, at, d, rows, true);
    for (size_t i = 0; i < span; i++)
        if (rows->at[i].flags & HALVES) {
            if (kept != i)
                rows->at[kept] = rows->at[i];
            kept++;
        }
    rows->n_at = kept;
}

static bool is_sorted(const struct gs_slice *rows, size_t n)
{
    for (size_t i = 1; i < n; i++)
        if (rows[i - 1].seq > rows[i].seq)
            return false;
    return true;
}

static void sort_rows(struct gs_window_rows *rows)
{
    if (is_sorted(rows->at, rows->n_at))
        return;
    rows->at = gs_radix_sort(rows->at, rows->n_at, sizeof(*rows->at));
    rows->cap_at = rows->n_at;
}

static void merge_neighbours(struct gs_window_rows *rows)
{
    size_t kept = 0;
    for (size_t i = 0; i < rows->n_at; i++) {
        if (kept > 0 && rows->at[kept - 1].seq == rows->at[i].seq)
            gs_merge_halves(&rows->at[kept - 1], &rows->at[i]);
        else if (kept++ != i)
            rows->at[kept - 1] = rows->at[i];
    }
    rows->n_at = kept;
}

/* ---- waits of later windows ---- */

static void load_reaching_part(const struct gs_windows *w, const struct gs_window *at,
                               const struct gs_window_part *part, struct gs_decoder *d,
                               struct gs_window_rows *rows)
{
    const struct gs_window *home = &w->at[part->window];
    if (!gs_decode_slices(d, w->slices->at[part->chunk]))
        return;
    const uint64_t *seq = gs_decoded_column(d, GS_SLICE_SEQ);
    const uint64_t *ds = gs_decoded_column(d, GS_SLICE_WAIT_DS);
    for (size_t i = 0; i < d->n; i++) {
        struct gs_slice row;
        if (seq[i] < home->lo || seq[i] > home->last || seq[i] - ds[i] >= at->next_seq ||
            !gs_decoded_slice(d, i, &row) || !(row.flags & GS_SLICE_WAIT))
            continue;
        row.order = (uint32_t)rows->n_reaching;
        GS_PUSH(rows->reaching, rows->n_reaching, rows->cap_reaching, row);
    }
}

static int by_seq_and_merit(const void *pa, const void *pb)
{
    const struct gs_slice *a = pa, *b = pb;
    if (a->seq != b->seq)
        return a->seq < b->seq ? -1 : 1;
    if (a->ds != b->ds)
        return a->ds > b->ds ? -1 : 1;
    return a->order < b->order ? -1 : a->order > b->order;
}

static void load_reaching(const struct gs_windows *w, const struct gs_window *at,
                          struct gs_decoder *d, struct gs_window_rows *rows)
{
    size_t kept = 0;
    rows->n_reaching = 0;
    for (size_t i = 0; i < at->n_reaching; i++)
        load_reaching_part(w, at, &w->parts[w->reaching[at->reaching + i]], d, rows);
    if (rows->n_reaching)
        qsort(rows->reaching, rows->n_reaching, sizeof(*rows->reaching), by_seq_and_merit);
    for (size_t i = 0; i < rows->n_reaching; i++)
        if (kept == 0 || rows->reaching[kept - 1].seq != rows->reaching[i].seq)
            rows->reaching[kept++] = rows->reaching[i];
    rows->n_reaching = kept;
}

/* ---- all of it ---- */

static void load_samples(const struct gs_windows *w, const struct gs_window *at,
                         struct gs_decoder *d)
{
    d->n_samples = 0;
    for (size_t i = 0; i < at->n_samples; i++)
        gs_decode_samples(d, w->sample_list->at[w->sample_chunks[at->samples + i]], at->lo,
                          at->last);
}

static void load_scattered(const struct gs_windows *w, const struct gs_window *at,
                           struct gs_decoder *d, struct gs_window_rows *rows)
{
    uint64_t span = last_seq(w, at) - at->first_seq;
    rows->n_at = 0;
    if (span < DENSE_SPAN * at->n_rows) {
        load_dense(w, at, d, rows, (size_t)span + 1);
    } else {
        load_own(w, at, d, rows, false);
        sort_rows(rows);
        merge_neighbours(rows);
    }
    rows->n = rows->n_at;
    gs_row_columns_reserve(&rows->c, rows->n, 0);
    for (size_t i = 0; i < rows->n; i++)
        gs_row_columns_put(&rows->c, i, &rows->at[i]);
}

static bool is_monotone(const struct gs_row_columns *c, size_t n, uint64_t high_ns)
{
    return c->a_ns[0] >= high_ns && gs_column_rises(c->a_ns, n) &&
           gs_column_within(c->begin_ns, c->a_ns, n);
}

static void make_monotone(struct gs_row_columns *c, size_t n, uint64_t high_ns)
{
    for (size_t i = 0; i < n; i++) {
        high_ns = c->a_ns[i] > high_ns ? c->a_ns[i] : high_ns;
        c->a_ns[i] = high_ns;
        c->begin_ns[i] = c->begin_ns[i] < high_ns ? c->begin_ns[i] : high_ns;
    }
}

void gs_window_load(const struct gs_windows *w, size_t window, struct gs_decoder *d,
                    struct gs_window_rows *rows)
{
    const struct gs_window *at = &w->at[window];
    rows->n = rows->n_reaching = 0;
    load_samples(w, at, d);
    gs_sort_samples(d);
    if (at->n_rows == 0)
        return;
    if (!load_ascending(w, at, d, rows))
        load_scattered(w, at, d, rows);
    if (!is_monotone(&rows->c, rows->n, at->before_ns))
        make_monotone(&rows->c, rows->n, at->before_ns);
    load_reaching(w, at, d, rows);
}

void gs_windows_load_raw(const struct gs_windows *w, struct gs_decoder *d,
                         struct gs_window_rows *rows)
{
    struct gs_slice row;
    rows->n_at = rows->n_reaching = d->n_samples = 0;
    for (size_t i = 0; i < w->slices->n; i++) {
        if (!gs_plain_decode(d, w->slices->at[i]))
            continue;
        for (size_t k = 0; k < d->n; k++)
            if (gs_plain_slice(d, k, &row))
                append(rows, &row);
        gs_chunk_forget(w->slices->at[i]);
    }
    for (size_t i = 0; i < w->sample_list->n; i++) {
        gs_decode_samples(d, w->sample_list->at[i], 0, UINT64_MAX);
        gs_chunk_forget(w->sample_list->at[i]);
    }
}

void gs_window_rows_free(struct gs_window_rows *rows)
{
    gs_row_columns_free(&rows->c);
    free(rows->at);
    free(rows->reaching);
    free(rows->parts);
    memset(rows, 0, sizeof(*rows));
}

void gs_window_forget(const struct gs_windows *w, size_t window)
{
    const struct gs_window *at = &w->at[window];
    for (size_t p = 0; p < at->n_own; p++)
        gs_chunk_forget(w->slices->at[w->parts[at->own + p].chunk]);
    for (size_t i = 0; i < at->n_samples; i++)
        gs_chunk_forget(w->sample_list->at[w->sample_chunks[at->samples + i]]);
    for (size_t i = 0; i < at->n_reaching; i++)
        gs_chunk_forget(w->slices->at[w->parts[w->reaching[at->reaching + i]].chunk]);
}
