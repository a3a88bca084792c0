/* SPDX-License-Identifier: MIT
 * One window's rows. Chunks that ascend, as agents write them, are laid one behind another; a few
 * rows of two chunks may be in each other's way where they meet, as the halves of a turn that was
 * going on between two chunks are. Of anything else, dense numbers go straight to their places, and
 * sparse ones are radix-sorted. All ways the first row of a seq in the order of the file is the one
 * that the others are merged into.
 */
#include <stdlib.h>
#include <string.h>

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

/* Rows [n, n + more) behind the first n, both ascending. false: too many stand in each other's way.
 */
static bool merge_meeting(struct gs_window_rows *rows, size_t more)
{
    struct gs_slice old[MEETING_ROWS], new[MEETING_ROWS], *at = rows->at;
    size_t n = rows->n, n_old = 0, n_new = 0, out, i = 0, k = 0;
    while (n_old < n && at[n - n_old - 1].seq >= at[n].seq)
        if (n_old++ == MEETING_ROWS)
            return false;
    while (n_new < more && at[n + n_new].seq <= at[n - 1].seq)
        if (n_new++ == MEETING_ROWS)
            return false;
    memcpy(old, at + n - n_old, n_old * sizeof(*at));
    memcpy(new, at + n, n_new * sizeof(*at));
    for (out = n - n_old; i < n_old || k < n_new; out++) {
        bool same = i < n_old && k < n_new && old[i].seq == new[k].seq;
        if (same)
            gs_merge_halves(&old[i], &new[k++]);
        if (same || k == n_new || (i < n_old && old[i].seq < new[k].seq))
            at[out] = old[i++];
        else
            at[out] = new[k++];
    }
    if (out != n + n_new)
        memmove(at + out, at + n + n_new, (more - n_new) * sizeof(*at));
    rows->n = out + (more - n_new);
    return true;
}

/* false: some chunk does not ascend, or too many rows are in each other's way. */
static bool load_ascending(const struct gs_windows *w, const struct gs_window *at,
                           struct gs_decoder *d, struct gs_window_rows *rows)
{
    bool in_order = order_parts(w, at, rows);
    for (size_t p = 0; p < at->n_own; p++) {
        const struct gs_window_part *part = &w->parts[at->own + rows->parts[p].part];
        if (part->damaged || !gs_decode_slices(d, w->slices->at[part->chunk]))
            continue;
        if (!d->ascends)
            return false;
        struct gs_row_range r = gs_decoded_range(d, at->lo, at->last);
        GS_RESERVE(rows->at, rows->n + (r.end - r.from), rows->cap);
        size_t n = gs_decoded_rows(d, r.from, r.end, rows->at + rows->n);
        bool meets = rows->n && n && rows->at[rows->n].seq <= rows->at[rows->n - 1].seq;
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
    if (rows->n == 0)
        return false;
    const struct gs_slice *last = &rows->at[rows->n - 1];
    return last->seq == s->seq && (s->flags & ~last->flags & HALVES) == 0 && s->ds <= last->ds &&
           s->a_ns <= last->a_ns;
}

static void append(struct gs_window_rows *rows, const struct gs_slice *s)
{
    if (is_said(rows, s))
        return;
    GS_RESERVE(rows->at, rows->n + 1, rows->cap);
    rows->at[rows->n++] = *s;
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
    GS_RESERVE(rows->at, span, rows->cap);
    memset(rows->at, 0, span * sizeof(*rows->at));
    load_own(w, at, d, rows, true);
    for (size_t i = 0; i < span; i++)
        if (rows->at[i].flags & HALVES) {
            if (kept != i)
                rows->at[kept] = rows->at[i];
            kept++;
        }
    rows->n = kept;
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
    if (is_sorted(rows->at, rows->n))
        return;
    rows->at = gs_radix_sort(rows->at, rows->n, sizeof(*rows->at));
    rows->cap = rows->n;
}

static void merge_neighbours(struct gs_window_rows *rows)
{
    size_t kept = 0;
    for (size_t i = 0; i < rows->n; i++) {
        if (kept > 0 && rows->at[kept - 1].seq == rows->at[i].seq)
            gs_merge_halves(&rows->at[kept - 1], &rows->at[i]);
        else if (kept++ != i)
            rows->at[kept - 1] = rows->at[i];
    }
    rows->n = kept;
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
    rows->n = 0;
    if (span < DENSE_SPAN * at->n_rows) {
        load_dense(w, at, d, rows, (size_t)span + 1);
    } else {
        load_own(w, at, d, rows, false);
        sort_rows(rows);
        merge_neighbours(rows);
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
    gs_make_monotone(rows->at, rows->n, at->before_ns);
    load_reaching(w, at, d, rows);
}

void gs_windows_load_raw(const struct gs_windows *w, struct gs_decoder *d,
                         struct gs_window_rows *rows)
{
    struct gs_slice row;
    rows->n = rows->n_reaching = d->n_samples = 0;
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
