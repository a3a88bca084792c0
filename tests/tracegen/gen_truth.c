/* SPDX-License-Identifier: MIT
 * What a reader must find in the chunks that survive: the sums of contract.md, by the definitions
 * of TRACE_FORMAT.md and analyzer/engine.h, taken row by row as chunks are written. It keeps the
 * last turns only, as many as a wait can lie over.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "tests/tracegen/tracegen.h"

#define MAX_PAIR_THREADS 1024u

enum slice_col { S_SEQ, S_T_ACQ, S_THREAD, S_FLAGS, S_HOLD, S_HOLD_STACK, S_WAIT, S_WAIT_DS };
enum sched_col { C_T, C_THREAD, C_CPU, C_RUNQUEUE };

/* Of the TOTALS record that counts. */
struct totals {
    uint64_t acquisitions, contended, forced, uncounted_hold, uncounted_wait; /* ticks */
    uint64_t open_kind, open_since;
};
struct thread_sums {
    uint64_t hold, wait, wait_max, blamed; /* ns, of rows */
    uint64_t acquires, releases, contended, forced;
    uint64_t cpu_ns, runqueue_ns;
    struct totals counts, written; /* written: in the RECORDS chunk that is open */
    bool is_written;
};
struct known_turn {
    uint64_t seq, acq, release; /* ns */
    uint32_t thread;
};
struct gen_truth {
    const struct gen_process *p;
    uint32_t n_threads;
    struct thread_sums *threads;
    uint64_t *pairs;          /* waiter * n_threads + holder; NULL for too many threads */
    struct known_turn *turns; /* by seq, in a ring */
    uint64_t mask, unknown, end;
};

struct gen_truth *gen_truth_open(const struct gen_process *p)
{
    struct gen_truth *t = gen_alloc(1, sizeof(*t));
    uint64_t room = 1024;
    while (room < 8 * (uint64_t)p->o->threads)
        room *= 2;
    t->p = p;
    t->n_threads = p->o->threads;
    t->threads = gen_alloc(t->n_threads, sizeof(*t->threads));
    t->turns = gen_alloc(room, sizeof(*t->turns));
    t->mask = room - 1;
    if (t->n_threads <= MAX_PAIR_THREADS)
        t->pairs = gen_alloc((size_t)t->n_threads * t->n_threads, sizeof(*t->pairs));
    return t;
}

void gen_truth_close(struct gen_truth *t)
{
    if (!t)
        return;
    free(t->threads);
    free(t->pairs);
    free(t->turns);
    free(t);
}

/* ---- rows ---- */

static uint64_t blame(struct gen_truth *t, uint32_t waiter, uint32_t holder, uint64_t from,
                      uint64_t to)
{
    if (to <= from)
        return from;
    t->threads[holder].blamed += to - from;
    if (t->pairs)
        t->pairs[(size_t)waiter * t->n_threads + holder] += to - from;
    return to;
}

/* A known turn is followed at once by the next acquire, or by a turn that nobody knows: then its
 * release is its end. */
static uint64_t end_of(const struct known_turn *turn, const struct known_turn *next)
{
    if (turn->seq + 1 == next->seq)
        return next->acq;
    return turn->release < next->acq ? turn->release : next->acq;
}

/* Lays a wait over the turns from seq - ds on; me: the turn it led to. */
static void lay_wait(struct gen_truth *t, const struct known_turn *me, uint64_t begin, uint64_t ds)
{
    const struct known_turn *before = NULL;
    uint64_t cur = begin, expected = me->seq - ds;
    if (ds > t->mask)
        gen_fail("internal: a wait over %" PRIu64 " turns", ds);
    for (uint64_t seq = expected; seq <= me->seq; seq++) {
        const struct known_turn *turn = seq == me->seq ? me : &t->turns[seq & t->mask];
        if (turn->seq != seq)
            continue;
        if (before)
            cur = blame(t, me->thread, before->thread, cur, end_of(before, turn));
        if ((seq != expected || turn == me) && turn->acq > cur) {
            t->unknown += turn->acq - cur;
            cur = turn->acq;
        }
        before = turn;
        expected = seq + 1;
    }
}

static void add_slice(struct gen_truth *t, const struct gen_columns *c, uint32_t i)
{
    const struct gen_clock *clock = &t->p->clock;
    uint64_t acq = c->cols[S_T_ACQ][i], flags = c->cols[S_FLAGS][i];
    struct known_turn me = {c->cols[S_SEQ][i], gen_ns(clock, acq),
                            gen_ns(clock, acq + c->cols[S_HOLD][i]),
                            (uint32_t)c->cols[S_THREAD][i]};
    struct thread_sums *s = &t->threads[me.thread];
    s->acquires++;
    s->forced += (flags & GS_SLICE_FORCED) != 0;
    if (flags & GS_SLICE_TURN) {
        s->releases++;
        s->hold += me.release - me.acq;
    }
    if (flags & GS_SLICE_WAIT) {
        uint64_t begin = gen_ns(clock, acq - c->cols[S_WAIT][i]), wait = me.acq - begin;
        s->contended++;
        s->wait += wait;
        s->wait_max = wait > s->wait_max ? wait : s->wait_max;
        lay_wait(t, &me, begin, c->cols[S_WAIT_DS][i]);
    }
    t->turns[me.seq & t->mask] = me;
}

void gen_truth_chunk(struct gen_truth *t, const struct gen_columns *c, bool survives)
{
    if (!survives)
        return;
    for (uint32_t i = 0; c->stream == GS_STREAM_SLICE && i < c->n; i++)
        add_slice(t, c, i);
    for (uint32_t i = 0; c->stream == GS_STREAM_SCHED && i < c->n; i++) {
        struct thread_sums *s = &t->threads[c->cols[C_THREAD][i]];
        s->cpu_ns = c->cols[C_CPU][i];
        s->runqueue_ns = c->cols[C_RUNQUEUE][i];
    }
}

/* ---- records ---- */

void gen_truth_totals(struct gen_truth *t, uint32_t thread, uint32_t open_kind, uint64_t open_since)
{
    const struct gen_thread *w = &t->p->gil.threads[thread];
    struct thread_sums *s = &t->threads[thread];
    s->is_written = true;
    s->written = (struct totals){
        .acquisitions = w->acquisitions,
        .contended = w->contended,
        .forced = w->forced,
        .uncounted_hold = w->folded_hold + w->lost_hold,
        .uncounted_wait = w->lost_wait,
        .open_kind = open_kind,
        .open_since = open_since,
    };
}

void gen_truth_records(struct gen_truth *t, bool survives)
{
    for (uint32_t i = 0; i < t->n_threads; i++) {
        struct thread_sums *s = &t->threads[i];
        if (s->is_written && survives)
            s->counts = s->written;
        s->is_written = false;
    }
}

void gen_truth_end(struct gen_truth *t, uint64_t end)
{
    t->end = end;
}

/* ---- JSON ---- */

static uint64_t max_u64(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* Rows and TOTALS together, as a reader sees the thread. */
struct seen {
    uint64_t hold, wait, open_wait, acquisitions, releases, contended, forced;
};

static struct seen see(const struct gen_truth *t, const struct thread_sums *s)
{
    const struct gen_clock *clock = &t->p->clock;
    const struct totals *c = &s->counts;
    return (struct seen){
        .hold = s->hold + gen_duration_ns(clock, c->uncounted_hold),
        .wait = s->wait + gen_duration_ns(clock, c->uncounted_wait),
        .open_wait = c->open_kind == 2 ? gen_ns(clock, t->end) - gen_ns(clock, c->open_since) : 0,
        .acquisitions = max_u64(s->acquires, c->acquisitions),
        .releases = max_u64(s->releases, c->acquisitions),
        .contended = max_u64(s->contended, c->contended),
        .forced = max_u64(s->forced, c->forced),
    };
}

static void put_threads(const struct gen_truth *t, FILE *f)
{
    fputs(",\n \"threads\": [", f);
    for (uint32_t i = 0; i < t->n_threads; i++) {
        const struct thread_sums *s = &t->threads[i];
        struct seen x = see(t, s);
        fprintf(f,
                "%s{\"thread\": %u, \"hold_ns\": %" PRIu64 ", \"wait_ns\": %" PRIu64
                ", \"open_wait_ns\": %" PRIu64 ", \"acquisitions\": %" PRIu64
                ", \"releases\": %" PRIu64 ", \"contended\": %" PRIu64
                ", \"forced_drops\": %" PRIu64 ", \"blamed_ns\": %" PRIu64
                ", \"wait_max_ns\": %" PRIu64 ", \"cpu_ns\": %" PRIu64 ", \"runqueue_ns\": %" PRIu64
                "}",
                i ? ",\n  " : "", i, x.hold, x.wait, x.open_wait, x.acquisitions, x.releases,
                x.contended, x.forced, s->blamed, s->wait_max, s->cpu_ns, s->runqueue_ns);
    }
    fputs("]", f);
}

static void put_gil(const struct gen_truth *t, FILE *f)
{
    struct seen all = {0};
    uint64_t unknown = t->unknown;
    for (uint32_t i = 0; i < t->n_threads; i++) {
        struct seen x = see(t, &t->threads[i]);
        all.hold += x.hold;
        all.wait += x.wait;
        all.open_wait += x.open_wait;
        all.acquisitions += x.acquisitions;
        all.contended += x.contended;
        all.forced += x.forced;
        unknown += gen_duration_ns(&t->p->clock, t->threads[i].counts.uncounted_wait);
    }
    fprintf(
        f,
        ",\n \"gil\": {\"hold_ns\": %" PRIu64 ", \"wait_ns\": %" PRIu64
        ", \"open_wait_ns\": %" PRIu64 ", \"acquisitions\": %" PRIu64 ", \"contended\": %" PRIu64
        ", \"forced_drops\": %" PRIu64 ", \"unknown_holder_ns\": %" PRIu64 "}",
        all.hold, all.wait, all.open_wait, all.acquisitions, all.contended, all.forced, unknown);
}

static void put_blame(const struct gen_truth *t, FILE *f)
{
    const char *separator = "";
    if (!t->pairs)
        return;
    fputs(",\n \"blame\": [", f);
    for (uint32_t w = 0; w < t->n_threads; w++) {
        for (uint32_t h = 0; h < t->n_threads; h++) {
            uint64_t ns = t->pairs[(size_t)w * t->n_threads + h];
            if (!ns)
                continue;
            fprintf(f, "%s{\"waiter\": %u, \"holder\": %u, \"ns\": %" PRIu64 "}", separator, w, h,
                    ns);
            separator = ",\n  ";
        }
    }
    fputs("]", f);
}

/* As written: damage is not taken off. */
static void put_others(const struct gen_truth *t, FILE *f)
{
    if (t->p->memory) {
        struct gen_memory_sums m = gen_memory_sums(t->p->memory);
        fprintf(f,
                ",\n \"memory\": {\"arenas\": %" PRIu64 ", \"arena_bytes\": %" PRIu64
                ", \"peak_arena_bytes\": %" PRIu64 ", \"pool_used_bytes\": %" PRIu64
                ", \"samples\": %" PRIu64 ", \"alloc_samples\": %" PRIu64
                ", \"alloc_live_bytes\": %" PRIu64 "}",
                m.arenas, m.arena_bytes, m.peak_arena_bytes, m.pool_used_bytes, m.samples,
                m.alloc_samples, m.alloc_live_bytes);
    }
    if (t->p->cuda) {
        struct gen_cuda_sums c = gen_cuda_sums(t->p->cuda);
        fprintf(f,
                ",\n \"cuda\": {\"allocations\": %" PRIu64 ", \"frees\": %" PRIu64
                ", \"failed\": %" PRIu64 ", \"live_bytes\": %" PRIu64 ", \"peak_bytes\": %" PRIu64
                "}",
                c.allocations, c.frees, c.failed, c.live_bytes, c.peak_bytes);
    }
}

void gen_truth_json(const struct gen_truth *t, FILE *f)
{
    const struct gen_process *p = t->p;
    fprintf(f,
            "{\"pid\": %u, \"chunks\": %" PRIu64 ", \"damaged_chunks\": %" PRIu64
            ", \"lost_rows\": %" PRIu64 ", \"duration_ns\": %" PRIu64,
            p->pid, p->chunks.n_chunks_out, p->chunks.n_damaged, p->lost_slots,
            gen_ns(&p->clock, t->end) - gen_ns(&p->clock, p->start));
    put_gil(t, f);
    put_threads(t, f);
    put_blame(t, f);
    put_others(t, f);
    fputs("}", f);
}
