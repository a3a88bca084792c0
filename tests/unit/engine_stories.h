/* SPDX-License-Identifier: MIT
 * Random captures of one GIL, for the tests that compare engines. Header only.
 */
#ifndef GS_ENGINE_STORIES_H
#define GS_ENGINE_STORIES_H

#include "analyzer/clock.h"
#include "analyzer/export.h"
#include "tests/unit/capture_builder.h"

enum { TURN = GS_SLICE_TURN, WAIT = GS_SLICE_WAIT, BOTH = TURN | WAIT };

/* Threads 0..3, stacks 1..8: stack i is f<i> (f.py:10i) called by main. */
CAP_UNUSED void define_process(struct cap *c, uint32_t pid, unsigned clock_kind)
{
    cap_records(c);
    cap_process(c, pid, 0, clock_kind);
    for (unsigned i = 0; i < 4; i++) {
        char name[8];
        snprintf(name, sizeof(name), "t%u", i);
        cap_thread(c, i, name);
    }
    cap_code(c, 1, "/app/main.py", "main", 1);
    for (unsigned i = 1; i <= 8; i++) {
        char name[8];
        snprintf(name, sizeof(name), "f%u", i);
        cap_code(c, 10 + i, "/app/f.py", name, (int)(10 * i));
        cap_stack2(c, i, 10 + i, 1);
    }
    cap_end_records(c);
}

CAP_UNUSED void open_with_clock(struct cap *c, unsigned clock_kind)
{
    cap_open(c, 77);
    define_process(c, 42, clock_kind);
}

CAP_UNUSED void open_with_definitions(struct cap *c)
{
    open_with_clock(c, 1);
}

struct story {
    uint64_t rng;
    unsigned n, threads;
    unsigned drop;   /* one row in `drop` is missing, 0: none */
    unsigned jitter; /* acquire times move by up to this */
    bool hostile;    /* ds and waits are nonsense */
    bool twice;      /* some rows come again, saying something else */
    bool slow_clock; /* ticks of some microseconds, in segments, in two epochs */
    bool halves;     /* chunks meet in halves of one turn, as an agent's do */
    unsigned chunk;  /* rows */
};

CAP_UNUSED void random_rows(struct story *s, struct cap_row *rows, size_t *n_rows,
                            struct cap_sample *samples, size_t *n_samples)
{
    uint64_t t = 1000;
    for (uint64_t seq = 1; seq <= s->n; seq++) {
        uint64_t hold = cap_random(&s->rng) % 5000, back = 1 + cap_random(&s->rng) % 6;
        struct cap_row r = {.seq = seq, .thread = cap_random(&s->rng) % s->threads};
        r.t_acq = t + (s->jitter ? cap_random(&s->rng) % s->jitter : 0);
        r.flags = TURN;
        r.hold = hold;
        r.hold_stack = cap_random(&s->rng) % 9;
        if (cap_random(&s->rng) % 3 && seq > back) {
            r.flags |= WAIT;
            r.wait_ds = s->hostile ? cap_random(&s->rng) % 100 : back;
            r.wait = s->hostile ? cap_random(&s->rng) % 100000 : back * 2500;
            r.wait_stack = cap_random(&s->rng) % 9;
        }
        if (cap_random(&s->rng) % 9 == 0)
            r.flags &= cap_random(&s->rng) & 1 ? (uint64_t)TURN : (uint64_t)WAIT;
        for (unsigned k = cap_random(&s->rng) % 4; k-- > 0 && *n_samples < 4 * s->n;)
            samples[(*n_samples)++] =
                (struct cap_sample){seq, t + cap_random(&s->rng) % (hold + 1), k ? r.thread : 0,
                                    1 + cap_random(&s->rng) % 3, cap_random(&s->rng) % 9};
        t += hold + cap_random(&s->rng) % 200;
        if (r.flags & BOTH && !(s->drop && cap_random(&s->rng) % s->drop == 0))
            rows[(*n_rows)++] = r;
        if (s->twice && cap_random(&s->rng) % 5 == 0) {
            r.t_acq += cap_random(&s->rng) % 9000;
            r.wait += 3000;
            r.wait_ds++;
            r.hold += 50;
            rows[(*n_rows)++] = r;
        }
    }
}

CAP_UNUSED void shuffle(uint64_t *rng, struct cap_row *rows, size_t n, size_t reach)
{
    for (size_t i = 0; i + 1 < n; i++) {
        size_t j = i + cap_random(rng) % (n - i < reach ? n - i : reach);
        struct cap_row r = rows[i];
        rows[i] = rows[j];
        rows[j] = r;
    }
}

/* Records among the rows' ticks; a second epoch for some chunks. */
CAP_UNUSED void add_clock(struct cap *c)
{
    const uint64_t s = GS_CLOCK_MIN_STEP_NS;
    cap_records(c);
    CAP_REC(c, GS_RECORD_CLOCK, 20000, s, 0);
    CAP_REC(c, GS_RECORD_CLOCK, 50000, 2 * s + 7, 0);
    cap_end_records(c);
    c->epoch = 1;
    cap_records(c);
    CAP_REC(c, GS_RECORD_CLOCK, 30000, 40 * s, 0);
    CAP_REC(c, GS_RECORD_CLOCK, 90001, 50 * s, 0);
    cap_end_records(c);
    c->epoch = 0;
}

/* Row i comes as its WAIT at the end of one chunk and its TURN in the next. */
CAP_UNUSED size_t put_chunk(struct cap *c, struct cap_row *rows, size_t i, size_t n, bool halves)
{
    struct cap_row whole = rows[i + n - 1];
    bool cut = halves && n > 1 && (whole.flags & BOTH) == BOTH;
    if (cut)
        rows[i + n - 1].flags &= ~(uint64_t)TURN;
    cap_slices(c, rows + i, n);
    if (!cut)
        return n;
    rows[i + n - 1].flags = whole.flags & ~(uint64_t)WAIT;
    return n - 1;
}

/* The story's rows. reach: they are shuffled among so many, 0: not at all; stretch: every turn but
 * one in `stretch` was folded. */
CAP_UNUSED void put_story(struct cap *c, struct story s, size_t reach, uint64_t stretch)
{
    struct cap_row *rows = calloc(2 * s.n, sizeof(*rows));
    struct cap_sample *samples = calloc(4 * s.n + 4, sizeof(*samples));
    size_t n = 0, n_samples = 0;
    random_rows(&s, rows, &n, samples, &n_samples);
    for (size_t i = 0; i < n && stretch > 1; i++)
        rows[i].seq *= stretch;
    if (reach)
        shuffle(&s.rng, rows, n, reach);
    for (size_t i = 0; i < n;) {
        c->epoch = s.slow_clock && c->n_chunks % 4 == 3;
        i += put_chunk(c, rows, i, n - i < s.chunk ? n - i : s.chunk, s.halves);
    }
    c->epoch = 0;
    for (size_t i = 0; i < n_samples; i += s.chunk)
        cap_samples(c, samples + i, n_samples - i < s.chunk ? n_samples - i : s.chunk);
    free(rows);
    free(samples);
}

CAP_UNUSED void build_story(struct cap *c, struct story s, size_t reach, uint64_t stretch)
{
    open_with_clock(c, !s.slow_clock);
    if (s.slow_clock)
        add_clock(c);
    put_story(c, s, reach, stretch);
}

/* The i-th of a series that has losses, jumping clocks, nonsense and rows that come twice. */
CAP_UNUSED void build_random_story(struct cap *c, unsigned i)
{
    struct story s = {.rng = 88172645463325252u + i, .n = 1 + 97 * i, .threads = 1 + i % 4};
    s.drop = i % 3 == 1 ? 5 : 0;
    s.jitter = i % 4 == 2 ? 400 : 0;
    s.hostile = i % 5 == 3;
    s.twice = i % 4 == 1;
    s.slow_clock = i % 6 == 5;
    s.halves = i % 4 == 2;
    s.chunk = i % 3 ? 30 + 17 * i : 1000; /* windows end where chunks begin */
    build_story(c, s, i % 2 ? 50 : 0, i % 7 == 6 ? 9 : 1);
}

/* Waits over all turns before, of `n` threads: past the limits of pairs. */
CAP_UNUSED void build_convoy(struct cap *c, uint64_t n_threads)
{
    struct cap_row *rows = calloc(3000, sizeof(*rows));
    for (uint64_t i = 0; i < 3000; i++)
        rows[i] = (struct cap_row){i + 1, 10 * i, i % n_threads, BOTH, 9, 0, 10 * i, i, 0};
    open_with_definitions(c);
    cap_slices(c, rows, 3000);
    free(rows);
}

/* What export makes of a profile: the engine's times by thread and stack. */
CAP_UNUSED char *folded(const struct gs_profile *p)
{
    static const enum gs_metric metrics[] = {GS_METRIC_HOLD, GS_METRIC_BLAME, GS_METRIC_WAIT};
    char *text = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&text, &len);
    for (size_t i = 0; i < sizeof(metrics) / sizeof(*metrics); i++)
        gs_export_collapsed(p, metrics[i], f);
    fclose(f);
    return text;
}

/* Who does not ask for pairs gets the same times, and none of them. */
CAP_UNUSED void check_without_pairs(const struct cap *c, const struct gs_load_options *way,
                                    const char *want)
{
    struct gs_load_options options = *way;
    struct gs_profile p;
    options.no_pairs = true;
    cap_profile_with(c->data, c->len, &options, &p);
    char *got = folded(&p);
    assert_string_equal(got, want);
    assert_int_equal(p.n_chains, 0);
    assert_true(p.processes[0].n_blame <= 1 && p.processes[0].n_edges == 0);
    assert_true(!p.processes[0].notes || !strstr(p.processes[0].notes, "pairs"));
    free(got);
    gs_profile_free(&p);
}

#endif
