/* SPDX-License-Identifier: MIT
 * What was still open at the end of one GIL, and with it how many turns have ended.
 *
 * TOTALS of different threads are not of one moment, and rows may be newer than they are: a process
 * is killed, or replaced by an exec, between two writes. But a GIL has one turn at a time, so every
 * turn but the last one begun has ended, whether or not its end was written.
 */
#include "analyzer/profile_process.h"

static uint64_t max_u64(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

struct last_turn {
    uint32_t thread; /* dense */
    uint64_t acq_ns; /* 0: there was none */
    bool open;
};

/* By the rows: one without a TURN may be open, or was folded since. */
static struct last_turn last_of_rows(struct gs_recording *r, const struct gs_windows *rows)
{
    struct last_turn turn = {0};
    for (size_t i = 0; i < rows->threads.n; i++) {
        const struct gs_thread_last *last = &rows->last[i];
        if (last->acq_ns < turn.acq_ns)
            continue;
        turn.thread = gs_recording_thread(r, (uint32_t)rows->threads.keys[i]);
        turn.acq_ns = last->acq_ns;
        turn.open = !last->has_turn || last->turn_acq_ns < last->acq_ns;
    }
    return turn;
}

static bool is_holding(const struct gs_rec_totals *t)
{
    return t->seen && t->open_kind == 1;
}

static struct last_turn find_last_turn(const struct gs_process_builder *b, uint32_t gil)
{
    struct last_turn turn = last_of_rows(b->r, &b->r->gils[gil].rows);
    for (size_t i = b->totals_from[gil]; i < b->totals_from[gil + 1]; i++) {
        const struct gs_rec_totals *t = b->totals[i];
        if (is_holding(t) && t->open_since_ns > turn.acq_ns)
            turn = (struct last_turn){t->thread, t->open_since_ns, true};
        else if (t->seen && t->thread == turn.thread && t->open_kind != 1 && t->t_ns >= turn.acq_ns)
            turn.open = false; /* newer than the row */
    }
    return turn;
}

/* A wait that the rows, which may be newer, do not know to have ended. */
static bool is_waiting(const struct gs_process_builder *b, const struct gs_rec_totals *t)
{
    const struct gs_windows *rows = &b->r->gils[t->gil].rows;
    if (!t->seen || t->open_kind != 2)
        return false;
    uint32_t at = gs_idmap_find(&rows->threads, b->r->threads[t->thread].id);
    return at == GS_IDMAP_NONE || rows->last[at].acq_ns <= t->open_since_ns;
}

static uint64_t until_end_ns(const struct gs_process_builder *b, uint64_t since_ns)
{
    return b->r->end_ns > since_ns ? b->r->end_ns - since_ns : 0;
}

static void add_open_waits(struct gs_process_builder *b, uint32_t gil)
{
    for (size_t i = b->totals_from[gil]; i < b->totals_from[gil + 1]; i++) {
        const struct gs_rec_totals *t = b->totals[i];
        if (!is_waiting(b, t))
            continue;
        uint32_t at = gs_builder_thread(b, t->thread, gil); /* may move threads[] */
        b->threads[at].open_wait_ns += until_end_ns(b, t->open_since_ns);
    }
}

void gs_builder_add_open(struct gs_process_builder *b, uint32_t gil, size_t first)
{
    struct last_turn turn = find_last_turn(b, gil);
    size_t holder = turn.open ? gs_builder_thread(b, turn.thread, gil) : SIZE_MAX;
    if (turn.open)
        b->threads[holder].open_hold_ns += until_end_ns(b, turn.acq_ns);
    add_open_waits(b, gil);
    for (size_t i = first; i < b->n_threads; i++) {
        struct gs_prof_thread *t = &b->threads[i];
        t->acquisitions = max_u64(t->acquisitions, t->releases + (i == holder));
        t->releases = t->acquisitions - (i == holder);
    }
}
